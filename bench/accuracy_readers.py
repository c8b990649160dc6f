"""Who reads the pages of the accuracy bench, and what they find."""

import hashlib
import time
from collections.abc import Iterable, Iterator, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import cv2
import msgspec
import numpy as np
import rapidocr
from accuracy.geometry import Pixels, Quad
from accuracy.scoring import ReadBox
from accuracy.truth import Line
from accuracy_pages import PageFile

import ocrstream_imaging
import ocrstream_layout
import ocrstream_worker
from ocrstream_schemas.events import TextBox
from ocrstream_worker.decode import DecodeLimits, Decoder
from ocrstream_worker.engines.factory import create_engine
from ocrstream_worker.engines.port import (
    EngineName,
    EngineSettings,
    Recognition,
    RecognitionOptions,
)
from ocrstream_worker.engines.rapidocr_models import bundled

# Around a true line's ink, in shares of its height: about what detection leaves.
_MARGIN = 0.12


class Reading(msgspec.Struct, frozen=True, kw_only=True):
    """What one reader made of one page. `words`: None where it was not asked for words."""

    boxes: tuple[TextBox, ...]
    words: tuple[TextBox, ...] | None = None
    seconds: float
    cpu_seconds: float


class Reader(Protocol):
    """Somebody who reads.

    `turns`: whether its boxes tell which way up their text stands. `words`: whether it reads by
    words, too. `needs_places`: whether it reads drawn pages only. `version`: what its readings
    depend on, besides the file.
    """

    @property
    def turns(self) -> bool: ...

    @property
    def words(self) -> bool: ...

    @property
    def needs_places(self) -> bool: ...

    @property
    def version(self) -> str: ...

    def read(self, files: Sequence[PageFile], word_files: int) -> Iterator[Reading]:
        """A reading of each, in order; of the first `word_files` by words, too, if it can."""
        ...


def as_read_boxes(boxes: Iterable[TextBox]) -> list[ReadBox]:
    """As scoring takes them."""
    return [ReadBox(box.text, box.confidence, np.array(box.bbox)) for box in boxes]


def versions_of(*names: str) -> str:
    """Versions of packages, in one line."""
    return " ".join(f"{name} {version(name)}" for name in names)


def worker_version() -> str:
    """A digest of the code that reads, from file to ordered lines, and what it computes with."""
    digest = hashlib.sha256()
    for package in (ocrstream_worker, ocrstream_imaging, ocrstream_layout):
        for file in sorted(Path(str(package.__file__)).parent.rglob("*.py")):
            digest.update(file.read_bytes())
    return (
        f"{digest.hexdigest()[:12]} {versions_of('rapidocr', 'openvino', 'opencv-python-headless')}"
    )


class Spent(NamedTuple):
    """A moment, by the clock on the wall and by this process's own."""

    wall_s: float
    cpu_s: float

    @staticmethod
    def now() -> "Spent":
        """The present one."""
        return Spent(time.perf_counter(), time.process_time())


class EngineInProcess:
    """The worker's decoder and engine, one thread, without Kafka: for quick looks."""

    turns = True
    words = True
    needs_places = False

    def __init__(self, engine: EngineName) -> None:
        self._engine = create_engine(EngineSettings(engine=engine))
        self._engine.warm_up()
        self._decoder = Decoder(DecodeLimits())

    @property
    def version(self) -> str:
        """What its readings depend on."""
        return f"in process {worker_version()}"

    def read(self, files: Sequence[PageFile], word_files: int) -> Iterator[Reading]:
        """One after the other."""
        for number, file in enumerate(files):
            began = Spent.now()
            boxes = self._boxes(file.path, RecognitionOptions())
            ended = Spent.now()
            words = number < word_files
            yield Reading(
                boxes=boxes,
                words=self._boxes(file.path, RecognitionOptions(boxes="word")) if words else None,
                seconds=ended.wall_s - began.wall_s,
                cpu_seconds=ended.cpu_s - began.cpu_s,
            )

    def _boxes(self, path: Path, options: RecognitionOptions) -> tuple[TextBox, ...]:
        pixels = self._decoder.decode(path.read_bytes())
        (outcome,) = self._engine.recognize([pixels], [options])
        return outcome.boxes if isinstance(outcome, Recognition) else ()


class Limit:
    """The default engine's recogniser on the true, upright crops of all lines: nothing that finds,
    turns or orders lines can be expected to do better.
    """

    turns = False
    words = False
    needs_places = True
    version = f"{versions_of('rapidocr', 'openvino', 'opencv-python-headless')} margin {_MARGIN}"

    def __init__(self) -> None:
        self._reader: Any = rapidocr.RapidOCR(
            params={
                "Global.log_level": "critical",
                "Rec.engine_type": rapidocr.EngineType.OPENVINO,
                "Rec.model_path": str(bundled("PP-OCRv6_rec_small.onnx")),
                "Rec.rec_batch_num": 1,
                "Rec.rec_img_shape": [3, 48, 160],
            }
        )
        self._decoder = Decoder(DecodeLimits())

    def read(self, files: Sequence[PageFile], word_files: int) -> Iterator[Reading]:
        """A box for each true line, in the true order."""
        for file in files:
            assert file.drawn is not None, "has no true crops"
            began = Spent.now()
            pixels = self._decoder.decode(file.path.read_bytes())
            boxes = tuple(self._read_line(pixels, line) for line in file.drawn.lines)
            ended = Spent.now()
            yield Reading(
                boxes=boxes,
                seconds=ended.wall_s - began.wall_s,
                cpu_seconds=ended.cpu_s - began.cpu_s,
            )

    def _read_line(self, pixels: Pixels, line: Line) -> TextBox:
        found = self._reader.recognize_txt([upright_crop(pixels, line)[:, :, ::-1]])
        if not found.txts:
            return box_of("", 0.0, line.quad)
        return box_of(found.txts[0], float(found.scores[0]), line.quad)


def box_of(text: str, confidence: float, quad: Quad) -> TextBox:
    """A box as events have it."""
    corners = [(float(x), float(y)) for x, y in quad]
    return TextBox(
        text=text,
        confidence=min(1.0, max(0.0, confidence)),
        bbox=(corners[0], corners[1], corners[2], corners[3]),
    )


def upright_crop(pixels: Pixels, line: Line) -> Pixels:
    """The line's own pixels with a margin; a column is laid on its left side, as recognisers of
    this kind are trained to see it.
    """
    quad = _with_margin(np.roll(line.quad, -1, axis=0) if line.vertical else line.quad)
    width = max(1, round(float(np.linalg.norm(quad[1] - quad[0]))))
    height = max(1, round(float(np.linalg.norm(quad[3] - quad[0]))))
    place = np.array([(0, 0), (width, 0), (width, height), (0, height)], dtype=np.float32)
    matrix = cv2.getPerspectiveTransform((quad - 0.5).astype(np.float32), place - np.float32(0.5))
    cut = cv2.warpPerspective(
        pixels,
        matrix,
        (width, height),
        flags=cv2.INTER_CUBIC,
        borderMode=cv2.BORDER_REPLICATE,
    )
    return np.asarray(cut, dtype=np.uint8)


def _with_margin(quad: Quad) -> Quad:
    along, down = quad[1] - quad[0], quad[3] - quad[0]
    by = _MARGIN * float(np.linalg.norm(down))
    right, below = by * along / np.linalg.norm(along), by * down / np.linalg.norm(down)
    return quad + np.array([-right - below, right - below, right + below, -right + below])
