"""docTR's models, made from architecture names and weights on disk; nothing comes in unasked.

docTR itself fetches what it has not got, over plain HTTP if HTTPS fails. Here every model is made
empty, and its weights are loaded from a file that was there, or was fetched when that is allowed.
"""

import os
from importlib import import_module
from pathlib import Path
from typing import Any

from ocrstream_worker.engines.errors import EngineUnavailableError
from ocrstream_worker.engines.model_files import ModelFile, find_or_fetch
from ocrstream_worker.engines.port import EngineSettings

_CROP_ORIENTATION = "mobilenet_v3_small_crop_orientation"
_PAGE_ORIENTATION = "mobilenet_v3_small_page_orientation"


class DoctrModels:
    """What the predictor is made of: `files` by role, `device`, `precision`, `vocabulary`.

    Raises EngineUnavailableError for an unknown architecture, a missing file or device.
    """

    def __init__(self, settings: EngineSettings) -> None:
        # No stubs and not part of the default install: used as untyped modules.
        self._torch: Any = import_module("torch")
        self._doctr: Any = import_module("doctr.models")
        self._settings = settings
        self._straight = settings.doctr.pages == "straight"
        self.device = self._real_device()
        self.precision = self._real_precision()
        own = settings.doctr
        self._detection = self._empty("detection", own.detection)
        vocabulary = self._wanted_vocabulary()
        self._recognition = self._empty(
            "recognition", own.recognition, **({"vocab": vocabulary} if vocabulary else {})
        )
        self.vocabulary: str = self._recognition.vocab
        self.files = {
            "detection": self._file(self._detection, own.detection_weights),
            "recognition": self._file(self._recognition, own.recognition_weights),
        }
        if own.pages != "straight":
            self._crops = self._empty("classification", _CROP_ORIENTATION)
            self.files["crop_orientation"] = self._file(self._crops, own.crop_orientation_weights)
        if own.pages == "straightened":
            self._pages = self._empty("classification", _PAGE_ORIENTATION)
            self.files["page_orientation"] = self._file(self._pages, own.page_orientation_weights)

    @property
    def out_of_memory(self) -> type[Exception]:
        """What torch raises when the GPU is full."""
        return self._torch.OutOfMemoryError

    def build(self) -> Any:
        """docTR's `OCRPredictor`, on its device. Raises EngineUnavailableError if weights do not fit."""
        self._torch.set_num_threads(self._settings.threads)
        own = self._settings.doctr
        detection = self._loaded("detection", self._detection)
        if isinstance(detection, self._doctr.detection.FAST):
            detection = self._doctr.detection.fast.reparameterize(detection)
        detection.postprocessor.box_thresh = own.box_threshold
        recognition = self._loaded("recognition", self._recognition)
        if own.compile:
            detection, recognition = map(self._torch.compile, (detection, recognition))
        predictor = self._doctr.ocr_predictor(
            detection,
            recognition,
            assume_straight_pages=self._straight,
            straighten_pages=own.pages == "straightened",
            preserve_original_coords=True,
            det_bs=self._settings.batch_size,
            # Its own orientation models would be fetched; those on disk are set in below.
            disable_crop_orientation=True,
            disable_page_orientation=True,
        )
        if own.pages != "straight":
            crops = self._loaded("crop_orientation", self._crops)
            predictor.crop_orientation_predictor = self._doctr.crop_orientation_predictor(crops)
        if own.pages == "straightened":
            pages = self._loaded("page_orientation", self._pages)
            predictor.page_orientation_predictor = self._doctr.page_orientation_predictor(pages)
        return predictor.to(device=self.device, dtype=getattr(self._torch, self.precision)).eval()

    def _empty(self, kind: str, architecture: str, **options: Any) -> Any:
        """A model of the kind with its own random weights."""
        module = getattr(self._doctr, kind)
        known = module.zoo.ARCHS + getattr(module.zoo, "ORIENTATION_ARCHS", [])
        if architecture not in known:
            raise EngineUnavailableError(
                f"docTR has no {kind} architecture {architecture!r}; it has {', '.join(known)}"
            )
        if kind == "detection":
            options["assume_straight_pages"] = self._straight
        if kind != "classification":
            options["pretrained_backbone"] = False
        return getattr(module, architecture)(pretrained=False, **options)

    def _wanted_vocabulary(self) -> str:
        wanted = self._settings.doctr.vocabulary
        named: dict[str, str] = import_module("doctr.datasets").VOCABS
        return named.get(wanted, wanted)

    def _file(self, model: Any, given: str) -> Path:
        if given:
            if not Path(given).is_file():
                raise EngineUnavailableError(f"there are no docTR weights at {given}")
            return Path(given)
        listed = _listed(model.cfg["url"])
        folder = _cache() / "models"
        found = find_or_fetch(listed, folder, fetch=self._settings.fetch_models)
        if found is None:
            raise EngineUnavailableError(
                f"docTR needs {listed.name}, whose SHA-256 begins with {listed.sha256}: put it into"
                f" {folder} (DOCTR_CACHE_DIR), name other weights with"
                " OCRSTREAM_DOCTR_…_WEIGHTS, or set OCRSTREAM_FETCH_MODELS=true to have it fetched"
                f" from {listed.url}"
            )
        return found

    def _loaded(self, role: str, model: Any) -> Any:
        try:
            model.from_pretrained(str(self.files[role]))
        except Exception as error:  # torch raises what its readers of old and new files happen to
            raise EngineUnavailableError(
                f"{self.files[role]} does not hold the weights of docTR's {role}: {error}"
            ) from error
        return model.eval()

    def _real_device(self) -> str:
        wanted = self._settings.device
        try:
            self._torch.zeros(1, device=wanted)
        # What torch raises depends on how it was built.
        except (RuntimeError, AssertionError) as error:
            if self._settings.allow_cpu:
                return "cpu"
            raise EngineUnavailableError(
                f"docTR cannot compute on {wanted} (OCRSTREAM_ENGINE_DEVICE): {error}. Name another"
                " device, or set OCRSTREAM_ALLOW_CPU=true"
            ) from error
        return wanted

    def _real_precision(self) -> str:
        wanted = self._settings.doctr.precision
        if wanted != "auto":
            return wanted
        return "float16" if self.device.startswith("cuda") else "float32"


def _cache() -> Path:
    # As docTR's own.
    return Path(os.environ.get("DOCTR_CACHE_DIR") or Path.home() / ".cache" / "doctr")


def _listed(url: str) -> ModelFile:
    """docTR names files after the first digits of their SHA-256: `crnn_vgg16_bn-0417f351.pt`."""
    name = url.rpartition("/")[2].partition("&")[0]
    return ModelFile(name, url, name.rpartition("-")[2].partition(".")[0])
