"""Who reads the pages of the accuracy bench: engines as they are used, and what they are held
against.
"""

import time
from collections.abc import Iterator, Sequence
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

from ocrstream_schemas.events import TextBox
from ocrstream_worker.decode import DecodeLimits, Decoder
from ocrstream_worker.engines.factory import create_engine
from ocrstream_worker.engines.port import EngineName, EngineSettings, ReadOptions, Recognition
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
    """Reads pages one after the other. `turns`: whether its boxes tell how their text stands."""

    name: str
    turns: bool

    def read(self, files: Sequence[PageFile]) -> Iterator[Reading]:
        """A reading of each, in order."""
        ...


def read_boxes(boxes: Sequence[TextBox]) -> list[ReadBox]:
    """As scoring takes them."""
    return [ReadBox(box.text, box.confidence, np.array(box.bbox)) for box in boxes]


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

    def __init__(self, engine: EngineName, word_pages: int) -> None:
        self.name = engine
        self._word_pages = word_pages
        self._engine = create_engine(EngineSettings(engine=engine))
        self._engine.warm_up()
        self._decoder = Decoder(DecodeLimits())

    def read(self, files: Sequence[PageFile]) -> Iterator[Reading]:
        """The first ones of each class by words, too."""
        for number, file in enumerate(files):
            began = Spent.now()
            boxes = self._boxes(file.path, ReadOptions())
            ended = Spent.now()
            words = number < self._word_pages
            yield Reading(
                boxes=boxes,
                words=self._boxes(file.path, ReadOptions(boxes="word")) if words else None,
                seconds=ended.wall_s - began.wall_s,
                cpu_seconds=ended.cpu_s - began.cpu_s,
            )

    def _boxes(self, path: Path, options: ReadOptions) -> tuple[TextBox, ...]:
        pixels = self._decoder.decode(path.read_bytes())
        (outcome,) = self._engine.recognize([pixels], [options])
        return outcome.boxes if isinstance(outcome, Recognition) else ()


class Limit:
    """The default engine's recogniser on the true, upright crops of all lines: nothing that finds,
    turns or orders lines can be better than this.
    """

    name = "limit"
    turns = True

    def __init__(self) -> None:
        self._reader: Any = rapidocr.RapidOCR(
            params={
                "Global.log_level": "critical",
                "Rec.engine_type": rapidocr.EngineType.OPENVINO,
                "Rec.model_path": str(bundled("PP-OCRv6_rec_small.onnx")),
                "Rec.rec_batch_num": 1,
                "Rec.rec_img_shape": [3, 48, 160],
                "EngineConfig.openvino.inference_num_threads": 1,
            }
        )
        self._decoder = Decoder(DecodeLimits())

    def read(self, files: Sequence[PageFile]) -> Iterator[Reading]:
        """A box for each true line, in the true order."""
        for file in files:
            began = Spent.now()
            pixels = self._decoder.decode(file.path.read_bytes())
            boxes = tuple(self._read_line(pixels, line) for line in file.page.lines)
            ended = Spent.now()
            yield Reading(
                boxes=boxes,
                seconds=ended.wall_s - began.wall_s,
                cpu_seconds=ended.cpu_s - began.cpu_s,
            )

    def _read_line(self, pixels: Pixels, line: Line) -> TextBox:
        found = self._reader.recognize_txt([upright_crop(pixels, line)[:, :, ::-1]])
        corners = [(float(x), float(y)) for x, y in line.quad]
        return TextBox(
            text=found.txts[0] if found.txts else "",
            confidence=min(1.0, float(found.scores[0])) if found.txts else 0.0,
            bbox=(corners[0], corners[1], corners[2], corners[3]),
        )


def upright_crop(pixels: Pixels, line: Line) -> Pixels:
    """The line's own pixels with a margin; a column is laid on its left side, as recognisers of
    this kind are trained to see it.
    """
    quad = _with_margin(np.roll(line.quad, -1, axis=0) if line.vertical else line.quad)
    width = round(float(np.linalg.norm(quad[1] - quad[0])))
    height = round(float(np.linalg.norm(quad[3] - quad[0])))
    place = np.array([(0, 0), (width, 0), (width, height), (0, height)], dtype=np.float32)
    matrix = cv2.getPerspectiveTransform((quad - 0.5).astype(np.float32), place - np.float32(0.5))
    return np.asarray(
        cv2.warpPerspective(
            pixels,
            matrix,
            (max(1, width), max(1, height)),
            flags=cv2.INTER_CUBIC,
            borderMode=cv2.BORDER_REPLICATE,
        ),
        dtype=np.uint8,
    )


def _with_margin(quad: Quad) -> Quad:
    along, down = quad[1] - quad[0], quad[3] - quad[0]
    by = _MARGIN * float(np.linalg.norm(down))
    right, below = by * along / np.linalg.norm(along), by * down / np.linalg.norm(down)
    return quad + np.array([-right - below, right - below, right + below, -right + below])
