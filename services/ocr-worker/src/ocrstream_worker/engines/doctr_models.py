"""docTR's models, built from architecture names and weights on disk.

docTR itself downloads missing weights, over plain HTTP if HTTPS fails. Here every model is built
empty and loads its weights from a local file, which is downloaded only if that is allowed.
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
    """The predictor's models: `files` by role, `device`, `precision`, `vocabulary`.

    Raises EngineUnavailableError for an unknown architecture, a missing file or device.
    """

    def __init__(self, settings: EngineSettings) -> None:
        # Neither typed nor part of the default install.
        self._torch: Any = import_module("torch")
        self._doctr: Any = import_module("doctr.models")
        self._settings = settings
        self._straight = settings.doctr.pages == "straight"
        self.device = self._select_device()
        self.precision = self._select_precision()
        own = settings.doctr
        self._detection = self._build_empty("detection", own.detection)
        vocabulary = self._configured_vocabulary()
        self._recognition = self._build_empty(
            "recognition", own.recognition, **({"vocab": vocabulary} if vocabulary else {})
        )
        self.vocabulary: str = self._recognition.vocab
        self.files = {
            "detection": self._file(self._detection, own.detection_weights),
            "recognition": self._file(self._recognition, own.recognition_weights),
        }
        if own.pages != "straight":
            self._crops = self._build_empty("classification", _CROP_ORIENTATION)
            self.files["crop_orientation"] = self._file(self._crops, own.crop_orientation_weights)
        if own.pages == "straightened":
            self._pages = self._build_empty("classification", _PAGE_ORIENTATION)
            self.files["page_orientation"] = self._file(self._pages, own.page_orientation_weights)

    @property
    def out_of_memory(self) -> type[Exception]:
        """The error that torch raises when the GPU is out of memory."""
        return self._torch.OutOfMemoryError

    def build(self) -> Any:
        """Builds docTR's `OCRPredictor` on its device.

        Raises EngineUnavailableError if the weights do not fit the architecture.
        """
        self._torch.set_num_threads(self._settings.threads)
        own = self._settings.doctr
        detection = self._load_weights("detection", self._detection)
        if isinstance(detection, self._doctr.detection.FAST):
            detection = self._doctr.detection.fast.reparameterize(detection)
        detection.postprocessor.box_thresh = own.box_threshold
        recognition = self._load_weights("recognition", self._recognition)
        if own.compile:
            detection, recognition = map(self._torch.compile, (detection, recognition))
        predictor = self._doctr.ocr_predictor(
            detection,
            recognition,
            assume_straight_pages=self._straight,
            straighten_pages=own.pages == "straightened",
            preserve_original_coords=True,
            det_bs=self._settings.batch_size,
            # docTR would download its own orientation models; those on disk are set below.
            disable_crop_orientation=True,
            disable_page_orientation=True,
        )
        if own.pages != "straight":
            crops = self._load_weights("crop_orientation", self._crops)
            predictor.crop_orientation_predictor = self._doctr.crop_orientation_predictor(crops)
        if own.pages == "straightened":
            pages = self._load_weights("page_orientation", self._pages)
            predictor.page_orientation_predictor = self._doctr.page_orientation_predictor(pages)
        return predictor.to(device=self.device, dtype=getattr(self._torch, self.precision)).eval()

    def _build_empty(self, kind: str, architecture: str, **options: Any) -> Any:
        """Builds a model with random weights."""
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

    def _configured_vocabulary(self) -> str:
        configured = self._settings.doctr.vocabulary
        named: dict[str, str] = import_module("doctr.datasets").VOCABS
        return named.get(configured, configured)

    def _file(self, model: Any, given: str) -> Path:
        if given:
            if not Path(given).is_file():
                raise EngineUnavailableError(f"there are no docTR weights at {given}")
            return Path(given)
        model_file = _model_file(model.cfg["url"])
        folder = _cache_folder() / "models"
        found = find_or_fetch(model_file, folder, fetch=self._settings.fetch_models)
        if found is None:
            raise EngineUnavailableError(
                f"docTR needs {model_file.name}, whose SHA-256 begins with {model_file.sha256}: put"
                f" it into {folder} (DOCTR_CACHE_DIR), name other weights with"
                " OCRSTREAM_DOCTR_…_WEIGHTS, or set OCRSTREAM_FETCH_MODELS=true to have it fetched"
                f" from {model_file.url}"
            )
        return found

    def _load_weights(self, role: str, model: Any) -> Any:
        try:
            model.from_pretrained(str(self.files[role]))
        except Exception as error:  # torch's readers of weights may raise anything
            raise EngineUnavailableError(
                f"{self.files[role]} does not hold the weights of docTR's {role}: {error}"
            ) from error
        return model.eval()

    def _select_device(self) -> str:
        configured = self._settings.device
        try:
            self._torch.zeros(1, device=configured)
        # The error depends on how torch was built.
        except (RuntimeError, AssertionError) as error:
            if self._settings.allow_cpu:
                return "cpu"
            raise EngineUnavailableError(
                f"docTR cannot compute on {configured} (OCRSTREAM_ENGINE_DEVICE): {error}. Name"
                " another device, or set OCRSTREAM_ALLOW_CPU=true"
            ) from error
        return configured

    def _select_precision(self) -> str:
        configured = self._settings.doctr.precision
        if configured != "auto":
            return configured
        return "float16" if self.device.startswith("cuda") else "float32"


def _cache_folder() -> Path:
    # The same folder as docTR's own.
    return Path(os.environ.get("DOCTR_CACHE_DIR") or Path.home() / ".cache" / "doctr")


def _model_file(url: str) -> ModelFile:
    """The model file behind docTR's URL.

    docTR ends file names with the first digits of their SHA-256: `crnn_vgg16_bn-0417f351.pt`.
    """
    name = url.rpartition("/")[2].partition("&")[0]
    return ModelFile(name, url, name.rpartition("-")[2].partition(".")[0])
