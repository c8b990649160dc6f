"""The port that every OCR engine stands behind.

An engine takes decoded images and gives one outcome for each, in order. Its results use the event
contract's own types, so they go into an event as they are.
"""

from collections.abc import Sequence
from typing import Literal, Protocol

import msgspec
import numpy as np
from numpy.typing import NDArray

from ocrstream_schemas.events import BoxUnit, Provenance, ResultWarning, TextBox

RgbImage = NDArray[np.uint8]
"""Height by width by 3, red first."""

RECOGNITION_VERSION = "3"
"""Counted up whenever the same engine and models read pages better: `versions["ocrstream"]`.

1 is what said nothing of it: lines as the engine gave them, some of them read upside down.
"""

Turn = Literal[0, 90, 180, 270]
"""Degrees clockwise."""
TURNS: tuple[Turn, ...] = (0, 90, 180, 270)

EngineName = Literal["rapidocr", "tesseract", "doctr", "noop"]


class RapidOcrSettings(msgspec.Struct, frozen=True, kw_only=True):
    """`auto` takes OpenVINO on a CPU where it is installed, else ONNX Runtime.

    An empty path means the model that the wheel carries, or one that reads the languages.
    `box_threshold`: detection drops areas that it is less sure of.
    """

    backend: Literal["auto", "openvino", "onnxruntime"] = "auto"
    detection_model: str = ""
    orientation_model: str = ""
    recognition_model: str = ""
    box_threshold: float = 0.5


class DoctrSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Names of architectures, and where their weights lie: empty means in docTR's own cache.

    `pages`: see `doctr.DoctrEngine`. `vocabulary`: the name of one of docTR's, or the characters
    themselves, in the order the weights were trained for; empty is the architecture's own.
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
    """Which engine reads, and how. Crosses to the engine's process as it is.

    `languages`: what it must be able to read, by the names that `languages` knows. `device`: `cpu`,
    or what torch and RapidOCR call a GPU, like `cuda:0`; if it cannot be had the engine is
    unavailable, unless `allow_cpu`. `threads`: CPU threads that it computes with. `batch_size`: how
    many images one call of `recognize` is made for; it may hold more or fewer. `min_confidence`:
    lines that the engine is less sure of are left out. `noop_*`: how many lines the noop engine
    reports and how long it takes for an image. `model_folder`: where models that the engine does
    not carry are looked for, and fetched to if `fetch_models`.

    `image_timeout_s`: an engine that works longer than this on one image hangs and is killed.
    `start_timeout_s`: the same for loading its models and warming up.
    Neither counts what it waits for a core.
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
    """What may differ from image to image of one batch."""

    boxes: BoxUnit = "line"


class Preprocessing(msgspec.Struct, frozen=True, kw_only=True):
    """What was done to a page so that it could be read; see `Provenance`, which repeats it."""

    turn: Turn = 0
    skew: float = 0.0
    turned_lines: int = 0
    tiles: int = 1
    shrink: float = 1.0
    warnings: tuple[ResultWarning, ...] = ()


class EngineInfo(msgspec.Struct, frozen=True, kw_only=True):
    """What is running: the engine, the versions of what it is made of, the device it uses.

    `models` are the SHA-256 of its model files, by `role/file name`.
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
        treatment: Preprocessing,
    ) -> Provenance:
        """What a result of this engine, in reading order, says about where it comes from."""
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
            **msgspec.structs.asdict(treatment),
        )


class Recognition(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """An image was read. No box means that there is no text on it.

    Boxes are lines or words as asked for, never both, in reading order. Polygons are in the pixels
    of the image that was given, clipped to it, clockwise from where the text's own top left is.
    """

    boxes: tuple[TextBox, ...]
    provenance: Provenance


class RecognitionFailure(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """The engine cannot read this image and would not the next time either."""

    error: str


RecognitionOutcome = Recognition | RecognitionFailure


class Engine(Protocol):
    """What an adapter implements. It is used from one thread and need not guard itself."""

    @property
    def info(self) -> EngineInfo:
        """Complete only after `warm_up`."""
        ...

    def warm_up(self) -> None:
        """Load everything, so that the first image takes no longer than the next.

        Raises EngineUnavailableError if it cannot work as configured.
        """
        ...

    def recognize(
        self, images: Sequence[RgbImage], options: Sequence[RecognitionOptions]
    ) -> list[RecognitionOutcome]:
        """One outcome for each image, in order, read as the options in its place say.

        An image's outcome does not depend on which others are read with it. Raises EngineBrokenError if
        the process must be replaced. Any other exception means that one of the images is at fault;
        the caller finds out which by trying each alone.
        """
        ...
