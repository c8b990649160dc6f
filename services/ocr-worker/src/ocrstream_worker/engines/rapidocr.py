"""RapidOCR, with the models in its wheel (PP-OCRv6 small) or others of its kind."""

import importlib.util
import os
from collections.abc import Sequence
from importlib.metadata import packages_distributions, version
from pathlib import Path
from typing import Any, Literal

import cv2
import msgspec
import numpy as np
import rapidocr

from ocrstream_worker.engines.coverage import coverage
from ocrstream_worker.engines.errors import EngineUnavailableError
from ocrstream_worker.engines.language_support import check_languages_supported, find_languages
from ocrstream_worker.engines.languages import Language, missing_characters
from ocrstream_worker.engines.model_files import find_or_fetch, hash_files
from ocrstream_worker.engines.port import (
    RECOGNITION_VERSION,
    EngineInfo,
    EngineSettings,
    Recognition,
    RecognitionOptions,
    RecognitionOutcome,
    RgbImage,
)
from ocrstream_worker.engines.rapidocr_models import bundled, listed_recognizer
from ocrstream_worker.engines.rapidocr_networks import READER_PARAMETERS, RapidOcrNetworks
from ocrstream_worker.engines.rapidocr_page import PageRecognizer
from ocrstream_worker.engines.result_warnings import RecognitionModel
from ocrstream_worker.engines.results import to_recognition

Backend = Literal["openvino", "onnxruntime"]

_DETECTION = "PP-OCRv6_det_small.onnx"
_ORIENTATION = "ch_ppocr_mobile_v2.0_cls_mobile.onnx"
_RECOGNITION = "PP-OCRv6_rec_small.onnx"


class RapidOcrEngine:
    """Recognises lines, image by image. OpenVINO is twice as fast as ONNX Runtime."""

    def __init__(self, settings: EngineSettings) -> None:
        self._settings = settings
        self._backend: Backend = choose_backend(settings)
        # Both backends ignore more threads than there are CPUs.
        self._threads = max(1, min(settings.threads, os.cpu_count() or 1))
        cv2.setNumThreads(self._threads)
        own = settings.rapidocr
        self._models = {
            "detection": Path(own.detection_model or bundled(_DETECTION)),
            "orientation": Path(own.orientation_model or bundled(_ORIENTATION)),
            "recognition": Path(own.recognition_model or bundled(_RECOGNITION)),
        }
        self._networks = self._choose_networks(find_languages(settings.languages))
        self._page_recognizer = PageRecognizer(self._networks, own.box_threshold)
        self.characters = frozenset(self._networks.characters)
        """All characters that its recogniser can produce."""
        self._model = RecognitionModel(
            "rapidocr", self._models["recognition"].name, coverage(self.characters)
        )
        self.info = EngineInfo(
            name="rapidocr",
            versions={
                "ocrstream": RECOGNITION_VERSION,
                "rapidocr": version("rapidocr"),
                self._backend: _version(self._backend),
            },
            models=hash_files(self._models),
            device="cpu",
        )

    def warm_up(self) -> None:
        """Detection, orientation and recognition each load their model on first use."""
        page = np.full((160, 640, 3), 255, dtype=np.uint8)
        cv2.putText(page, "Warm up", (40, 100), cv2.FONT_HERSHEY_SIMPLEX, 2, (0, 0, 0), 4)
        if not self._recognize_one(page, RecognitionOptions(boxes="word")).boxes:
            raise EngineUnavailableError(
                "RapidOCR found no text on its warm-up page; its models may be broken"
            )
        if self._backend == "onnxruntime":
            self._check_device()

    def recognize(
        self, images: Sequence[RgbImage], options: Sequence[RecognitionOptions]
    ) -> list[RecognitionOutcome]:
        return [self._recognize_one(*one) for one in zip(images, options, strict=True)]

    def _choose_networks(self, languages: Sequence[Language]) -> RapidOcrNetworks:
        """Loads networks whose recogniser has the languages' characters.

        Raises EngineUnavailableError if there are none.
        """
        networks = self._load()
        missing = missing_characters(networks.characters, languages)
        listed = {
            one.code: model for one in languages if (model := listed_recognizer(one)) is not None
        }
        folder = Path(self._settings.model_folder)
        candidates = {listed[code] for code in missing if code in listed}
        # One recogniser reads all lines, so languages that need two cannot be combined.
        if len(candidates) == 1 and not self._settings.rapidocr.recognition_model:
            found = find_or_fetch(candidates.pop(), folder, fetch=self._settings.fetch_models)
            if found is not None:
                self._models["recognition"] = found
                networks = self._load()
        recognizer = self._models["recognition"].name
        check_languages_supported(
            languages,
            networks.characters,
            recognizer,
            {
                code: f"RapidOCR's {model.name} may: put it, SHA-256 {model.sha256}, into {folder}"
                " (OCRSTREAM_MODEL_FOLDER) or set OCRSTREAM_FETCH_MODELS=true to have it fetched"
                f" from {model.url}"
                for code, model in listed.items()
                if model.name != recognizer
            },
        )
        return networks

    def _load(self) -> RapidOcrNetworks:
        settings = self._settings
        reader: Any = rapidocr.RapidOCR(
            params={
                "Global.log_level": "critical",
                **READER_PARAMETERS,
                **_model_parameters(self._backend, self._models),
                **_thread_parameters(self._threads),
                **_device_parameters(settings.device),
            }
        )
        return RapidOcrNetworks(reader)

    def _check_device(self) -> None:
        providers = [one.session.get_providers()[0] for one in self._networks.sessions]
        device = real_device(self._settings, providers)
        self.info = msgspec.structs.replace(self.info, device=device)

    def _recognize_one(self, image: RgbImage, options: RecognitionOptions) -> Recognition:
        return to_recognition(
            self._page_recognizer.recognize(image),
            image,
            options,
            info=self.info,
            model=self._model,
            min_confidence=self._settings.min_confidence,
        )


def choose_backend(settings: EngineSettings) -> Backend:
    """The configured backend, or the best installed one. Only ONNX Runtime supports a GPU.

    Raises EngineUnavailableError if none is installed.
    """
    configured = settings.rapidocr.backend
    on_gpu = settings.device != "cpu"
    candidates: tuple[Backend, ...] = (
        (configured,) if configured != "auto" else ("openvino", "onnxruntime")
    )
    if on_gpu:
        candidates = tuple(name for name in candidates if name == "onnxruntime")
    for name in candidates:
        if importlib.util.find_spec(name):
            return name
    if on_gpu and not candidates:
        raise EngineUnavailableError(
            f"RapidOCR computes on {settings.device} with onnxruntime only, not with {configured}"
        )
    raise EngineUnavailableError(
        f"RapidOCR needs {' or '.join(candidates)} to compute with; install it with:"
        " pip install 'ocrstream-worker[rapidocr]'"
    )


def real_device(settings: EngineSettings, providers: Sequence[str]) -> str:
    """The device that ONNX Runtime really uses, by the first provider of each session.

    Raises EngineUnavailableError if it is not the configured one and the CPU is not allowed
    instead.
    """
    if settings.device == "cpu":
        return "cpu"
    if all(provider == "CUDAExecutionProvider" for provider in providers):
        return settings.device
    if settings.allow_cpu:
        return "cpu"
    raise EngineUnavailableError(
        f"OCRSTREAM_ENGINE_DEVICE is {settings.device}, but RapidOCR would compute on"
        f" {', '.join(sorted(set(providers)))}. Install onnxruntime-gpu in place of onnxruntime,"
        " with the CUDA and cuDNN it asks for, or set OCRSTREAM_ALLOW_CPU=true"
    )


def _version(backend: Backend) -> str:
    # Two distributions contain the same module.
    gpu = "onnxruntime-gpu"
    names = packages_distributions().get(backend, [backend])
    return version(gpu if gpu in names else backend)


def _model_parameters(backend: Backend, models: dict[str, Path]) -> dict[str, Any]:
    parameters: dict[str, Any] = {}
    sections = (("Det", "detection"), ("Cls", "orientation"), ("Rec", "recognition"))
    for section, role in sections:
        if not models[role].is_file():
            raise EngineUnavailableError(
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
        # Pinned threads of several workers on one machine would share the same cores.
        "EngineConfig.openvino.enable_cpu_pinning": "NO",
        "EngineConfig.onnxruntime.intra_op_num_threads": threads,
        "EngineConfig.onnxruntime.inter_op_num_threads": 1,
    }


def _device_parameters(device: str) -> dict[str, Any]:
    if device == "cpu":
        return {}
    kind, _, number = device.partition(":")
    if kind != "cuda" or not (number or "0").isdecimal():
        raise EngineUnavailableError(f"RapidOCR computes on cpu, cuda or cuda:N, not on {device!r}")
    return {
        "EngineConfig.onnxruntime.use_cuda": True,
        "EngineConfig.onnxruntime.cuda_ep_cfg.device_id": int(number or 0),
    }
