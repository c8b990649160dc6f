"""What engines are held against: RapidOCR's own call and Tesseract's own command, as they come."""

import io
import os
import resource
import subprocess
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np
import rapidocr
from accuracy.truth import Line
from accuracy_pages import PageFile
from accuracy_readers import Reading, Spent, box_of, upright_crop, versions_of
from PIL import Image

from ocrstream_schemas.events import TextBox
from ocrstream_worker.decode import DecodeLimits, Decoder
from ocrstream_worker.engines.port import RgbImage
from ocrstream_worker.engines.tesseract import parse_tsv

_TIMEOUT_S = 300
# As many as there are cores, of one thread each.
_AT_ONCE = os.cpu_count() or 1


def _decode(path: Path) -> RgbImage:
    return Decoder(DecodeLimits()).decode(path.read_bytes())


class BareRapidOcr:
    """`RapidOCR()` with all its defaults and its own loader, on all cores."""

    turns = False
    words = False
    needs_places = False
    version = versions_of("rapidocr", "onnxruntime", "opencv-python-headless")

    def __init__(self) -> None:
        self._reader: Any = rapidocr.RapidOCR(params={"Global.log_level": "critical"})

    def read(self, files: Sequence[PageFile], word_files: int) -> Iterator[Reading]:
        """Lines only."""
        for file in files:
            began = Spent.now()
            boxes = self._boxes(file.path)
            ended = Spent.now()
            yield Reading(
                boxes=boxes,
                seconds=ended.wall_s - began.wall_s,
                cpu_seconds=ended.cpu_s - began.cpu_s,
            )

    def _boxes(self, path: Path) -> tuple[TextBox, ...]:
        found = self._reader(str(path))
        if not found.txts:
            # Its own loader makes nothing of some files.
            found = self._reader(np.ascontiguousarray(_decode(path)[:, :, ::-1]))
        if not found.txts:
            return ()
        read = zip(found.txts, found.scores, found.boxes, strict=True)
        return tuple(box_of(text, float(score), box) for text, score, box in read)


class _Command:
    """Tesseract's command with its default language, one thread each, all cores at once."""

    def __init__(self, *options: str) -> None:
        self._options = options

    @cached_property
    def version(self) -> str:
        """The installed one, and how it is called."""
        told = subprocess.run(
            ["tesseract", "--version"], capture_output=True, text=True, check=True
        )
        return " ".join([told.stdout.splitlines()[0], *self._options])

    def run(self, image: str | bytes) -> str | None:
        """What it prints of a file, or of bytes; None if it cannot read them."""
        done = subprocess.run(
            ["tesseract", image if isinstance(image, str) else "-", "-", *self._options],
            input=image if isinstance(image, bytes) else None,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "OMP_THREAD_LIMIT": "1"},
            timeout=_TIMEOUT_S,
            check=False,
        )
        return done.stdout.decode() if done.returncode == 0 else None


def _as_png(pixels: RgbImage) -> bytes:
    packed = io.BytesIO()
    Image.fromarray(pixels).save(packed, "PNG", compress_level=1)
    return packed.getvalue()


def _children_cpu_s() -> float:
    spent = resource.getrusage(resource.RUSAGE_CHILDREN)
    return spent.ru_utime + spent.ru_stime


class BareTesseract:
    """`tesseract FILE - --psm N`: 1 looks for the page's orientation first, 3 does not."""

    turns = False
    words = True
    needs_places = False

    def __init__(self, psm: int) -> None:
        self._command = _Command("--psm", str(psm), "tsv")

    @property
    def version(self) -> str:
        """What its readings depend on."""
        return self._command.version

    def read(self, files: Sequence[PageFile], word_files: int) -> Iterator[Reading]:
        """Its table has lines and words. What it takes is the mean of these files."""
        began_s, before_s = time.perf_counter(), _children_cpu_s()
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            found = list(pool.map(self._lines, files))
        cores = min(_AT_ONCE, len(files))
        seconds = (time.perf_counter() - began_s) * cores / len(files)
        cpu_seconds = (_children_cpu_s() - before_s) / len(files)
        for lines in found:
            yield Reading(
                boxes=tuple(_box(one) for one in lines),
                words=tuple(_box(word) for line in lines for word in line.words),
                seconds=seconds,
                cpu_seconds=cpu_seconds,
            )

    def _lines(self, file: PageFile) -> Sequence[Any]:
        told = self._command.run(str(file.path))
        if told is None:
            # It knows fewer formats than we do.
            told = self._command.run(_as_png(_decode(file.path)))
        head, _, rows = (told or "").partition("\n")
        return list(parse_tsv(rows)) if head else []


def _box(piece: Any) -> TextBox:
    return box_of(piece.text, piece.confidence, np.array(piece.corners))


class TesseractLimit:
    """Tesseract on the true, upright crops of all lines, taken for single lines."""

    turns = False
    words = False
    needs_places = True

    def __init__(self) -> None:
        self._command = _Command("--psm", "7")

    @property
    def version(self) -> str:
        """What its readings depend on."""
        return self._command.version

    def read(self, files: Sequence[PageFile], word_files: int) -> Iterator[Reading]:
        """A box for each true line, in the true order."""
        for file in files:
            assert file.drawn is not None, "has no true crops"
            began_s, before_s = time.perf_counter(), _children_cpu_s()
            with ThreadPoolExecutor(_AT_ONCE) as pool:
                read = partial(self._read_line, _decode(file.path))
                boxes = tuple(pool.map(read, file.drawn.lines))
            yield Reading(
                boxes=boxes,
                seconds=time.perf_counter() - began_s,
                cpu_seconds=_children_cpu_s() - before_s,
            )

    def _read_line(self, pixels: RgbImage, line: Line) -> TextBox:
        told = self._command.run(_as_png(upright_crop(pixels, line)))
        return box_of(" ".join((told or "").split()), 1.0, line.quad)
