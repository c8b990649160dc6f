"""RapidOCR behind the port: the models for other scripts, words, devices."""

import hashlib
import re
from pathlib import Path
from typing import Any

import msgspec
import pytest
from drawn_text import drawn_lines
from engine_pages import page, turned
from rapidocr.ch_ppocr_rec.typings import WordInfo

from ocrstream_schemas.events import TextBox
from ocrstream_worker.engines import rapidocr as adapter
from ocrstream_worker.engines.errors import EngineUnavailableError
from ocrstream_worker.engines.languages import find_language
from ocrstream_worker.engines.model_files import ModelFile, sha256_of
from ocrstream_worker.engines.port import (
    EngineSettings,
    RapidOcrSettings,
    Recognition,
    RecognitionOptions,
    RgbImage,
)
from ocrstream_worker.engines.rapidocr import RapidOcrEngine, choose_backend, real_device
from ocrstream_worker.engines.rapidocr_models import bundled, listed_recognizer
from ocrstream_worker.engines.rapidocr_words import split_line


@pytest.fixture(scope="module")
def engine() -> RapidOcrEngine:
    made = RapidOcrEngine(EngineSettings())
    made.warm_up()
    return made


def read(engine: RapidOcrEngine, image: RgbImage, **options: Any) -> tuple[TextBox, ...]:
    (outcome,) = engine.recognize([image], [RecognitionOptions(**options)])
    assert isinstance(outcome, Recognition)
    return outcome.boxes


def test_the_models_that_it_names_are_those_on_disk(engine: RapidOcrEngine) -> None:
    assert len(engine.info.models) == 3
    for name, digest in engine.info.models.items():
        content = bundled(name.rpartition("/")[2]).read_bytes()
        assert hashlib.sha256(content).hexdigest() == digest


@pytest.mark.parametrize("quarter_turns", [0, 1, 2])
def test_corners_begin_where_the_text_does(engine: RapidOcrEngine, quarter_turns: int) -> None:
    image = turned(drawn_lines(["Grand total 12.50 EUR"]), quarter_turns)
    (line,) = read(engine, image)
    words = read(engine, image, boxes="word")
    assert [word.text for word in words] == ["Grand", "total", "12.50", "EUR"]
    ahead = {0: (1, 0), 1: (0, -1), 2: (-1, 0)}[quarter_turns]
    for (x1, y1), (x2, y2), *_ in (box.bbox for box in (line, *words)):
        assert (round((x2 - x1) / 40), round((y2 - y1) / 40))[ahead[0] == 0] * sum(ahead) > 0
    # In reading order, each further along the line than the one before.
    along = [word.bbox[0][0] * ahead[0] + word.bbox[0][1] * ahead[1] for word in words]
    assert along == sorted(along)


def test_a_word_is_as_sure_as_its_own_characters_and_stands_where_they_do() -> None:
    # RapidOCR lists a confidence for the blank, too, and no place.
    found = WordInfo(
        words=[list("ab"), list("cd")],
        word_cols=[[1, 3], [7, 9]],
        line_txt_len=12,
        confs=[0.9, 0.7, 0.1, 0.4, 0.2],
    )
    corners = [(100, 50), (220, 50), (220, 60), (100, 60)]
    first, second = split_line("ab cd", found, corners)
    assert (first.text, first.confidence) == ("ab", pytest.approx(0.8))
    assert (second.text, second.confidence) == ("cd", pytest.approx(0.3))
    # A column is 10 pixels, a character two of them: its middle is at 1.5, so it begins at 0.5.
    assert first.corners[0] == pytest.approx([105, 50])
    assert first.corners[2] == pytest.approx([145, 60])
    assert second.corners[0] == pytest.approx([165, 50])
    assert second.corners[1] == pytest.approx([205, 50])


def test_words_do_not_overlap_and_stay_in_their_line() -> None:
    found = WordInfo(words=[["a"], ["b"]], word_cols=[[0], [1]], line_txt_len=2, confs=[1, 1])
    first, second = split_line("ab", found, [(0, 0), (10, 0), (10, 4), (0, 4)])
    assert first.corners[0][0] >= 0
    assert first.corners[1][0] <= second.corners[0][0]
    assert second.corners[1][0] <= 10


def test_a_line_without_places_has_no_words() -> None:
    assert split_line("", WordInfo(), [(0, 0), (1, 0), (1, 1), (0, 1)]) == []
    assert split_line("a", None, [(0, 0), (1, 0), (1, 1), (0, 1)]) == []


def test_characters_of_a_writing_without_blanks_stand_alone(engine: RapidOcrEngine) -> None:
    texts = [box.text for box in read(engine, drawn_lines(["請求書 ABC 合計"]), boxes="word")]
    assert texts == ["請", "求", "書", "ABC", "合", "計"]


def test_lines_below_the_confidence_asked_for_are_left_out() -> None:
    engine = RapidOcrEngine(EngineSettings(min_confidence=1.0))
    assert engine.recognize([page("UNSURE 0O0")], [RecognitionOptions()])[0].boxes == ()  # pyright: ignore[reportAttributeAccessIssue]


@pytest.mark.parametrize("code", ["en", "de", "fr", "pl", "tr", "ro", "ja", "zh", "zh-hant", "lv"])
def test_the_model_in_the_wheel_reads(code: str) -> None:
    assert RapidOcrEngine(EngineSettings(languages=(code,))).info.models


@pytest.mark.parametrize(
    ("code", "model"),
    [
        ("ko", "korean_PP-OCRv5_rec_mobile.onnx"),
        ("ru", "eslav_PP-OCRv5_rec_mobile.onnx"),
        ("bg", "cyrillic_PP-OCRv5_rec_mobile.onnx"),
        ("el", "el_PP-OCRv5_rec_mobile.onnx"),
        ("th", "th_PP-OCRv5_rec_mobile.onnx"),
        ("vi", "latin_PP-OCRv5_rec_mobile.onnx"),
        ("hi", "devanagari_PP-OCRv5_rec_mobile.onnx"),
        ("ar", None),
    ],
)
def test_for_other_languages_the_model_that_may_is_named(code: str, model: str | None) -> None:
    with pytest.raises(EngineUnavailableError) as caught:
        RapidOcrEngine(EngineSettings(languages=("en", code), model_folder="/srv/models"))
    text = str(caught.value)
    assert "OCRSTREAM_ENGINE=tesseract" in text
    assert (re.search(r"SHA-256 [0-9a-f]{64}, into /srv/models", text) is not None) == bool(model)
    assert model is None or model in text


def test_the_list_gives_korean_its_hash() -> None:
    korean = find_language("ko")
    assert korean is not None
    model = listed_recognizer(korean)
    assert model is not None
    assert model.sha256 == "cd6e2ea50f6943ca7271eb8c56a877a5a90720b7047fe9c41a2e541a25773c9b"
    assert model.url.startswith("https://")
    assert model.url.endswith(model.name)


def test_a_model_in_the_folder_is_taken_if_it_is_the_one_listed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the wheel's own recogniser listed for Korean, which it does not read."""
    content = bundled("PP-OCRv6_rec_small.onnx").read_bytes()
    listed = ModelFile("k.onnx", "", sha256_of(bundled("PP-OCRv6_rec_small.onnx")))
    monkeypatch.setattr(adapter, "listed_recognizer", lambda _: listed)  # pyright: ignore[reportUnknownLambdaType]
    settings = EngineSettings(languages=("ko",), model_folder=str(tmp_path))
    with pytest.raises(
        EngineUnavailableError, match=r"^PP-OCRv6_rec_small.onnx does not .* k.onnx may"
    ):
        RapidOcrEngine(settings)
    (tmp_path / "k.onnx").write_bytes(content)
    with pytest.raises(EngineUnavailableError, match=r"^k.onnx does not read Korean") as caught:
        RapidOcrEngine(settings)
    assert "may: put it" not in str(caught.value)
    (tmp_path / "k.onnx").write_bytes(b"another")
    with pytest.raises(EngineUnavailableError, match="not the model that its publisher lists"):
        RapidOcrEngine(settings)


def test_a_model_given_by_path_is_the_one_that_reads(tmp_path: Path) -> None:
    path = tmp_path / "mine.onnx"
    path.write_bytes(bundled("PP-OCRv6_rec_small.onnx").read_bytes())
    engine = RapidOcrEngine(EngineSettings(rapidocr=RapidOcrSettings(recognition_model=str(path))))
    assert "recognition/mine.onnx" in engine.info.models
    assert [box.text for box in read(engine, page("MINE"))] == ["MINE"]


def test_a_model_that_is_not_there_is_named_with_its_setting() -> None:
    own = RapidOcrSettings(detection_model="/nowhere.onnx")
    with pytest.raises(EngineUnavailableError, match=r"/nowhere\.onnx.*RAPIDOCR_DETECTION_MODEL"):
        RapidOcrEngine(EngineSettings(rapidocr=own))


@pytest.mark.parametrize(
    ("device", "backend", "chosen"),
    [
        ("cpu", "auto", "openvino"),
        ("cpu", "onnxruntime", "onnxruntime"),
        ("cuda", "auto", "onnxruntime"),
        ("cuda:1", "onnxruntime", "onnxruntime"),
    ],
)
def test_only_onnx_runtime_computes_on_a_gpu(device: str, backend: Any, chosen: str) -> None:
    settings = EngineSettings(device=device, rapidocr=RapidOcrSettings(backend=backend))
    assert choose_backend(settings) == chosen


def test_openvino_and_a_gpu_do_not_go_together() -> None:
    own = RapidOcrSettings(backend="openvino")
    with pytest.raises(EngineUnavailableError, match="onnxruntime only, not with openvino"):
        choose_backend(EngineSettings(device="cuda", rapidocr=own))


def test_a_device_that_it_does_not_know() -> None:
    with pytest.raises(EngineUnavailableError, match="cpu, cuda or cuda:N, not on 'tpu'"):
        RapidOcrEngine(EngineSettings(device="tpu"))


def test_the_device_is_the_one_that_all_models_are_on() -> None:
    cuda, cpu = "CUDAExecutionProvider", "CPUExecutionProvider"
    on_gpu = EngineSettings(device="cuda:1")
    assert real_device(EngineSettings(), [cpu] * 3) == "cpu"
    assert real_device(on_gpu, [cuda] * 3) == "cuda:1"
    with pytest.raises(EngineUnavailableError, match="would compute on CPUExecutionProvider, CUDA"):
        real_device(on_gpu, [cuda, cpu, cuda])
    assert real_device(msgspec.structs.replace(on_gpu, allow_cpu=True), [cuda, cpu, cuda]) == "cpu"
