"""How fast and how safely the worker reads: `make bench-worker`.

Real workers read images through a real Kafka. Everything that is compared is measured in the same
run, by turns; a measure's clock runs from the first submission to the last outcome, with workers
that are warm and have joined their group.
"""

import argparse
import asyncio
import platform
import statistics
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from itertools import chain, islice, repeat
from pathlib import Path
from typing import NamedTuple

from fleet import Batch, cpu_s, metric, resident_mib
from report import Row, at_least, at_most, limited, publish, reaching, say
from rig import Rig
from worker_kills import Kills, kill_and_count
from worker_loops import Loops
from worker_pages import Pages, draw_pages
from worker_texts import share_wrong, texts_by_file

from ocrstream_local.processes import Process

GROUP = "bench"
ROUNDS = 7
JPEGS = 600
BUSY_SERIES = 'ocrstream_worker_process_busy_seconds_total{process="engine"}'


class Figures:
    """What was measured, a value a round."""

    def __init__(self) -> None:
        self.speeds: defaultdict[str, list[float]] = defaultdict(list)
        self.cpu_ms: defaultdict[str, list[float]] = defaultdict(list)
        self.busy: list[float] = []
        self.wrong: list[float] = []
        self.wrong_of_plain: list[float] = []
        self.memory_mib: tuple[float, float] = (0.0, 0.0)
        self.kills: Kills | None = None

    def tell(self, name: str, images_per_s: float) -> None:
        self.speeds[name].append(images_per_s)
        say(f"  {name}: {images_per_s:,.2f} images/s")


class Workers(NamedTuple):
    """Workers that are there, and the lane that they alone serve."""

    processes: list[Process]
    lane: str | None

    def rest(self) -> None:
        """Have them take nothing from what is measured meanwhile."""
        for process in self.processes:
            for one in reversed(process.tree()):
                one.suspend()

    def wake(self) -> None:
        """Have them go on."""
        for process in self.processes:
            for one in process.tree():
                one.resume()


class Course(NamedTuple):
    """How a batch went; the share is of the first worker's engine, from its first image to the
    last but one.
    """

    took_s: float
    busy_share: float
    texts: dict[str, list[str]]


class Bench:
    """One run: the rig, the files, and the figures so far."""

    def __init__(self, rig: Rig, folder: Path, pages: Pages) -> None:
        self._rig = rig
        self._folder = folder
        self._roots = {"OCRSTREAM_IMAGE_ROOTS": str(folder), "OCRSTREAM_ENGINE_THREADS": "1"}
        self.pages = pages
        self.figures = Figures()
        self._texts: dict[str, dict[str, list[str]]] = {}

    @contextmanager
    def _workers(self, engine: str, count: int, lane: str | None) -> Generator[Workers]:
        """Workers of one engine thread each that serve one lane."""
        settings = {
            **self._roots,
            "OCRSTREAM_ENGINE": engine,
            "OCRSTREAM_LANES": lane or "default",
            # The longest: whoever is at rest is not heard of.
            "OCRSTREAM_SESSION_TIMEOUT_S": "300",
        }
        group = GROUP if lane is None else f"{GROUP}-{lane}"
        with self._rig.workers(group, count, settings) as started:
            workers = Workers(started, lane)
            try:
                yield workers
            finally:
                workers.wake()

    def rounds(self, count: int) -> None:
        """All that is compared, by turns: ready all the while, and at rest while others read.

        A turn is short and the next round goes backwards, since the machine's speed drifts.
        """
        pages = self.pages.real_looking
        jpegs = list(islice(chain.from_iterable(repeat(self.pages.jpegs)), JPEGS))
        # Both workers get every page as often as a loop does: neighbours go to different ones.
        for_both = [page for page in pages for _ in range(2)]
        with (
            Loops("noop", jpegs) as noop_loop,
            Loops("engine", pages, 2) as loops,
            Loops("plain", pages) as plain,
            self._workers("noop", 1, "gpu") as noop,
            self._workers("rapidocr", 1, "urgent") as one,
            self._workers("rapidocr", 2, None) as two,
        ):
            # An engine is slower at what it sees for the first time; loops have seen it.
            for workers, files in ((noop, jpegs), (one, pages), (two, for_both)):
                asyncio.run(self._read(workers, files))
                workers.rest()
            turns: list[Callable[[], None]] = [
                partial(self._loop, "noop loop", noop_loop),
                partial(self._throughput, "noop worker", noop, jpegs),
                partial(self._loop, "bare loop", loops),
                partial(self._throughput, "worker", one, pages),
                partial(self._throughput, "2 workers", two, for_both),
                partial(self._loop, "2 bare loops", loops, 2),
                partial(self._loop, "RapidOCR()", plain),
            ]
            for number in range(1, count + 1):
                say(f"Round {number} of {count}")
                for turn in turns:
                    turn()
                turns.reverse()
                wrong = share_wrong(self._texts["2 workers"], self.pages.drawn)
                of_plain = share_wrong(self._texts["RapidOCR()"], self.pages.drawn)
                self.figures.wrong.append(wrong)
                self.figures.wrong_of_plain.append(of_plain)
                say(f"    characters wrong: {wrong:.2%}, of RapidOCR()'s: {of_plain:.2%}")

    def _loop(self, name: str, loops: Loops, count: int = 1) -> None:
        found = loops.read(count)
        self.figures.tell(name, found.images_per_s)
        self._texts[name] = found.texts

    def _throughput(self, name: str, workers: Workers, files: Sequence[Path]) -> None:
        workers.wake()
        # They are back when they have read something, each of them.
        asyncio.run(self._read(workers, self.pages.crops))
        spent_before_s = cpu_s(workers.processes)
        course = asyncio.run(self._read(workers, files))
        spent_ms = 1000 * (cpu_s(workers.processes) - spent_before_s) / len(files)
        workers.rest()
        self.figures.tell(name, len(files) / course.took_s)
        self.figures.cpu_ms[name].append(spent_ms)
        self._texts[name] = course.texts
        if name == "worker":
            self.figures.busy.append(course.busy_share)
            say(f"    engine busy {course.busy_share:.1%}")

    async def _read(self, workers: Workers, files: Sequence[Path]) -> Course:
        # When outcomes came, and how long the first worker's engine had worked by then.
        seen: list[tuple[float, float]] = []
        async with Batch(self._rig.kafka.bootstrap_servers, files, workers.lane) as batch:
            await batch.submit()
            ended = batch.began
            async for done in batch.progress():
                ended = time.monotonic()
                # After the last image there is nothing to be busy with.
                if done < len(files):
                    seen.append((ended, metric(workers.processes[0], BUSY_SERIES)))
        (first_at, first_busy_s), (last_at, last_busy_s) = seen[0], seen[-1]
        share = (last_busy_s - first_busy_s) / (last_at - first_at)
        return Course(ended - batch.began, share, texts_by_file(batch))

    def memory(self, images: int) -> None:
        """Crops through one worker; the median of what it holds in the first and last tenth."""
        say(f"Memory over {images:,} crops")
        files = list(islice(chain.from_iterable(repeat(self.pages.crops)), images))
        with self._workers("rapidocr", 1, None) as workers:
            self.figures.memory_mib = asyncio.run(self._hold(files, workers.processes[0]))
        say(
            "  {:,.1f} MiB in the first tenth, {:,.1f} in the last".format(*self.figures.memory_mib)
        )

    async def _hold(self, files: Sequence[Path], worker: Process) -> tuple[float, float]:
        first, last = list[float](), list[float]()
        async with Batch(self._rig.kafka.bootstrap_servers, files) as batch:
            await batch.submit()
            told = 0
            async for done in batch.progress():
                if done >= told + len(files) / 10:
                    told = done
                    say(f"  {done:,} crops: {resident_mib(worker):,.1f} MiB")
                if done <= len(files) / 10:
                    first.append(resident_mib(worker))
                elif done > 0.9 * len(files):
                    last.append(resident_mib(worker))
        return statistics.median(first), statistics.median(last)

    def kills(self, kills: int) -> None:
        """Workers are killed in the middle of a batch."""
        say(f"{kills} kills of one of two workers")
        self.figures.kills = kill_and_count(self._rig, GROUP, self._roots, self._folder, kills)


def rows(figures: Figures, memory_images: int) -> list[Row]:
    speeds, unit = figures.speeds, "images/s"
    first_mib, last_mib = figures.memory_mib
    assert figures.kills is not None
    kills = figures.kills
    return [
        at_least(
            0.97,
            "worker over Kafka, against a loop over the same engine",
            unit,
            speeds["worker"],
            speeds["bare loop"],
        ),
        reaching(97, "engine busy, steady state", "%", 100 * statistics.median(figures.busy)),
        at_least(
            2,
            "2 workers of 1 thread, against RapidOCR() as it comes",
            unit,
            speeds["2 workers"],
            speeds["RapidOCR()"],
        ),
        at_least(
            0.9,
            "2 workers, against 2 loops over the same engine",
            unit,
            speeds["2 workers"],
            speeds["2 bare loops"],
        ),
        replace(
            limited(
                0.5,
                "characters wrong of what was drawn, in reading order; baseline: RapidOCR()",
                "%",
                100 * statistics.median(figures.wrong),
            ),
            baseline=round(100 * statistics.median(figures.wrong_of_plain), 2),
        ),
        at_least(1.7, "2 workers, against 1", unit, speeds["2 workers"], speeds["worker"]),
        at_least(
            0.8,
            "noop engine, JPEGs of 200 kB, against a loop with the same decoder",
            unit,
            speeds["noop worker"],
            speeds["noop loop"],
        ),
        at_most(
            1.05,
            f"memory at the last tenth of {memory_images:,} crops, against the first",
            "MiB",
            [last_mib],
            [first_mib],
        ),
        limited(
            0,
            f"images without exactly one effect, of {kills.images} over {kills.kills} kills",
            "images",
            kills.wrong,
        ),
        limited(
            kills.in_flight, "images read in vain by the killed workers", "images", kills.in_vain
        ),
    ]


def cpu() -> str:
    """The processor's model and the vector instructions that it has."""
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    fields = {name.strip(): value.strip() for name, _, value in (x.partition(":") for x in lines)}
    wanted = ("sse4", "avx", "amx", "fma", "neon", "asimd", "sve")
    flags = (fields.get("flags") or fields.get("Features") or "").split()
    vectors = " ".join(flag for flag in flags if flag.startswith(wanted))
    return f"{fields.get('model name', platform.machine())}; {vectors}"


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure how fast and how safely the worker reads")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument(
        "--memory-images", type=int, default=400, help="10,000 take most of an hour"
    )
    parser.add_argument("--kills", type=int, default=20)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as name, Rig("worker") as rig:
        folder = Path(name).resolve()
        bench = Bench(rig, folder, draw_pages(folder))
        bench.rounds(asked.rounds)
        bench.kills(asked.kills)
        bench.memory(asked.memory_images)
    spent = {name: statistics.median(found) for name, found in bench.figures.cpu_ms.items()}
    publish(
        "worker",
        rows(bench.figures, asked.memory_images),
        f"CPU: {cpu()}",
        f"Medians of {asked.rounds} interleaved rounds. Pages: samples and a dense A4 page at 150"
        " dpi, drawn; no scans.",
        "RapidOCR() reads two columns across, which counts as wrong, too.",
        "CPU time an image, workers and their children: "
        + ", ".join(f"{name} {ms:,.1f} ms" for name, ms in spent.items()),
    )


if __name__ == "__main__":
    main()
