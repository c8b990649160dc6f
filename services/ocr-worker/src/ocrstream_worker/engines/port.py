"""The port that every OCR engine stands behind.

An engine takes decoded images and gives one outcome for each, in order. Its results use the event
contract's own types, so they go into an event as they are.
"""

import math
from collections.abc import Sequence
from typing import Literal, Protocol

import msgspec
import numpy as np
from numpy.typing import NDArray

from ocrstream_schemas.events import Provenance, TextBox
from ocrstream_schemas.fields import Point

RgbImage = NDArray[np.uint8]
"""Height by width by 3, red first."""


class EngineSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Which engine reads, and how. Crosses to the engine's process as it is.

    `threads`: CPU threads that the engine computes with. `backend`: what RapidOCR computes with;
    `auto` takes OpenVINO where it is installed, else ONNX Runtime. `min_confidence`: RapidOCR
    drops lines that it is less sure of. `noop_*`: how many boxes the noop engine reports and how
    long it takes for an image. `doctr_*`: architecture names, the torch device, and how many
    pages go through detection at once.

    `image_timeout_s`: an engine that works longer than this on one image hangs and is killed.
    `start_timeout_s`: the same for loading its models and warming up.
    """

    engine: Literal["rapidocr", "doctr", "noop"] = "rapidocr"
    threads: int = 1
    backend: Literal["auto", "openvino", "onnxruntime"] = "auto"
    min_confidence: float = 0.5
    noop_boxes: int = 30
    noop_image_s: float = 0.0
    doctr_detection: str = "fast_base"
    doctr_recognition: str = "crnn_vgg16_bn"
    doctr_device: str = "cpu"
    doctr_pages: int = 2
    image_timeout_s: float = 120.0
    start_timeout_s: float = 180.0


class EngineInfo(msgspec.Struct, frozen=True, kw_only=True):
    """What is running: the engine, the versions of what it is made of, the device it uses."""

    name: str
    versions: dict[str, str]
    device: str


class Recognition(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """An image was read. No box means that there is no text on it.

    Polygons are in the pixels of the image that was given, clipped to it.
    """

    boxes: tuple[TextBox, ...]
    provenance: Provenance


class Refused(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """The engine cannot read this image and would not the next time either."""

    error: str


Outcome = Recognition | Refused


class EngineError(Exception):
    """Base of what can go wrong with an engine."""


class EngineUnavailable(EngineError):
    """The engine cannot be started as configured; trying again does not help."""


class EngineBroken(EngineError):
    """The engine is in a state that it cannot leave (its device or memory is gone)."""


class Engine(Protocol):
    """What an adapter implements. It is used from one thread and need not guard itself."""

    @property
    def info(self) -> EngineInfo:
        """Complete only after `warm_up`."""
        ...

    def warm_up(self) -> None:
        """Load everything, so that the first image takes no longer than the next.

        Raises EngineUnavailable if it cannot work as configured.
        """
        ...

    def recognize(self, images: Sequence[RgbImage]) -> list[Outcome]:
        """One outcome for each image, in order.

        Raises EngineBroken if the process must be replaced. Any other exception means that one of
        the images is at fault; the caller finds out which by trying each alone.
        """
        ...


def text_box(
    text: str, confidence: float, polygon: Sequence[Sequence[float]], width: int, height: int
) -> TextBox:
    """A box that the event contract accepts, whatever rounding the engine did.

    Clips the polygon to the image and the confidence to 0..1; a confidence that is no number is 0.
    Drops what no database stores as text: NUL and lone surrogates. Raises ValueError unless
    `polygon` is four points of finite numbers.
    """
    if len(polygon) != 4 or not all(math.isfinite(value) for point in polygon for value in point):
        raise ValueError(f"the engine gave no polygon of four points: {polygon!r}")
    top_left, top_right, bottom_right, bottom_left = (
        _clip(point, width, height) for point in polygon
    )
    return TextBox(
        text=text.replace("\0", "").encode("utf-8", "ignore").decode("utf-8"),
        confidence=min(max(float(confidence), 0.0), 1.0) if math.isfinite(confidence) else 0.0,
        bbox=(top_left, top_right, bottom_right, bottom_left),
    )


def _clip(point: Sequence[float], width: int, height: int) -> Point:
    x, y = point
    return (min(max(float(x), 0.0), float(width)), min(max(float(y), 0.0), float(height)))
