"""What the worker is measured against: loops without Kafka, each in a process of its own.

Run as `python bench/worker_loops.py KIND FILE...`. It loads and warms up, says that it is ready,
reads every file once when a line comes, and says what it took and found.
"""

import json
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import rapidocr

from ocrstream_worker.decode import DecodeLimits, Decoder
from ocrstream_worker.engines.factory import create_engine
from ocrstream_worker.engines.port import Engine, EngineSettings, ReadOptions, Recognition, RgbImage

Kind = Literal["engine", "noop", "plain"]
"""`engine`: the worker's engine on one thread and images decoded before; `noop`: the worker's
decoder and the noop engine; `plain`: `RapidOCR()` with all its defaults and its own loader."""

_READY = "ready"


class Loop(NamedTuple):
    """Images per second, and the lines of text by file, of one loop or of several at once."""

    images_per_s: float
    texts: dict[str, list[str]]


def run_loops(kind: Kind, files: Sequence[Path], count: int = 1) -> Loop:
    """`count` loops begin together, each reads all files; the slowest one's end counts."""
    command = [sys.executable, __file__, kind, *map(str, files)]
    loops = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for _ in range(count)
    ]
    try:
        for loop in loops:
            assert loop.stdout
            assert loop.stdout.readline().strip() == _READY, "a loop has ended"
        for loop in loops:
            assert loop.stdin
            print(flush=True, file=loop.stdin)
        found = [json.loads(loop.communicate()[0]) for loop in loops]
    finally:
        for loop in loops:
            loop.kill()
            loop.wait()
    return Loop(count * len(files) / max(one["took_s"] for one in found), found[0]["texts"])


def _with_engine(engine: Engine, load: Callable[[Path], RgbImage]) -> Callable[[Path], list[str]]:
    def read(path: Path) -> list[str]:
        (outcome,) = engine.recognize([load(path)], [ReadOptions()])
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
            read = _plain()
            read(files[0])
            return read


def main(kind: Kind, files: Sequence[Path]) -> None:
    read = _prepare(kind, files)
    print(_READY, flush=True)
    sys.stdin.readline()
    began = time.monotonic()
    texts = {path.name: read(path) for path in files}
    json.dump({"took_s": time.monotonic() - began, "texts": texts}, sys.stdout)


if __name__ == "__main__":
    main(sys.argv[1], [Path(name) for name in sys.argv[2:]])  # pyright: ignore[reportArgumentType]
