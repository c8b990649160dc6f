"""What the worker is measured against: loops without Kafka, each in a process of its own.

Run as `python bench/worker_loops.py KIND FILE...`. It loads, reads every file once to be warm and
says that it is ready; for each line that comes it reads them all, and says what it took and found.
"""

import json
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple, Self

import numpy as np
import rapidocr

from ocrstream_worker.decode import DecodeLimits, Decoder
from ocrstream_worker.engines.factory import create_engine
from ocrstream_worker.engines.port import (
    Engine,
    EngineSettings,
    Recognition,
    RecognitionOptions,
    RgbImage,
)

Kind = Literal["engine", "noop", "plain"]
"""`engine`: the worker's engine on one thread and images decoded before; `noop`: the worker's
decoder and the noop engine; `plain`: `RapidOCR()` with all its defaults and its own loader."""

_READY = "ready"


class Loop(NamedTuple):
    """Images per second, and the lines of text by file, of one loop or of several at once."""

    images_per_s: float
    texts: dict[str, list[str]]


class Loops:
    """`count` loops over the same files, ready and warm as long as the context lasts."""

    def __init__(self, kind: Kind, files: Sequence[Path], count: int = 1) -> None:
        self._images = len(files)
        self._command = [sys.executable, __file__, kind, *map(str, files)]
        self._count = count
        self._loops: list[subprocess.Popen[str]] = []

    def __enter__(self) -> Self:
        self._loops = [
            subprocess.Popen(
                self._command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
            )
            for _ in range(self._count)
        ]
        for loop in self._loops:
            if self._line(loop) != _READY:
                self.__exit__()
                raise RuntimeError("A loop has ended before it was ready")
        return self

    def __exit__(self, *_: object) -> None:
        for loop in self._loops:
            loop.kill()
            loop.wait()

    def read(self, count: int = 1) -> Loop:
        """So many of them begin together and read all files; the slowest one's end counts."""
        asked = self._loops[:count]
        for loop in asked:
            assert loop.stdin
            print(flush=True, file=loop.stdin)
        found = [json.loads(self._line(loop)) for loop in asked]
        took_s = max(one["took_s"] for one in found)
        return Loop(count * self._images / took_s, found[0]["texts"])

    @staticmethod
    def _line(loop: subprocess.Popen[str]) -> str:
        assert loop.stdout
        return loop.stdout.readline().strip()


def _with_engine(engine: Engine, load: Callable[[Path], RgbImage]) -> Callable[[Path], list[str]]:
    def read(path: Path) -> list[str]:
        (outcome,) = engine.recognize([load(path)], [RecognitionOptions()])
        assert isinstance(outcome, Recognition), outcome
        return [box.text for box in outcome.boxes]

    return read


def _plain() -> Callable[[Path], list[str]]:
    reader: Any = rapidocr.RapidOCR()

    def read(path: Path) -> list[str]:
        found = reader(str(path))
        if not found.txts:
            # Its own loader makes nothing of some files.
            found = reader(np.ascontiguousarray(_decode(path)[:, :, ::-1]))
        return list(found.txts or ())

    return read


def _decode(path: Path) -> RgbImage:
    return Decoder(DecodeLimits()).decode(path.read_bytes())


def _prepare(kind: Kind, files: Sequence[Path]) -> Callable[[Path], list[str]]:
    match kind:
        case "engine":
            engine = create_engine(EngineSettings(engine="rapidocr", threads=1))
            engine.warm_up()
            return _with_engine(engine, {path: _decode(path) for path in files}.__getitem__)
        case "noop":
            decoder = Decoder(DecodeLimits())
            return _with_engine(
                create_engine(EngineSettings(engine="noop")),
                lambda path: decoder.decode(path.read_bytes()),
            )
        case "plain":
            return _plain()


def main(kind: Kind, files: Sequence[Path]) -> None:
    read = _prepare(kind, files)
    # An engine is slower at what it sees for the first time.
    for path in dict.fromkeys(files):
        read(path)
    print(_READY, flush=True)
    for _ in sys.stdin:
        began = time.monotonic()
        texts = {path.name: read(path) for path in files}
        print(json.dumps({"took_s": time.monotonic() - began, "texts": texts}), flush=True)


if __name__ == "__main__":
    main(sys.argv[1], [Path(name) for name in sys.argv[2:]])  # pyright: ignore[reportArgumentType]
