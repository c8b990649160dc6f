"""docTR for real: its models, predictor and export, on weights from disk. See `doctr_weights`."""

import math
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any, Literal

import cv2
import msgspec
import numpy as np
import pytest
from doctr_weights import DETECTION, DEVICES, RECOGNITION, doctr_settings, needs_gpu, torch, weights
from engine_pages import INK, blank

from ocrstream_schemas.events import BoxUnit, TextBox
from ocrstream_worker.engines.doctr import DoctrEngine
from ocrstream_worker.engines.doctr_models import DoctrModels
from ocrstream_worker.engines.errors import EngineBrokenError, EngineUnavailableError
from ocrstream_worker.engines.model_files import sha256_of
from ocrstream_worker.engines.port import (
    DoctrSettings,
    EngineSettings,
    Recognition,
    RecognitionOptions,
    RgbImage,
)

Pages = Literal["straight", "rotated", "straightened"]
Rectangle = tuple[int, int, int, int]
# Left, top, right, bottom of words in pixels; those of one row are a line.
WORDS: list[Rectangle] = [
    (60, 80, 160, 104),
    (190, 80, 300, 104),
    (60, 300, 240, 324),
    (60, 500, 130, 524),
]
LINES: list[Rectangle] = [(60, 80, 300, 104), (60, 300, 240, 324), (60, 500, 130, 524)]


def inked(height: int, width: int, degrees: float = 0) -> RgbImage:
    """A page with WORDS as bars of ink, turned to the left around its middle."""
    image = blank(height, width)
    for left, top, right, bottom in WORDS:
        image[top:bottom, left:right] = INK
    turn = cv2.getRotationMatrix2D((width / 2, height / 2), degrees, 1)
    turned = cv2.warpAffine(image, turn, (width, height), borderValue=(255, 255, 255))
    return np.asarray(turned, dtype=np.uint8)


def warm(settings: EngineSettings) -> DoctrEngine:
    engine = DoctrEngine(settings)
    engine.warm_up()
    return engine


def read(engine: DoctrEngine, image: RgbImage, unit: BoxUnit) -> list[TextBox]:
    (outcome,) = engine.recognize([image], [RecognitionOptions(boxes=unit)])
    assert isinstance(outcome, Recognition)
    return list(outcome.boxes)


def middle(box: TextBox) -> tuple[float, float]:
    xs, ys = zip(*box.bbox, strict=True)
    return sum(xs) / 4, sum(ys) / 4


def expected_middle(
    word: Rectangle, height: int, width: int, degrees: float
) -> tuple[float, float]:
    left, top, right, bottom = word
    turn = cv2.getRotationMatrix2D((width / 2, height / 2), degrees, 1)
    x, y = turn @ np.array([(left + right) / 2, (top + bottom) / 2, 1])
    return float(x), float(y)


@cache
def engine_for(pages: Pages, device: str = "cpu") -> DoctrEngine:
    return warm(doctr_settings(pages, device=device))


@pytest.fixture(params=DEVICES)
def device(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(params=["straight", "rotated", "straightened"])
def engine(request: pytest.FixtureRequest, device: str) -> DoctrEngine:
    return engine_for(request.param, device)


@pytest.mark.parametrize(("height", "width"), [(600, 400), (600, 900)])
def test_boxes_are_where_the_ink_is(engine: DoctrEngine, height: int, width: int) -> None:
    image = inked(height, width)
    by_unit: dict[BoxUnit, list[Rectangle]] = {"word": WORDS, "line": LINES}
    for unit, places in by_unit.items():
        boxes = read(engine, image, unit)
        found = sorted(middle(box) for box in boxes)
        wanted = sorted(expected_middle(place, height, width, 0) for place in places)
        assert found == [pytest.approx(one, abs=6) for one in wanted]
        for box in boxes:
            (x1, y1), (x2, y2), (x3, y3), _ = box.bbox
            assert x2 - x1 > abs(y2 - y1)
            assert y3 - y2 > abs(x3 - x2)


@pytest.mark.parametrize("pages", ["rotated", "straightened"])
@pytest.mark.parametrize("degrees", [-12, 8])
def test_turned_pages_get_turned_polygons(pages: Pages, degrees: int, device: str) -> None:
    height, width = 700, 500
    boxes = read(engine_for(pages, device), inked(height, width, degrees), "word")
    found = sorted(middle(box) for box in boxes)
    wanted = sorted(expected_middle(word, height, width, degrees) for word in WORDS)
    assert found == [pytest.approx(one, abs=8) for one in wanted]
    for box in boxes:
        (x1, y1), (x2, y2), *_ = box.bbox
        assert math.degrees(math.atan2(y1 - y2, x2 - x1)) == pytest.approx(degrees, abs=4)


def test_the_predictor_gives_what_is_taken_apart(engine: DoctrEngine) -> None:
    (page,) = engine.predictor([inked(600, 400)]).export()["pages"]
    assert page["dimensions"] == (600, 400)
    lines = [line for block in page["blocks"] for line in block["lines"]]
    assert len(lines) == len(LINES)
    words = [word for line in lines for word in line["words"]]
    assert len(words) == len(WORDS)
    assert all(len(word["geometry"]) in {2, 4} for word in words)
    assert all(isinstance(word["value"], str) and 0 <= word["confidence"] <= 1 for word in words)


def test_pages_of_a_batch_go_through_in_one_call(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    engine = engine_for("straight")
    calls: list[int] = []
    predictor = engine.predictor

    def counted(pages: list[RgbImage]) -> Any:
        calls.append(len(pages))
        return predictor(pages)

    monkeypatch.setattr(engine, "predictor", counted)
    images = [inked(600, 400), inked(700, 500), inked(600, 400)]
    outcomes = engine.recognize(images, [RecognitionOptions()] * 3)
    assert calls == [3]
    assert all(isinstance(one, Recognition) and len(one.boxes) == 3 for one in outcomes)


def test_the_weights_on_disk_are_those_that_read() -> None:
    engine = engine_for("straight")
    stored = torch.load(weights()["recognition"])
    used = engine.predictor.reco_predictor.model.state_dict()
    assert all(torch.equal(used[name], value) for name, value in stored.items())
    digests = set(engine.info.models.values())
    assert sha256_of(Path(weights()["recognition"])) in digests
    assert sha256_of(Path(weights()["detection"])) in digests


@pytest.mark.parametrize("precision", ["float32", "float16", "bfloat16"])
def test_the_models_are_in_the_precision_asked_for(precision: Any) -> None:
    models = DoctrModels(doctr_settings("rotated", precision=precision))
    predictor = models.build()
    assert models.precision == precision
    for part in (predictor.det_predictor, predictor.reco_predictor, predictor):
        kinds = {one.dtype for one in part.parameters()}
        assert kinds == {getattr(torch, precision)}


def test_the_precision_is_the_device_s_unless_given(device: str) -> None:
    wanted = {"cpu": "float32", "cuda": "float16"}
    assert DoctrModels(doctr_settings(device=device)).precision == wanted[device]


@needs_gpu
@pytest.mark.timeout(400)  # compiling takes a minute or two
@pytest.mark.parametrize(
    ("pages", "changes"),
    [
        *(
            (pages, {"precision": precision})
            for pages in ("straight", "rotated", "straightened")
            for precision in ("float32", "float16", "bfloat16")
        ),
        ("straight", {"compile": True}),
    ],
    ids=str,
)
def test_however_a_gpu_computes_it_finds_the_words(pages: Pages, changes: dict[str, Any]) -> None:
    """Few CPUs compute with half of the digits at a bearable speed."""
    engine = warm(doctr_settings(pages, device="cuda", **changes))
    found = sorted(middle(box) for box in read(engine, inked(600, 400), "word"))
    wanted = sorted(expected_middle(word, 600, 400, 0) for word in WORDS)
    assert found == [pytest.approx(one, abs=6) for one in wanted]


@pytest.fixture
def weights_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache of docTR's, and a list that names weights made here as its own."""
    monkeypatch.setenv("DOCTR_CACHE_DIR", str(tmp_path))
    for part, architecture, role in (
        ("detection.differentiable_binarization", DETECTION, "detection"),
        ("recognition.crnn", RECOGNITION, "recognition"),
    ):
        listed = import_module(f"doctr.models.{part}.pytorch").default_cfgs[architecture]
        digest = sha256_of(Path(weights()[role]))
        url = f"https://127.0.0.1:9/models?id=v1/{architecture}-{digest[:8]}.pt&src=0"
        monkeypatch.setitem(listed, "url", url)
    return tmp_path


def of_cache() -> EngineSettings:
    own = DoctrSettings(detection=DETECTION, recognition=RECOGNITION)
    return msgspec.structs.replace(doctr_settings(), doctr=own)


def test_weights_come_from_the_cache(weights_cache: Path) -> None:
    (weights_cache / "models").mkdir()
    for role, architecture in (("detection", DETECTION), ("recognition", RECOGNITION)):
        content = Path(weights()[role]).read_bytes()
        digest = sha256_of(Path(weights()[role]))
        (weights_cache / "models" / f"{architecture}-{digest[:8]}.pt").write_bytes(content)
    assert len(read(warm(of_cache()), inked(600, 400), "line")) == len(LINES)


def test_missing_weights_are_named_and_not_fetched(weights_cache: Path) -> None:
    digest = sha256_of(Path(weights()["detection"]))
    with pytest.raises(
        EngineUnavailableError, match=f"{DETECTION}-{digest[:8]}.pt.*SHA-256.*DOCTR_CAC"
    ):
        DoctrEngine(of_cache())
    assert list(weights_cache.iterdir()) == []


def test_other_weights_in_the_cache_are_refused(weights_cache: Path) -> None:
    digest = sha256_of(Path(weights()["detection"]))
    (weights_cache / "models").mkdir()
    (weights_cache / "models" / f"{DETECTION}-{digest[:8]}.pt").write_bytes(b"something else")
    with pytest.raises(EngineUnavailableError, match="not the model that its publisher lists"):
        DoctrEngine(of_cache())


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        (
            {"detection": "db_resnet9000"},
            "no detection architecture 'db_resnet9000'; it has .*fast",
        ),
        ({"recognition": "crnn"}, "no recognition architecture"),
        ({"detection_weights": "/nowhere.pt"}, "no docTR weights at /nowhere.pt"),
        ({"vocabulary": "digits"}, "does not read English"),
    ],
)
def test_what_cannot_work_is_said(changes: dict[str, Any], text: str) -> None:
    with pytest.raises(EngineUnavailableError, match=text):
        DoctrEngine(doctr_settings(**changes))


def test_weights_of_another_model_are_refused() -> None:
    settings = doctr_settings(detection_weights=weights()["recognition"])
    with pytest.raises(
        EngineUnavailableError, match="does not hold the weights of docTR's detection"
    ):
        warm(settings)


def test_a_vocabulary_of_ones_own(tmp_path: Path) -> None:
    vocabulary = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
    model = import_module("doctr.models").recognition.crnn_mobilenet_v3_small(
        pretrained=False, pretrained_backbone=False, vocab=vocabulary
    )
    path = tmp_path / "own.pt"
    torch.save(model.state_dict(), path)
    engine = warm(doctr_settings(vocabulary=vocabulary, recognition_weights=str(path)))
    texts = [box.text for box in read(engine, inked(600, 400), "word")]
    assert set("".join(texts)) <= set(vocabulary)


def test_a_gpu_without_memory_breaks_the_engine(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    engine = engine_for("straight")

    def full(pages: list[RgbImage]) -> Any:
        raise torch.OutOfMemoryError(f"{len(pages)}")

    monkeypatch.setattr(engine, "predictor", full)
    with pytest.raises(EngineBrokenError, match="not enough memory for 1 pages"):
        read(engine, inked(600, 400), "line")


@needs_gpu
def test_a_gpu_that_is_full_breaks_the_engine_and_reads_when_it_is_not() -> None:
    engine = engine_for("straight", "cuda")
    torch.cuda.empty_cache()
    free, _ = torch.cuda.mem_get_info()
    hog = torch.empty(free - 64 * 2**20, dtype=torch.uint8, device="cuda")
    images = [inked(600, 400)] * 64
    with pytest.raises(EngineBrokenError, match="not enough memory for 64 pages"):
        engine.recognize(images, [RecognitionOptions()] * 64)
    del hog
    torch.cuda.empty_cache()
    assert len(read(engine, inked(600, 400), "line")) == len(LINES)
