"""What RapidOCR's networks read on drawn pages, held against what was drawn."""

import cv2
import numpy as np
import pytest
from drawn_text import SANS, askew, drawn_column, drawn_lines
from engine_pages import blank, turned
from numpy.typing import NDArray

from ocrstream_schemas.events import TextBox
from ocrstream_worker.engines.port import EngineSettings, Recognition, RecognitionOptions, RgbImage
from ocrstream_worker.engines.rapidocr import RapidOcrEngine

LONG = "The lamps of the harbour were lit by seven men who came with ropes and a ladder at dusk"
TEXT = [
    "Ordered by the harbour office",
    "17 lamps of brass, 4 ropes",
    "Delivered on Monday morning",
    "Grand total 12.50 EUR",
]


@pytest.fixture(scope="module")
def engine() -> RapidOcrEngine:
    made = RapidOcrEngine(EngineSettings())
    made.warm_up()
    return made


def recognize(engine: RapidOcrEngine, image: RgbImage) -> Recognition:
    (outcome,) = engine.recognize([image], [RecognitionOptions()])
    assert isinstance(outcome, Recognition)
    return outcome


def texts(engine: RapidOcrEngine, image: RgbImage) -> list[str]:
    return [box.text for box in recognize(engine, image).boxes]


def run(box: TextBox) -> NDArray[np.float64]:
    """From the text's top left to its top right, in shares of the length."""
    along = np.subtract(box.bbox[1], box.bbox[0])
    return along / np.linalg.norm(along)


def pasted(page: RgbImage, part: RgbImage, left: int, top: int) -> None:
    height, width = part.shape[:2]
    page[top : top + height, left : left + width] = part


@pytest.mark.parametrize("quarter_turns", range(4))
def test_a_page_of_few_words_is_read_any_way_up(engine: RapidOcrEngine, quarter_turns: int) -> None:
    lines = ["Grand total 12.50 EUR", "請求書 ABC", "Invoice 4711"]
    outcome = recognize(engine, turned(drawn_lines(lines), quarter_turns))
    assert [box.text for box in outcome.boxes] == lines
    assert outcome.provenance.turn == 90 * quarter_turns
    assert outcome.provenance.turned_lines == 0
    for box in outcome.boxes:
        assert run(box) == pytest.approx(
            [(1, 0), (0, -1), (-1, 0), (0, 1)][quarter_turns], abs=0.03
        )


@pytest.mark.parametrize("quarter_turns", range(4))
@pytest.mark.parametrize("count", [1, 4])
def test_long_lines_are_read_any_way_up(
    engine: RapidOcrEngine, quarter_turns: int, count: int
) -> None:
    """Squeezed into the shape that tells which way up it is, such a line looks the same."""
    lines = [LONG, *(LONG.replace("seven", number) for number in ("eight", "nine", "twenty"))][
        :count
    ]
    page = drawn_lines(lines, size=24)
    assert page.shape[1] - 80 > 25 * 24 * 1.3
    outcome = recognize(engine, turned(page, quarter_turns))
    assert [box.text for box in outcome.boxes] == lines
    assert outcome.provenance.turned_lines == 0


@pytest.mark.parametrize("number", range(4))
@pytest.mark.parametrize("upside_down", [False, True])
def test_one_line_is_upside_down_on_its_page(
    engine: RapidOcrEngine, number: int, upside_down: bool
) -> None:
    page = drawn_lines(TEXT)
    row = slice(40 + 60 * number, 100 + 60 * number)
    page[row] = page[row, ::-1][::-1]
    outcome = recognize(engine, turned(page, 2 * upside_down))
    assert sorted(box.text for box in outcome.boxes) == sorted(TEXT)
    assert outcome.provenance.turn == 180 * upside_down
    assert outcome.provenance.turned_lines == 1
    for box in outcome.boxes:
        assert (run(box)[0] < 0) == ((box.text == TEXT[number]) != upside_down)


@pytest.mark.parametrize("quarter_turns", [1, 3])
def test_a_line_that_runs_across_the_page(engine: RapidOcrEngine, quarter_turns: int) -> None:
    page = blank(700, 700)
    pasted(page, drawn_lines(TEXT), 150, 200)
    pasted(
        page, turned(drawn_lines(["Kept in the archive of 1987"], margin=10), quarter_turns), 30, 60
    )
    outcome = recognize(engine, page)
    assert sorted(box.text for box in outcome.boxes) == sorted(
        [*TEXT, "Kept in the archive of 1987"]
    )
    assert outcome.provenance.turn == 0
    (aside,) = (box for box in outcome.boxes if box.text.startswith("Kept"))
    assert run(aside) == pytest.approx((0, -1) if quarter_turns == 1 else (0, 1), abs=0.03)


@pytest.mark.parametrize("size", [16, 24, 40])
def test_columns_of_lone_figures_are_read_row_by_row(engine: RapidOcrEngine, size: int) -> None:
    """They are narrow, and one below the other they look like a line that runs down the page."""
    rows = [
        ["Item", "A", "B", "C"],
        ["Sugar", "1", "7", "1"],
        ["Flour", "4", "1", "0"],
        ["Steel", "1", "1", "7"],
        ["Butter", "0", "4", "1"],
        ["Timber", "7", "1", "4"],
    ]
    page = blank(2 * size * (len(rows) + 1), 22 * size)
    for down, row in enumerate(rows):
        for across, text in enumerate(row):
            origin = ((1 + 5 * across) * size, 2 * (1 + down) * size)
            cv2.putText(page, text, origin, (0, 0, 0), SANS, size, 400)
    assert texts(engine, page) == [text for row in rows for text in row]


@pytest.mark.parametrize("degrees", [-14, -5, 7, 15])
def test_skewed_long_lines_keep_their_ends(engine: RapidOcrEngine, degrees: int) -> None:
    lines = [LONG, LONG.replace("seven", "twenty")]
    outcome = recognize(engine, askew(drawn_lines(lines, size=24), degrees))
    assert [box.text for box in outcome.boxes] == lines
    assert outcome.provenance.skew == pytest.approx(degrees, abs=0.3)


def test_on_a_strip_no_line_is_doubled_or_cut(engine: RapidOcrEngine) -> None:
    lines = [f"Item {number} of the list" for number in range(100, 200)]
    strip = blank(13_000, 1_000)
    # At all distances from where windows meet, across and along.
    places = [(20 + 37 * row % 560, 60 + 128 * row + row % 9) for row in range(len(lines))]
    for text, place in zip(lines, places, strict=True):
        cv2.putText(strip, text, place, (0, 0, 0), SANS, 36, 400)
    outcome = recognize(engine, strip)
    assert outcome.provenance.tiles > 10
    assert [box.text for box in outcome.boxes] == lines
    for box, (x, y) in zip(outcome.boxes, places, strict=True):
        assert box.bbox[3] == pytest.approx((x, y + 8), abs=14)


def test_a_strip_of_9000_pixels(engine: RapidOcrEngine) -> None:
    lines = [f"Item {number} of the list" for number in range(100, 190)]
    strip = drawn_lines(lines, size=48, margin=0)[:9_000, :576]
    outcome = recognize(engine, np.pad(strip, ((0, 360), (0, 0), (0, 0)), constant_values=255))
    assert [box.text for box in outcome.boxes] == lines


def test_a_line_is_found_whole_through_many_windows(engine: RapidOcrEngine) -> None:
    page = blank(3_000, 4_500)
    text = f"{LONG}, and none of the lamps went out before the ships had come home"
    cv2.putText(page, text, (60, 1_500), (0, 0, 0), SANS, 56, 400)
    outcome = recognize(engine, page)
    assert outcome.provenance.tiles > 4
    assert [box.text for box in outcome.boxes] == [text]


@pytest.mark.parametrize("size", [14, 24, 48, 90])
@pytest.mark.parametrize("text", ["Total", "12.50", "Grand total", "合計"])
def test_a_crop_whose_ink_touches_its_border(engine: RapidOcrEngine, text: str, size: int) -> None:
    image = drawn_lines([text], size=size)
    ys, xs = np.nonzero(image[:, :, 0] < 160)
    crop = np.ascontiguousarray(image[ys.min() : ys.max() + 1, xs.min() : xs.max() + 1])
    (box,) = recognize(engine, crop).boxes
    assert box.text.replace(" ", "") == text.replace(" ", "")
    assert abs(box.bbox[1][0] - box.bbox[0][0] - crop.shape[1]) < size


def test_letters_that_are_larger_than_any_on_a_common_page(engine: RapidOcrEngine) -> None:
    image = drawn_lines(["Grand"], size=560, margin=200)
    assert texts(engine, image) == ["Grand"]
    sign = blank(1_600, 2_400)
    pasted(sign, drawn_lines(["OPEN"], size=700, margin=0)[:1_000], 50, 50)
    pasted(sign, drawn_lines(TEXT), 100, 1_200)
    assert texts(engine, sign) == ["OPEN", *TEXT]


def test_columns_of_japanese_are_read_from_the_right(engine: RapidOcrEngine) -> None:
    columns = ["今日は、雨が降る。", "コーヒーを二杯、飲んだ。", "東京タワーに行く"]
    page = blank(700, 500)
    for number, text in enumerate(columns):
        pasted(page, drawn_column(text), 330 - 120 * number, 40)
    outcome = recognize(engine, page)
    assert [box.text for box in outcome.boxes] == columns
    assert outcome.provenance.turn == 0


def test_nothing_is_read_where_nothing_is_written(engine: RapidOcrEngine) -> None:
    chance = np.random.default_rng(11)
    assert texts(engine, blank(900, 700)) == []
    assert texts(engine, np.zeros((900, 700, 3), dtype=np.uint8)) == []
    assert texts(engine, chance.integers(0, 256, (700, 700, 3)).astype(np.uint8)) == []
    marks = blank(1_000, 1_000)
    marks[::12, ::12] = 0
    assert texts(engine, marks) == []


@pytest.mark.parametrize("width", range(80, 100, 3))
def test_a_narrow_page_with_little_on_it(engine: RapidOcrEngine, width: int) -> None:
    page = blank(1_500, width)
    cv2.putText(page, "No 7", (10, 700), (0, 0, 0), SANS, 20, 400)
    assert texts(engine, page) == ["No 7"]
    assert texts(engine, turned(page, 1)) == ["No 7"]
