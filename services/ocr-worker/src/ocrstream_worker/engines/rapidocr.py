"""RapidOCR with the models that its wheel carries (PP-OCRv6 small): nothing is downloaded."""

import importlib.util
import os
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal

import cv2
import numpy as np
import rapidocr
from numpy.typing import NDArray

from ocrstream_schemas.events import Provenance, TextBox
from ocrstream_worker.engines.port import (
    EngineInfo,
    EngineSettings,
    EngineUnavailable,
    Outcome,
    Recognition,
    RgbImage,
    text_box,
)

Backend = Literal["openvino", "onnxruntime"]

_MODELS = {
    "Det": "PP-OCRv6_det_small.onnx",
    "Cls": "ch_ppocr_mobile_v2.0_cls_mobile.onnx",
    "Rec": "PP-OCRv6_rec_small.onnx",
}
_STEPS = ("detect", "orient", "recognize")
# RapidOCR enlarges thin images until their short side is 736 pixels: one of 1 by 2000 would take
# over 10 GB. It pads wide ones itself; the rest is padded here.
_MIN_SIDE = 32
_MAX_HEIGHT_TO_WIDTH = 8


class RapidOcrEngine:
    """Lines, one image after the other. OpenVINO is twice as fast as ONNX Runtime at equal text."""

    def __init__(self, settings: EngineSettings) -> None:
        backend = choose_backend(settings.backend)
        # Both backends ignore a number of threads greater than that of the CPUs.
        threads = max(1, min(settings.threads, os.cpu_count() or 1))
        cv2.setNumThreads(threads)
        self._reader = rapidocr.RapidOCR(
            params={
                "Global.log_level": "critical",
                "Global.text_score": settings.min_confidence,
                **_model_parameters(backend),
                **_thread_parameters(threads),
            }
        )
        self.info = EngineInfo(
            name="rapidocr",
            versions={
                "rapidocr": version("rapidocr"),
                backend: version(backend),
                "models": "PP-OCRv6 small",
            },
            device="cpu",
        )

    def warm_up(self) -> None:
        """Detection, orientation and recognition each load their model on first use."""
        page = np.full((160, 640, 3), 255, dtype=np.uint8)
        cv2.putText(page, "Warm up", (40, 100), cv2.FONT_HERSHEY_SIMPLEX, 2, (0, 0, 0), 4)
        outcome = self._recognize_one(page)
        if not outcome.boxes:
            raise EngineUnavailable("RapidOCR found nothing on its warm-up page: broken models?")

    def recognize(self, images: Sequence[RgbImage]) -> list[Outcome]:
        return [self._recognize_one(image) for image in images]

    def _recognize_one(self, image: RgbImage) -> Recognition:
        height, width = image.shape[:2]
        # Its models were trained on OpenCV's channel order.
        result: Any = self._reader(np.ascontiguousarray(pad_thin(image)[:, :, ::-1]))
        elapsed = getattr(result, "elapse_list", None) or ()
        return Recognition(
            boxes=_boxes(result, width, height),
            provenance=Provenance(
                engine=self.info.name,
                versions=self.info.versions,
                device=self.info.device,
                width=width,
                height=height,
                timings_s={
                    step: float(seconds)
                    for step, seconds in zip(_STEPS, elapsed, strict=False)
                    if seconds is not None
                },
            ),
        )


def choose_backend(wanted: Literal["auto", "openvino", "onnxruntime"]) -> Backend:
    """The wanted backend, or the best one installed. Raises EngineUnavailable if there is none."""
    candidates: tuple[Backend, ...] = ("openvino", "onnxruntime") if wanted == "auto" else (wanted,)
    for name in candidates:
        if importlib.util.find_spec(name):
            return name
    raise EngineUnavailable(
        f"RapidOCR needs {' or '.join(candidates)} to compute with; install it with:"
        " pip install 'ocrstream-worker[rapidocr]'"
    )


def pad_thin(image: RgbImage) -> NDArray[np.uint8]:
    """The image, widened to the right and bottom by white where it is too thin for RapidOCR."""
    height, width = image.shape[:2]
    right = max(_MIN_SIDE, height // _MAX_HEIGHT_TO_WIDTH) - width
    bottom = _MIN_SIDE - height
    if right <= 0 and bottom <= 0:
        return image
    padding = ((0, max(bottom, 0)), (0, max(right, 0)), (0, 0))
    return np.pad(image, padding, constant_values=255)


def _boxes(result: Any, width: int, height: int) -> tuple[TextBox, ...]:
    # All three are None on an empty image; where recognition gave nothing, some are missing.
    polygons, texts, scores = (getattr(result, name, None) for name in ("boxes", "txts", "scores"))
    if polygons is None or texts is None or scores is None:
        return ()
    return tuple(
        text_box(text, score, polygon.tolist(), width, height)
        for polygon, text, score in zip(polygons, texts, scores, strict=True)
    )


def _model_parameters(backend: Backend) -> dict[str, Any]:
    folder = Path(rapidocr.__file__).parent / "models"
    parameters: dict[str, Any] = {}
    for part, name in _MODELS.items():
        # Without a path RapidOCR checks, and may download, the file.
        if not (folder / name).is_file():
            raise EngineUnavailable(
                f"{folder / name} is missing: this version of rapidocr carries other models;"
                " the versions known to work are 3.10.x"
            )
        parameters[f"{part}.engine_type"] = rapidocr.EngineType(backend)
        parameters[f"{part}.model_path"] = str(folder / name)
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
