"""How many pages a second docTR reads: `make bench-doctr`.

The engine as a worker runs it, against docTR's own predictor called as a task of one page calls it:
page by page, in float32. The pages are full of words; the weights are untrained, so detection's
last map is where the ink is, and all before and after is what trained ones would compute.
"""

import argparse
import multiprocessing
import os
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import Any

import cv2
from doctr_weights import see_ink
from engine_pages import INK, blank
from report import plain, publish, say

from ocrstream_worker.engines.doctr import DoctrEngine
from ocrstream_worker.engines.port import (
    DoctrSettings,
    EngineSettings,
    Recognition,
    RecognitionOptions,
    RgbImage,
)

ROUNDS = 3
SECONDS = 3.0
_A4_150_DPI = (1754, 1240)
_LINES, _WORDS_A_LINE = 40, 8


@dataclass(frozen=True)
class Variant:
    """A way to read pages: so many pages a call, by so many engines on one device."""

    name: str
    settings: EngineSettings
    engines: int = 1
    rates: list[float] = field(default_factory=list[float])


BASELINE = "docTR's predictor in float32, a page a call"


def variants(device: str, weights: dict[str, str]) -> list[Variant]:
    """Ways to read on the device; eight pages a call are what a worker has by default."""

    def settings(batch_size: int = 8, threads: int = 1, **own: Any) -> EngineSettings:
        return EngineSettings(
            engine="doctr",
            device=device,
            batch_size=batch_size,
            min_confidence=0.0,
            threads=threads,
            doctr=DoctrSettings(**weights, **own),
        )

    return [
        Variant(BASELINE, settings(1, 4, precision="float32")),
        Variant("in float32", settings(precision="float32")),
        Variant("as by default", settings()),
        Variant("with 4 threads", settings(threads=4)),
        Variant("with 32 pages a call", settings(32)),
        *(
            Variant(f"{count} engines", settings(), count)
            for count in (2, 4, 8, 16)
            if count <= (os.cpu_count() or 1)
        ),
    ]


def page(number: int) -> RgbImage:
    """An A4 page at 150 dpi with 320 words."""
    height, width = _A4_150_DPI
    image = blank(height, width)
    for row in range(_LINES):
        for column in range(_WORDS_A_LINE):
            place = (60 + 140 * column, 100 + 40 * row)
            word = f"w{(number + 31 * row + 7 * column) % 1000}rd"
            cv2.putText(image, word, place, cv2.FONT_HERSHEY_SIMPLEX, 0.8, INK, 2)
    return image


class Reader:
    """One engine, or docTR's predictor, in a process of its own."""

    def __init__(self, settings: EngineSettings, *, as_a_task: bool) -> None:
        self._pool = ProcessPoolExecutor(
            1, multiprocessing.get_context("spawn"), _start, (settings, as_a_task)
        )

    def read_for(self, seconds: float) -> "Future[float]":
        """Pages a second, once it is ready and has read for so long."""
        return self._pool.submit(_read_for, seconds)

    def close(self) -> None:
        self._pool.shutdown()


_calls: list[Callable[[], int]] = []
"""Of a reader's process: one call, which returns how many pages it has read."""


def _start(settings: EngineSettings, as_a_task: bool) -> None:
    see_ink(import_module("doctr.models").detection.FAST)
    engine = DoctrEngine(settings)
    engine.warm_up()

    pages = [page(number) for number in range(settings.batch_size)]

    def read() -> int:
        for outcome in engine.recognize(pages, [RecognitionOptions()] * len(pages)):
            if not isinstance(outcome, Recognition) or len(outcome.boxes) < _LINES:
                raise AssertionError(f"read only {outcome!r:.200}")
        return len(pages)

    def predict() -> int:
        return len(engine.predictor(pages).export()["pages"])

    _calls.append(predict if as_a_task else read)


def _read_for(seconds: float) -> float:
    (call,) = _calls
    began, done = time.monotonic(), 0
    while time.monotonic() < began + seconds:
        done += call()
    return done / (time.monotonic() - began)


def save_weights(folder: Path) -> dict[str, str]:
    """Untrained weights of the architectures that a worker has by default, in files."""
    models, torch = import_module("doctr.models"), import_module("torch")
    torch.manual_seed(7)
    paths: dict[str, str] = {}
    for role in ("detection", "recognition"):
        make = getattr(getattr(models, role), getattr(DoctrSettings(), role))
        paths[f"{role}_weights"] = str(folder / f"{role}.pt")
        torch.save(
            make(pretrained=False, pretrained_backbone=False).state_dict(),
            paths[f"{role}_weights"],
        )
    return paths


def _readers(measured: list[Variant], stack: ExitStack) -> dict[EngineSettings, list[Reader]]:
    """As many as the variants with these settings need at once; closed by `stack`."""
    readers: dict[EngineSettings, list[Reader]] = {}
    for variant in measured:
        alike = readers.setdefault(variant.settings, [])
        while len(alike) < variant.engines:
            alike.append(Reader(variant.settings, as_a_task=variant.name == BASELINE))
            stack.callback(alike[-1].close)
    return readers


def _gpu(device: str) -> str | None:
    """The GPU's name; torch says what is wrong if there is none."""
    return import_module("torch").cuda.get_device_name(device) if device != "cpu" else None


def main() -> None:
    parser = argparse.ArgumentParser(description="How many pages a second docTR reads.")
    parser.add_argument("--device", default="cuda", help="cpu, cuda, cuda:1")
    parser.add_argument("--seconds", type=float, default=SECONDS, help="a measure takes")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    wanted = parser.parse_args()
    gpu = _gpu(wanted.device)
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        measured = variants(wanted.device, save_weights(Path(folder)))
        readers = _readers(measured, stack)
        say(f"Starting {sum(map(len, readers.values()))} engines")
        for started in [one.read_for(0) for alike in readers.values() for one in alike]:
            started.result()
        for number in range(1, wanted.rounds + 1):
            say(f"Round {number} of {wanted.rounds}")
            for variant in measured:
                alike = readers[variant.settings][: variant.engines]
                reading = [reader.read_for(wanted.seconds) for reader in alike]
                variant.rates.append(sum(one.result() for one in reading))
                say(f"  {variant.name}: {variant.rates[-1]:.1f} pages/s")
    baseline = measured[0].rates
    publish(
        "doctr",
        [plain(f"docTR {one.name}", "pages/s", one.rates, baseline) for one in measured[1:]],
        f"Medians of {wanted.rounds} rounds of {wanted.seconds:g} s; A4 pages at 150 dpi with"
        f" {_LINES * _WORDS_A_LINE} words; docTR {version('python-doctr')}, torch"
        f" {version('torch')}; baseline: {BASELINE}.",
        device=gpu,
        keep=(wanted.seconds, wanted.rounds) == (SECONDS, ROUNDS),
    )


if __name__ == "__main__":
    main()
