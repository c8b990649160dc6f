"""What every engine promises. docTR stands beside the others in an environment that has it."""

import math
from collections.abc import Callable
from importlib.util import find_spec
from itertools import pairwise
from typing import Any

import cv2
import msgspec
import numpy as np
import pytest
from drawn_text import askew, drawn_lines
from engine_pages import INK, blank, needs_tesseract, page, turned

from ocrstream_schemas.codec import decode, encode
from ocrstream_schemas.events import BoxUnit, OcrSucceeded
from ocrstream_schemas.ids import RecordRef
from ocrstream_schemas.topics import OCR_RESULTS
from ocrstream_worker.engines.errors import EngineUnavailableError
from ocrstream_worker.engines.factory import create_engine
from ocrstream_worker.engines.port import (
    RECOGNITION_VERSION,
    TURNS,
    Engine,
    EngineSettings,
    RapidOcrSettings,
    Recognition,
    RecognitionOptions,
    RgbImage,
    Turn,
)

Corners = tuple[tuple[float, float], ...]


def rapidocr(backend: Any) -> EngineSettings:
    return EngineSettings(engine="rapidocr", rapidocr=RapidOcrSettings(backend=backend))


CONFIGURATIONS: dict[str, Callable[[], EngineSettings]] = {
    "noop": lambda: EngineSettings(engine="noop"),
    "rapidocr-openvino": lambda: rapidocr("openvino"),
    "rapidocr-onnxruntime": lambda: rapidocr("onnxruntime"),
    "tesseract": lambda: EngineSettings(engine="tesseract"),
}
if find_spec("doctr"):
    from doctr_weights import doctr_settings, torch

    CONFIGURATIONS["doctr-straight"] = lambda: doctr_settings("straight")
    CONFIGURATIONS["doctr-rotated"] = lambda: doctr_settings("rotated")
    if torch.cuda.is_available():
        CONFIGURATIONS["doctr-cuda"] = lambda: doctr_settings("rotated", device="cuda")
READERS = {"rapidocr", "tesseract"}


@pytest.fixture(scope="module", params=CONFIGURATIONS)
def settings(request: pytest.FixtureRequest) -> EngineSettings:
    if request.param == "tesseract":
        needs_tesseract("eng")
    return CONFIGURATIONS[request.param]()


@pytest.fixture(scope="module")
def engine(settings: EngineSettings) -> Engine:
    made = create_engine(settings)
    made.warm_up()
    return made


def read(engine: Engine, image: RgbImage, boxes: BoxUnit = "line") -> Recognition:
    (outcome,) = engine.recognize([image], [RecognitionOptions(boxes=boxes)])
    assert isinstance(outcome, Recognition)
    return outcome


def area(corners: Corners) -> float:
    """Greater than 0 if the corners go clockwise, with y downwards."""
    pairs = zip(corners, (*corners[1:], corners[0]), strict=True)
    return sum(x1 * y2 - x2 * y1 for (x1, y1), (x2, y2) in pairs) / 2


def change(settings: EngineSettings, **fields: Any) -> EngineSettings:
    return msgspec.structs.replace(settings, **fields)


def on_any_backend(settings: EngineSettings) -> EngineSettings:
    return change(settings, rapidocr=RapidOcrSettings())


def test_says_what_it_is(engine: Engine, settings: EngineSettings) -> None:
    info = engine.info
    assert info.name == settings.engine
    assert info.device == settings.device
    assert all(info.versions.values())
    assert all("/" in name and len(digest) == 64 for name, digest in info.models.items())
    assert bool(info.models) == (info.name != "noop")
    if info.name in READERS:
        assert info.versions["ocrstream"] == RECOGNITION_VERSION


def test_one_outcome_for_each_image_in_order(engine: Engine) -> None:
    images = [page("ONE"), page("TWO", width=600), page("THREE", height=300)]
    units: list[BoxUnit] = ["line", "word", "line"]
    outcomes = engine.recognize(images, [RecognitionOptions(boxes=unit) for unit in units])
    assert len(outcomes) == len(images)
    for image, unit, outcome in zip(images, units, outcomes, strict=True):
        assert isinstance(outcome, Recognition)
        provenance = outcome.provenance
        assert (provenance.height, provenance.width) == image.shape[:2]
        assert provenance.boxes == unit
        assert provenance.engine == engine.info.name
        assert provenance.versions == engine.info.versions
        assert provenance.models == engine.info.models
        assert provenance.device == engine.info.device
        assert provenance.ordered
        assert provenance.timings_s
        assert all(seconds >= 0 for seconds in provenance.timings_s.values())


def test_a_result_is_small_and_passes_the_contract(engine: Engine) -> None:
    outcome = read(engine, page("RESULT"))
    event = OcrSucceeded(
        chain_id="c", image_path="file:///a", boxes=outcome.boxes, provenance=outcome.provenance
    )
    assert decode(OCR_RESULTS, encode(event), RecordRef(OCR_RESULTS, 0, 0, 0)) is not None
    assert len(encode(outcome.provenance)) < 1500  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize("quarter_turns", [0, 1, 2, 3])
@pytest.mark.parametrize("boxes", ["line", "word"])
def test_boxes_lie_in_the_image_and_go_clockwise(
    engine: Engine, boxes: BoxUnit, quarter_turns: int
) -> None:
    image = turned(page("BOX 27"), quarter_turns)
    height, width = image.shape[:2]
    outcome = read(engine, image, boxes)
    assert outcome.boxes or engine.info.name not in {"noop", "rapidocr"}
    for box in outcome.boxes:
        assert box.text.strip() == box.text != ""
        assert 0 <= box.confidence <= 1
        assert len(box.bbox) == 4
        for x, y in box.bbox:
            assert math.isfinite(x)
            assert 0 <= x <= width
            assert 0 <= y <= height
        assert area(box.bbox) > 0


def test_a_batch_is_read_like_each_alone(engine: Engine) -> None:
    images = [page("SAME"), page("OTHER", width=700), page("SAME")]
    units: list[BoxUnit] = ["word", "line", "word"]
    outcomes = engine.recognize(images, [RecognitionOptions(boxes=unit) for unit in units])
    together = [outcome.boxes for outcome in outcomes if isinstance(outcome, Recognition)]
    alone = [read(engine, *one).boxes for one in zip(images, units, strict=True)]
    assert together == alone
    assert together[0] == together[2]


def test_does_not_change_what_it_is_given(engine: Engine) -> None:
    image = page("KEEP")
    before = image.copy()
    image.flags.writeable = False
    read(engine, image)
    assert (image == before).all()


@pytest.mark.parametrize(
    "shape",
    [(1, 1), (2, 2), (1, 2000), (2000, 1), (33, 40), (7, 300), (1, 100_000), (100_000, 1)],
)
def test_thin_and_tiny_images_are_no_trouble(engine: Engine, shape: tuple[int, int]) -> None:
    read(engine, blank(*shape), "word")


def test_a_blank_page_has_no_boxes(engine: Engine) -> None:
    if engine.info.name == "noop":
        return
    assert read(engine, blank(300, 200)).boxes == ()
    assert read(engine, blank(300, 200), "word").boxes == ()


def test_words_make_up_the_lines(engine: Engine) -> None:
    image = page("TOTAL 12.50 EUR")
    lines, words = read(engine, image).boxes, read(engine, image, "word").boxes
    assert len(words) >= len(lines) > 0
    if engine.info.name in READERS:
        assert [box.text for box in words] == ["TOTAL", "12.50", "EUR"]
        (line,) = lines
        assert line.text.split() == ["TOTAL", "12.50", "EUR"]
        lefts = [box.bbox[0][0] for box in words]
        assert lefts == sorted(lefts)
        for word, after in pairwise(words):
            assert word.bbox[1][0] <= after.bbox[0][0] + 1
        # From the first word to the last is the line.
        assert words[0].bbox[0][0] == pytest.approx(line.bbox[0][0], abs=12)
        assert words[-1].bbox[1][0] == pytest.approx(line.bbox[1][0], abs=12)


def test_reads_where_it_was_written(engine: Engine) -> None:
    if engine.info.name not in READERS:
        return
    (box,) = read(engine, page("INVOICE 42")).boxes
    assert box.text.replace(" ", "") == "INVOICE42"
    (left, top), _, (right, bottom), _ = box.bbox
    # OpenCV drew it from (30, 90) upwards.
    assert left == pytest.approx(30, abs=15)
    assert top == pytest.approx(48, abs=15)
    assert bottom == pytest.approx(92, abs=15)
    assert right > 250


def test_lines_in_a_tall_strip_keep_their_places(engine: Engine) -> None:
    if engine.info.name not in READERS:
        return
    baselines = range(100, 1600, 200)
    strip = blank(1600, 120)
    for y in baselines:
        cv2.putText(strip, f"No {y}", (10, y), cv2.FONT_HERSHEY_SIMPLEX, 0.8, INK, 2)
    boxes = read(engine, strip).boxes
    assert [box.text.replace(" ", "") for box in boxes] == [f"No{y}" for y in baselines]
    for box, y in zip(boxes, baselines, strict=True):
        assert max(bottom for _, bottom in box.bbox) == pytest.approx(y + 4, abs=12)
        assert all(0 <= x <= 120 for x, _ in box.bbox)


def clockwise(image: RgbImage, turn: Turn) -> RgbImage:
    return turned(image, -turn // 90)


@pytest.mark.parametrize("turn", TURNS)
@pytest.mark.parametrize("boxes", ["line", "word"])
def test_a_turned_page_is_read_where_it_is(engine: Engine, turn: Turn, boxes: BoxUnit) -> None:
    """In reading order; each box on the ink of its own text and from its own top left."""
    if engine.info.name not in READERS:
        return
    lines = ["Order 4711 of the harbour", "Seven lamps of brass", "Grand total 12.50 EUR"]
    outcome = read(engine, clockwise(drawn_lines(lines), turn), boxes)
    texts = lines if boxes == "line" else " ".join(lines).split()
    assert [box.text for box in outcome.boxes] == texts
    # What turns it back.
    assert outcome.provenance.turn == -turn % 360
    assert abs(outcome.provenance.skew) < 0.5
    inked = clockwise(drawn_lines(lines), 0)[:, :, 0] < 128
    for box in outcome.boxes:
        (x1, y1), _, (x2, y2), _ = (on_upright(point, turn, inked.shape) for point in box.bbox)
        assert x1 < x2
        assert y1 < y2
        inside = inked[round(y1) : round(y2), round(x1) : round(x2)]
        assert inside.any()
        # A word is as high as its line, and detection leaves half a line around it at most.
        rows = np.flatnonzero(inside.any(axis=1))
        assert y2 - y1 < 3 * (rows[-1] - rows[0] + 1)
    covered = sum(area(box.bbox) for box in outcome.boxes)
    assert covered < 0.6 * inked.size


def on_upright(
    point: tuple[float, float], turn: Turn, shape: tuple[int, ...]
) -> tuple[float, float]:
    """Where a point of a page that was turned clockwise lay before."""
    (x, y), (height, width) = point, shape
    return {0: (x, y), 90: (y, height - x), 180: (width - x, height - y), 270: (width - y, x)}[turn]


@pytest.mark.parametrize("degrees", [-10, 10])
def test_a_skewed_page_is_read_where_it_is(engine: Engine, degrees: int) -> None:
    if engine.info.name not in READERS:
        return
    lines = ["Order 4711 of the harbour", "Seven lamps of brass", "Grand total 12.50 EUR"]
    outcome = read(engine, askew(drawn_lines(lines), degrees))
    assert [box.text for box in outcome.boxes] == lines
    assert outcome.provenance.turn == 0
    assert outcome.provenance.skew == pytest.approx(degrees, abs=0.7)
    for box in outcome.boxes:
        (x1, y1), (x2, y2), *_ = box.bbox
        assert math.degrees(math.atan2(y1 - y2, x2 - x1)) == pytest.approx(degrees, abs=1)


def test_columns_are_read_one_after_the_other(engine: Engine) -> None:
    if engine.info.name not in READERS:
        return
    left = [
        "The lamps of the",
        "harbour were lit",
        "by seven men who",
        "came by a ladder",
        "when it was dark",
        "and went home by",
        "the road of stone",
        "that goes up the",
        "hill to the north",
    ]
    right = [
        "In winter nobody",
        "saw the ships come",
        "before the ropes",
        "froze to the quay",
        "and the oldest of",
        "the men told how",
        "it had been when",
        "there was no lamp",
        "at all by the sea",
    ]
    columns = [drawn_lines(texts, size=24) for texts in (left, right)]
    page = blank(columns[0].shape[0], sum(column.shape[1] for column in columns))
    page[:, : columns[0].shape[1]] = columns[0]
    page[:, columns[0].shape[1] :] = columns[1]
    assert [box.text for box in read(engine, page).boxes] == [*left, *right]


@pytest.mark.parametrize("languages", [("ko",), ("hangul",), ("en", "th"), ("xyz",)])
def test_what_it_cannot_read_keeps_it_from_starting(
    settings: EngineSettings, languages: tuple[str, ...]
) -> None:
    if settings.engine in {"noop", "tesseract"}:
        return
    with pytest.raises(EngineUnavailableError, match=r"[Tt]esseract"):
        create_engine(change(settings, languages=languages))


def test_a_gpu_that_is_not_there_is_an_error_unless_the_cpu_will_do(
    settings: EngineSettings,
) -> None:
    if settings.engine == "noop":
        return
    settings = on_any_backend(settings)
    with pytest.raises(EngineUnavailableError, match="OCRSTREAM_ALLOW_CPU"):
        create_engine(change(settings, device="cuda:99")).warm_up()
    engine = create_engine(change(settings, device="cuda:99", allow_cpu=True))
    engine.warm_up()
    assert engine.info.device == "cpu"
    assert read(engine, page("CPU")).provenance.device == "cpu"


@pytest.mark.skipif(
    find_spec("doctr") is not None,
    reason="not run: an engine that is missing: python-doctr is installed here",
)
def test_a_missing_engine_says_how_to_get_it() -> None:
    with pytest.raises(EngineUnavailableError, match=r"pip install 'ocrstream-worker\[doctr\]'"):
        create_engine(EngineSettings(engine="doctr"))
