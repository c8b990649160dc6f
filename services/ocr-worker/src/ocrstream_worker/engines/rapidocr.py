"""RapidOCR, with the models that its wheel carries (PP-OCRv6 small) or others of its kind."""

import importlib.util
import os
from collections.abc import Iterator, Sequence
from importlib.metadata import packages_distributions, version
from pathlib import Path
from typing import Any, Literal

import cv2
import msgspec
import numpy as np
import rapidocr
from numpy.typing import NDArray
from rapidocr.utils.process_img import map_boxes_to_original

from ocrstream_worker.engines.languages import Language, lacking
from ocrstream_worker.engines.lines import Line, to_boxes
from ocrstream_worker.engines.model_files import find_or_fetch, hash_files
from ocrstream_worker.engines.port import (
    EngineInfo,
    EngineSettings,
    EngineUnavailable,
    Outcome,
    ReadOptions,
    Recognition,
    RgbImage,
)
from ocrstream_worker.engines.rapidocr_models import bundled, listed_recognizer
from ocrstream_worker.engines.rapidocr_words import split_line
from ocrstream_worker.engines.raster import Fitted, fit, is_thin
from ocrstream_worker.engines.readers import check_readable, find_languages

Backend = Literal["openvino", "onnxruntime"]

_DETECTION = "PP-OCRv6_det_small.onnx"
_ORIENTATION = "ch_ppocr_mobile_v2.0_cls_mobile.onnx"
_RECOGNITION = "PP-OCRv6_rec_small.onnx"
# RapidOCR enlarges thin images until their short side is 736 pixels: one of 1 by 2000 would take
# over 10 GB. Long ones it shrinks to 2000 pixels, one that is thin as well to nothing.
_MIN_SIDE = 32
_MAX_SIDE = 2000
_MAX_RATIO = 8.0
# With more, lines are padded to the width of longer ones and no faster.
_LINES_AT_ONCE = 2
_WIDTH_STEP = 32
# Shorter lines are padded to it, and to no more: RapidOCR's 320 takes twice the time to read a word
# no better, and with less than 128 it reads words worse.
_LEAST_WIDTH = 160
# As in RapidOCR: an area so much higher than wide is read turned to the left.
_TURNED_RATIO = 1.5


class RapidOcrEngine:
    """Lines, one image after the other. OpenVINO is twice as fast as ONNX Runtime at equal text."""

    def __init__(self, settings: EngineSettings) -> None:
        self._settings = settings
        self._backend: Backend = choose_backend(settings)
        # Both backends ignore a number of threads greater than that of the CPUs.
        self._threads = max(1, min(settings.threads, os.cpu_count() or 1))
        cv2.setNumThreads(self._threads)
        own = settings.rapidocr
        self._models = {
            "detection": Path(own.detection_model or bundled(_DETECTION)),
            "orientation": Path(own.orientation_model or bundled(_ORIENTATION)),
            "recognition": Path(own.recognition_model or bundled(_RECOGNITION)),
        }
        self._reader = self._choose_recognizer(find_languages(settings.languages))
        self.info = EngineInfo(
            name="rapidocr",
            versions={"rapidocr": version("rapidocr"), self._backend: _version(self._backend)},
            models=hash_files(self._models),
            device="cpu",
        )

    def warm_up(self) -> None:
        """Detection, orientation and recognition each load their model on first use."""
        page = np.full((160, 640, 3), 255, dtype=np.uint8)
        cv2.putText(page, "Warm up", (40, 100), cv2.FONT_HERSHEY_SIMPLEX, 2, (0, 0, 0), 4)
        if not self._recognize_one(page, ReadOptions(boxes="word")).boxes:
            raise EngineUnavailable("RapidOCR found nothing on its warm-up page: broken models?")
        if self._backend == "onnxruntime":
            self._check_device()

    def recognize(
        self, images: Sequence[RgbImage], options: Sequence[ReadOptions]
    ) -> list[Outcome]:
        return [self._recognize_one(*one) for one in zip(images, options, strict=True)]

    def _choose_recognizer(self, languages: Sequence[Language]) -> Any:
        """A reader whose recogniser has the languages' characters, or EngineUnavailable."""
        reader = self._new_reader()
        missing = lacking(_characters(reader), languages)
        listed = {
            one.code: model for one in languages if (model := listed_recognizer(one)) is not None
        }
        folder = Path(self._settings.model_folder)
        wanted = {listed[code] for code in missing if code in listed}
        # One recogniser reads a line: languages that need two are beyond it.
        if len(wanted) == 1 and not self._settings.rapidocr.recognition_model:
            found = find_or_fetch(wanted.pop(), folder, fetch=self._settings.fetch_models)
            if found is not None:
                self._models["recognition"] = found
                reader = self._new_reader()
        recognizer = self._models["recognition"].name
        check_readable(
            languages,
            _characters(reader),
            recognizer,
            {
                code: f"RapidOCR's {model.name} may: put it, SHA-256 {model.sha256}, into {folder}"
                " (OCRSTREAM_MODEL_FOLDER) or set OCRSTREAM_FETCH_MODELS=true to have it fetched"
                f" from {model.url}"
                for code, model in listed.items()
                if model.name != recognizer
            },
        )
        return reader

    def _new_reader(self) -> Any:
        settings = self._settings
        reader: Any = rapidocr.RapidOCR(
            params={
                "Global.log_level": "critical",
                "Det.box_thresh": settings.rapidocr.box_threshold,
                "Rec.rec_batch_num": _LINES_AT_ONCE,
                "Rec.rec_img_shape": [3, 48, _LEAST_WIDTH],
                **_model_parameters(self._backend, self._models),
                **_thread_parameters(self._threads),
                **_device_parameters(settings.device),
            }
        )
        # Models are loaded when they are first used.
        blank = np.full((48, 96, 3), 255, dtype=np.uint8)
        reader.run_ocr_steps(blank, {})
        reader.recognize_txt([blank])
        # As lists they would have every page prepared in 64 bits, for a model that takes 32.
        reader.text_det.mean = np.float32(reader.text_det.mean)
        reader.text_det.std = np.float32(reader.text_det.std)
        reader.text_rec.session = _FewWidths(reader.text_rec.session)
        return reader

    def _check_device(self) -> None:
        parts = (self._reader.text_det, self._reader.text_cls, self._reader.text_rec)
        providers = [part.session.session.get_providers()[0] for part in parts]
        device = real_device(self._settings, providers)
        self.info = msgspec.structs.replace(self.info, device=device)

    def _recognize_one(self, image: RgbImage, options: ReadOptions) -> Recognition:
        height, width = image.shape[:2]
        fitted = _fit(image)
        self._reader.return_word_box = options.boxes == "word"
        # Its models were trained on OpenCV's channel order.
        bgr = np.ascontiguousarray(fitted.pixels[:, :, ::-1])
        shrunk, steps = self._reader.preprocess_img(bgr)
        # Not its own call: that resizes every line's pixels again, gives words the wrong confidence
        # and rounds their corners.
        found, turns, read, _ = self._reader.run_ocr_steps(shrunk, steps)
        lines = self._lines(found, turns, read, steps, fitted)
        return Recognition(
            boxes=to_boxes(lines, options.boxes, self._settings.min_confidence, width, height),
            provenance=self.info.provenance(
                image,
                options,
                {
                    name: float(step.elapse)
                    for name, step in (("detect", found), ("orient", turns), ("recognize", read))
                    if step.elapse is not None
                },
            ),
        )

    def _lines(
        self, found: Any, turns: Any, read: Any, steps: Any, fitted: Fitted
    ) -> Iterator[Line]:
        # All are None where there is no text.
        if found.boxes is None or read.txts is None:
            return
        firsts = [
            _first_corner(box, turn, self._reader.text_cls.cls_thresh)
            for box, turn in zip(found.boxes, turns.cls_res, strict=True)
        ]
        height, width = fitted.pixels.shape[:2]
        boxes = map_boxes_to_original(found.boxes, steps, height, width) * fitted.scale
        for box, first, text, score, words in zip(
            boxes, firsts, read.txts, read.scores, read.word_results, strict=True
        ):
            corners = np.roll(box, -first, axis=0)
            yield Line(text, score, corners.tolist(), split_line(text, words, corners))


class _FewWidths:
    """A recogniser's session that sees lines of few different widths.

    OpenVINO prepares itself anew for every width that it has not seen. What is added is what
    RapidOCR itself adds to shorter lines, and what is read in it is taken away again.
    """

    def __init__(self, session: Any) -> None:
        self._session = session

    def __getattr__(self, name: str) -> Any:
        return getattr(self._session, name)

    def __call__(self, lines: NDArray[np.float32]) -> NDArray[np.float32]:
        width = lines.shape[3]
        added = -width % _WIDTH_STEP
        read = self._session(np.pad(lines, ((0, 0), (0, 0), (0, 0), (0, added))))
        return read[:, : round(read.shape[1] * width / (width + added))]


def choose_backend(settings: EngineSettings) -> Backend:
    """The wanted backend, or the best one installed. Raises EngineUnavailable if there is none.

    Only ONNX Runtime computes on a GPU here.
    """
    wanted = settings.rapidocr.backend
    on_gpu = settings.device != "cpu"
    candidates: tuple[Backend, ...] = (wanted,) if wanted != "auto" else ("openvino", "onnxruntime")
    if on_gpu:
        candidates = tuple(name for name in candidates if name == "onnxruntime")
    for name in candidates:
        if importlib.util.find_spec(name):
            return name
    if on_gpu and not candidates:
        raise EngineUnavailable(
            f"RapidOCR computes on {settings.device} with onnxruntime only, not with {wanted}"
        )
    raise EngineUnavailable(
        f"RapidOCR needs {' or '.join(candidates)} to compute with; install it with:"
        " pip install 'ocrstream-worker[rapidocr]'"
    )


def real_device(settings: EngineSettings, providers: Sequence[str]) -> str:
    """What ONNX Runtime computes on, by the first provider of each of its sessions.

    Raises EngineUnavailable if that is not what was asked for and the CPU is not allowed instead.
    """
    if settings.device == "cpu":
        return "cpu"
    if all(provider == "CUDAExecutionProvider" for provider in providers):
        return settings.device
    if settings.allow_cpu:
        return "cpu"
    raise EngineUnavailable(
        f"RapidOCR was to compute on {settings.device} (OCRSTREAM_ENGINE_DEVICE) but would on"
        f" {', '.join(sorted(set(providers)))}. Install onnxruntime-gpu in place of onnxruntime,"
        " with the CUDA and cuDNN it asks for, or set OCRSTREAM_ALLOW_CPU=true"
    )


def _fit(image: RgbImage) -> Fitted:
    if min(image.shape[:2]) >= _MIN_SIDE and not is_thin(image, _MAX_RATIO):
        return Fitted(image)
    return fit(image, min_side=_MIN_SIDE, max_side=_MAX_SIDE, max_ratio=_MAX_RATIO)


def _first_corner(box: Any, turn: tuple[str, float], sure: float) -> int:
    """Which corner, clockwise from the box's top left, is the top left of the text in it."""
    sides = [float(np.linalg.norm(box[one] - box[(one + 1) % 4])) for one in range(4)]
    width, height = int(max(sides[0], sides[2])), int(max(sides[1], sides[3]))
    label, score = turn
    upside_down = "180" in label and score > sure
    return (height >= _TURNED_RATIO * width) + 2 * upside_down


def _characters(reader: Any) -> list[str]:
    return reader.text_rec.session.get_character_list()


def _version(backend: Backend) -> str:
    # The same module comes under two names.
    gpu = "onnxruntime-gpu"
    names = packages_distributions().get(backend, [backend])
    return version(gpu if gpu in names else backend)


def _model_parameters(backend: Backend, models: dict[str, Path]) -> dict[str, Any]:
    parameters: dict[str, Any] = {}
    sections = (("Det", "detection"), ("Cls", "orientation"), ("Rec", "recognition"))
    for section, role in sections:
        if not models[role].is_file():
            raise EngineUnavailable(
                f"there is no {role} model at {models[role]}"
                f" (OCRSTREAM_RAPIDOCR_{role.upper()}_MODEL)"
            )
        parameters[f"{section}.engine_type"] = rapidocr.EngineType(backend)
        parameters[f"{section}.model_path"] = str(models[role])
    return parameters


def _thread_parameters(threads: int) -> dict[str, Any]:
    return {
        "EngineConfig.openvino.inference_num_threads": threads,
        "EngineConfig.openvino.num_streams": 1,
        # Pinned threads of several workers on one machine end up on the same cores.
        "EngineConfig.openvino.enable_cpu_pinning": "NO",
        "EngineConfig.onnxruntime.intra_op_num_threads": threads,
        "EngineConfig.onnxruntime.inter_op_num_threads": 1,
    }


def _device_parameters(device: str) -> dict[str, Any]:
    if device == "cpu":
        return {}
    kind, _, number = device.partition(":")
    if kind != "cuda" or not (number or "0").isdecimal():
        raise EngineUnavailable(f"RapidOCR computes on cpu, cuda or cuda:N, not on {device!r}")
    return {
        "EngineConfig.onnxruntime.use_cuda": True,
        "EngineConfig.onnxruntime.cuda_ep_cfg.device_id": int(number or 0),
    }
