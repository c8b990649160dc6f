"""Tesseract for real, in English and Korean, and its tab-separated values taken apart."""

import numpy as np
import pytest
from accuracy.fonts import FontMissing
from accuracy.generator import draw_page
from accuracy.scoring import ReadBox, score_page
from accuracy.table import load_table
from engine_pages import blank, needs_tesseract, page
from not_run import not_run
from PIL import Image, ImageDraw, ImageFont

from ocrstream_worker.decode import DecodeLimits, Decoder
from ocrstream_worker.engines.errors import EngineUnavailableError
from ocrstream_worker.engines.port import EngineSettings, Recognition, RecognitionOptions, RgbImage
from ocrstream_worker.engines.tesseract import TesseractEngine, parse_tsv

HEAD = "{level}\t1\t1\t1\t{line}\t{word}\t{left}\t20\t{width}\t10\t{confidence}\t{text}"


def row(level: int, line: int, place: tuple[int, int, int], sure: float, text: str) -> str:
    """`place`: number of the word, left, width."""
    word, left, width = place
    return HEAD.format(
        level=level, line=line, word=word, left=left, width=width, confidence=sure, text=text
    )


def test_rows_become_lines_of_words() -> None:
    tsv = "\n".join(
        [
            "1\t1\t0\t0\t0\t0\t0\t0\t300\t200\t-1\t",
            row(4, 1, (0, 10, 90), -1, ""),
            row(5, 1, (1, 10, 40), 96.5, "Grand"),
            row(5, 1, (2, 60, 40), 90.5, "total"),
            row(4, 2, (0, 10, 90), -1, ""),
            row(5, 2, (1, 10, 90), 95, " "),
            row(4, 3, (0, 10, 90), -1, ""),
            row(5, 3, (1, 10, 90), 80, "a\tb"),
        ]
    )
    first, last = parse_tsv(tsv)
    assert first.text == "Grand total"
    assert first.confidence == pytest.approx(0.935)
    assert first.corners == [(10, 20), (100, 20), (100, 30), (10, 30)]
    assert [word.corners[0][0] for word in first.words] == [10, 60]
    assert last.text == "a\tb"


def korean_page(*lines: str) -> RgbImage:
    try:
        font = ImageFont.truetype("NanumGothic.ttf", 32)
    except OSError as error:
        not_run("Korean text", f"no font to draw it with ({error}); on Debian: fonts-nanum")
    image = Image.new("RGB", (700, 80 + 60 * len(lines)), "white")
    for row, text in enumerate(lines):
        ImageDraw.Draw(image).text((30, 40 + 60 * row), text, fill="black", font=font)
    return np.asarray(image)


@pytest.fixture(scope="module")
def korean() -> TesseractEngine:
    needs_tesseract("kor", "eng")
    return TesseractEngine(EngineSettings(engine="tesseract", languages=("ko", "en")))


def test_reads_korean_without_a_network(korean: TesseractEngine) -> None:
    assert set(korean.info.models) == {
        "kor/kor.traineddata",
        "eng/eng.traineddata",
        "osd/osd.traineddata",
    }
    image = korean_page("중앙 시장", "합계 5,500")
    outcomes = korean.recognize([image, page("TOTAL")], [RecognitionOptions(boxes="word")] * 2)
    texts = [[box.text for box in one.boxes] for one in outcomes if isinstance(one, Recognition)]
    assert texts == [["중앙", "시장", "합계", "5,500"], ["TOTAL"]]


def test_a_lone_line_is_not_overlooked(korean: TesseractEngine) -> None:
    (outcome,) = korean.recognize([korean_page("영수증 합계 금액")], [RecognitionOptions()])
    assert isinstance(outcome, Recognition)
    assert [box.text for box in outcome.boxes] == ["영수증 합계 금액"]


@pytest.mark.parametrize(("names", "package"), [(("xyz",), "xyz"), (("en", "chi_xyz"), "chi-xyz")])
def test_a_missing_model_is_named_with_its_package(names: tuple[str, ...], package: str) -> None:
    needs_tesseract("eng")
    with pytest.raises(EngineUnavailableError, match=f"apt-get install tesseract-ocr-{package}"):
        TesseractEngine(EngineSettings(engine="tesseract", languages=names))


def test_lines_of_a_table_are_read_as_large_as_it_reads_well() -> None:
    needs_tesseract("eng")
    table = load_table()
    (tables,) = (one for one in table.classes if one.name == "tables")
    try:
        drawn = draw_page(tables, 0, table.seed)
    except FontMissing as error:
        not_run("Tesseract on a table", error)
    pixels = Decoder(DecodeLimits()).decode(drawn.content)
    (outcome,) = TesseractEngine(EngineSettings()).recognize([pixels], [RecognitionOptions()])
    assert isinstance(outcome, Recognition)
    read = [ReadBox(box.text, box.confidence, np.array(box.bbox)) for box in outcome.boxes]
    # The English model has no umlauts: 4.2 % as large as its lines are well, 5.6 % as they are.
    assert score_page(drawn, read).cer < 4.5


def test_a_side_longer_than_tesseract_takes_is_shrunk() -> None:
    needs_tesseract("eng")
    engine = TesseractEngine(EngineSettings(engine="tesseract"))
    image = blank(60, 40_000)
    image[:, :560] = page("LONG", height=160)[50:110]
    (outcome,) = engine.recognize([image], [RecognitionOptions()])
    assert isinstance(outcome, Recognition)
    assert outcome.provenance.width == 40_000
    assert outcome.provenance.shrink == pytest.approx(1.25, abs=0.01)
    (box,) = outcome.boxes
    assert box.text == "LONG"
    # In the pixels of the image as it came: drawn from 30 to 151.
    assert [box.bbox[0][0], box.bbox[1][0]] == pytest.approx([30, 151], abs=5)
