"""What every engine promises, checked on each that is part of the default install."""

import math
from importlib.util import find_spec

import cv2
import numpy as np
import pytest

from ocrstream_worker.engines.factory import create_engine
from ocrstream_worker.engines.port import (
    Engine,
    EngineSettings,
    EngineUnavailable,
    Recognition,
    RgbImage,
)

CONFIGURATIONS = {
    "noop": EngineSettings(engine="noop"),
    "rapidocr-openvino": EngineSettings(engine="rapidocr", backend="openvino"),
    "rapidocr-onnxruntime": EngineSettings(engine="rapidocr", backend="onnxruntime"),
}


def page(text: str, width: int = 480, height: int = 160) -> RgbImage:
    image = np.full((height, width, 3), 255, dtype=np.uint8)
    cv2.putText(image, text, (30, 90), cv2.FONT_HERSHEY_SIMPLEX, 1.6, (0, 0, 0), 3)
    return image


@pytest.fixture(scope="module", params=CONFIGURATIONS)
def engine(request: pytest.FixtureRequest) -> Engine:
    made = create_engine(CONFIGURATIONS[request.param])
    made.warm_up()
    return made


def test_says_what_it_is(engine: Engine) -> None:
    assert engine.info.name in {"noop", "rapidocr"}
    assert engine.info.device == "cpu"
    assert all(engine.info.versions.values())


def test_one_outcome_for_each_image_in_order(engine: Engine) -> None:
    images = [page("ONE"), page("TWO", width=600), page("THREE", height=300)]
    outcomes = engine.recognize(images)
    assert len(outcomes) == len(images)
    for image, outcome in zip(images, outcomes, strict=True):
        assert isinstance(outcome, Recognition)
        provenance = outcome.provenance
        assert (provenance.height, provenance.width) == image.shape[:2]
        assert provenance.engine == engine.info.name
        assert provenance.versions == engine.info.versions
        assert provenance.timings_s
        assert all(seconds >= 0 for seconds in provenance.timings_s.values())


def test_boxes_lie_in_the_image(engine: Engine) -> None:
    (outcome,) = engine.recognize([page("BOX")])
    assert isinstance(outcome, Recognition)
    assert outcome.boxes
    for box in outcome.boxes:
        assert box.text
        assert 0 <= box.confidence <= 1
        assert len(box.bbox) == 4
        for x, y in box.bbox:
            assert math.isfinite(x)
            assert 0 <= x <= 480
            assert 0 <= y <= 160


def test_the_same_image_gives_the_same_boxes(engine: Engine) -> None:
    first, second = engine.recognize([page("SAME"), page("SAME")])
    assert isinstance(first, Recognition)
    assert isinstance(second, Recognition)
    assert first.boxes == second.boxes


def test_does_not_change_what_it_is_given(engine: Engine) -> None:
    image = page("KEEP")
    before = image.copy()
    image.flags.writeable = False
    engine.recognize([image])
    assert (image == before).all()


@pytest.mark.parametrize("shape", [(1, 1), (1, 2000), (2000, 1), (33, 40), (7, 300)])
def test_thin_and_tiny_images_are_no_trouble(engine: Engine, shape: tuple[int, int]) -> None:
    (outcome,) = engine.recognize([np.full((*shape, 3), 255, dtype=np.uint8)])
    assert isinstance(outcome, Recognition)


@pytest.fixture(scope="module")
def rapidocr() -> Engine:
    made = create_engine(EngineSettings())
    made.warm_up()
    return made


def test_rapidocr_reads(rapidocr: Engine) -> None:
    read, blank = rapidocr.recognize([page("INVOICE 42"), np.full((300, 200, 3), 255, np.uint8)])
    assert isinstance(read, Recognition)
    assert [box.text.replace(" ", "") for box in read.boxes] == ["INVOICE42"]
    (box,) = read.boxes
    xs, ys = [x for x, _ in box.bbox], [y for _, y in box.bbox]
    # OpenCV drew it from (30, 90) upwards.
    assert min(xs) == pytest.approx(30, abs=15)
    assert max(ys) == pytest.approx(92, abs=15)
    assert isinstance(blank, Recognition)
    assert blank.boxes == ()


def test_lines_in_a_tall_strip_keep_their_places(rapidocr: Engine) -> None:
    baselines = range(100, 1600, 200)
    strip = np.full((1600, 120, 3), 255, dtype=np.uint8)
    for y in baselines:
        cv2.putText(strip, f"No {y}", (10, y), cv2.FONT_HERSHEY_SIMPLEX, 0.8, (0, 0, 0), 2)
    (outcome,) = rapidocr.recognize([strip])
    assert isinstance(outcome, Recognition)
    assert [box.text.replace(" ", "") for box in outcome.boxes] == [f"No{y}" for y in baselines]
    for box, y in zip(outcome.boxes, baselines, strict=True):
        assert max(bottom for _, bottom in box.bbox) == pytest.approx(y + 4, abs=12)
        assert all(0 <= x <= 120 for x, _ in box.bbox)


@pytest.mark.skipif(find_spec("doctr") is not None, reason="python-doctr is installed")
def test_a_missing_engine_says_how_to_get_it() -> None:
    with pytest.raises(EngineUnavailable, match=r"pip install 'ocrstream-worker\[doctr\]'"):
        create_engine(EngineSettings(engine="doctr"))
