"""The port that every OCR engine implements.

An engine takes decoded images and returns one outcome for each, in order. Its results use the event
contract's own types, so they go into an event unchanged.
"""

from collections.abc import Sequence
from typing import Literal, Protocol

import msgspec
import numpy as np
from numpy.typing import NDArray

from ocrstream_schemas.events import BoxUnit, Provenance, ResultWarning, TextBox

RgbImage = NDArray[np.uint8]
"""Height by width by 3, red first."""

RECOGNITION_VERSION = "4"
"""Incremented when the same engine and models read pages better: `versions["ocrstream"]`.

Results without it are version 1: lines as the engine returned them, some of them upside down.
"""

Turn = Literal[0, 90, 180, 270]
"""Degrees clockwise."""
TURNS: tuple[Turn, ...] = (0, 90, 180, 270)

EngineName = Literal["rapidocr", "tesseract", "doctr", "noop"]


class RapidOcrSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Settings of RapidOCR.

    `backend`: `auto` takes OpenVINO on a CPU where it is installed, else ONNX Runtime. An empty
    model path means the one in the wheel, or one that reads the languages. `box_threshold`: the
    least score of an area.
    """

    backend: Literal["auto", "openvino", "onnxruntime"] = "auto"
    detection_model: str = ""
    orientation_model: str = ""
    recognition_model: str = ""
    box_threshold: float = 0.5


class DoctrSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Settings of docTR: architecture names and paths of weights (empty: in docTR's cache).

    `pages`: see `doctr.DoctrEngine`. `vocabulary`: the name of one of docTR's, or the characters
    themselves, in the order the weights were trained for; empty: the architecture's own.
    """

    detection: str = "fast_base"
    recognition: str = "crnn_vgg16_bn"
    detection_weights: str = ""
    recognition_weights: str = ""
    crop_orientation_weights: str = ""
    page_orientation_weights: str = ""
    vocabulary: str = ""
    pages: Literal["straight", "rotated", "straightened"] = "straight"
    box_threshold: float = 0.1
    precision: Literal["auto", "float32", "float16", "bfloat16"] = "auto"
    compile: bool = False


class EngineSettings(msgspec.Struct, frozen=True, kw_only=True):
    """The engine and its settings, sent to the engine's process unchanged.

    `languages`: what the engine must read, by the names in `languages`. `device`: `cpu`, or a GPU
    by the name that torch and RapidOCR use, like `cuda:0`; without that GPU the engine is
    unavailable, unless `allow_cpu`. `threads`: its CPU threads. `batch_size`: the usual number of
    images in a call of `recognize`, which may get more or fewer. `min_confidence`: lines with less
    are left out. `noop_*`: the lines that the noop engine reports and the seconds it takes.
    `model_folder`: the folder of models that are not in a package; `fetch_models` allows downloads
    to it.

    `image_timeout_s`: an engine that works longer on one image hangs and is killed.
    `start_timeout_s`: the same for loading and warm-up. Neither counts the time in which it waits
    for a core.
    """

    engine: EngineName = "rapidocr"
    languages: tuple[str, ...] = ("en",)
    device: str = "cpu"
    allow_cpu: bool = False
    threads: int = 1
    batch_size: int = 1
    min_confidence: float = 0.5
    model_folder: str = ".local/models"
    fetch_models: bool = False
    rapidocr: RapidOcrSettings = RapidOcrSettings()
    doctr: DoctrSettings = DoctrSettings()
    noop_boxes: int = 30
    noop_image_s: float = 0.0
    image_timeout_s: float = 120.0
    start_timeout_s: float = 180.0


class RecognitionOptions(msgspec.Struct, frozen=True, kw_only=True):
    """Options that may differ between the images of a batch."""

    boxes: BoxUnit = "line"


class Preprocessing(msgspec.Struct, frozen=True, kw_only=True):
    """What was done to a page before it was read; `Provenance` has the same fields."""

    turn: Turn = 0
    skew: float = 0.0
    turned_lines: int = 0
    tiles: int = 1
    shrink: float = 1.0
    warnings: tuple[ResultWarning, ...] = ()


class EngineInfo(msgspec.Struct, frozen=True, kw_only=True):
    """The running engine: the versions of its parts and its device.

    `models`: the SHA-256 of its model files, by `role/file name`.
    """

    name: str
    versions: dict[str, str]
    device: str
    models: dict[str, str] = {}

    def provenance(
        self,
        image: RgbImage,
        options: RecognitionOptions,
        timings_s: dict[str, float],
        preprocessing: Preprocessing,
    ) -> Provenance:
        """The provenance of a result of this engine, in reading order."""
        return Provenance(
            engine=self.name,
            versions=self.versions,
            models=self.models,
            device=self.device,
            boxes=options.boxes,
            width=image.shape[1],
            height=image.shape[0],
            timings_s=timings_s,
            ordered=True,
            **msgspec.structs.asdict(preprocessing),
        )


class Recognition(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """An image was read. Without boxes there is no text on it.

    Boxes are lines or words as requested, never both, in reading order. Polygons are in pixels of
    the given image, clipped to it, clockwise from the text's own top left.
    """

    boxes: tuple[TextBox, ...]
    provenance: Provenance


class RecognitionFailure(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """The engine cannot read this image; a retry fails the same way."""

    error: str


RecognitionOutcome = Recognition | RecognitionFailure


class Engine(Protocol):
    """An OCR engine. One thread uses it, so it needs no locks."""

    @property
    def info(self) -> EngineInfo:
        """Complete only after `warm_up`."""
        ...

    def warm_up(self) -> None:
        """Loads everything, so that the first image takes no longer than the next.

        Raises EngineUnavailableError if the engine cannot work as configured.
        """
        ...

    def recognize(
        self, images: Sequence[RgbImage], options: Sequence[RecognitionOptions]
    ) -> list[RecognitionOutcome]:
        """Returns one outcome for each image, in order, with the options at the same index.

        The outcome of an image does not depend on the others in the batch. Raises EngineBrokenError
        if the process must be replaced. Any other exception means that one of the images is at
        fault; the caller then retries each image alone.
        """
        ...
