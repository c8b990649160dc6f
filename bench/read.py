"""How fast the recorder answers: `make bench-read`.

A database of 10 M text boxes is read through a real recorder's API while that recorder writes what
comes from a real Kafka at half of its full speed. Requests come at a constant rate and are timed
from when they were due; the statements that the API sends for such requests are timed straight in
the database, in between.
"""

import argparse
import asyncio
import math
import multiprocessing
import os
import statistics
import time
from collections import defaultdict
from collections.abc import Callable, Generator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from typing import NamedTuple, TypeVar

import httpx
import psycopg
from open_loop import Latencies, Load, drive
from read_listeners import Audience, quantile, reach
from read_load import ASKED_ANEW, IMAGES_A_BATCH, TEXT, feed, feed_in_process, requests
from recorder_load import BOXES, fill
from report import Row, at_most, limited, plain, publish, say
from rig import Rig, cpu_s, stolen_s

from ocrstream_local.processes import Process

IMAGES = 340_000
ROUNDS = 3
SECONDS = 30.0
PER_S = 50.0
LISTENERS = 500
UPDATES = 10
SHORT_SEARCHES = 30
SHORT_SEARCHES_PER_S = 2.0
REPEATS = 300
WARM_UP_S = 5.0
FULL_SPEED_FEED_S = 2.0
FULL_SPEED_S = 3.0
COMMIT_TIMEOUT_S = 60.0
MOST_STOLEN = 0.03
TRIES = 3
WRITE_TIMEOUT_S = 300.0
INDEX_TIMEOUT_S = 3_600.0

# Searches first: before the others write, less is to be indexed before they may begin.
KINDS = {
    "search": "a search of three characters or more",
    "progress": "progress of a batch",
    "image": f"an image with its {BOXES} boxes",
    "list": "100 of a batch's images",
}
MEASURES = (*KINDS, "short", "events")

ArgumentT = TypeVar("ArgumentT")
ResultT = TypeVar("ResultT")

CORES = os.cpu_count() or 1
_SPAWN = multiprocessing.get_context("spawn")


class Measured(NamedTuple):
    """A kind of requests in one round."""

    latencies: Latencies
    cpu_ms: float
    """Processor's time of the API for each request."""
    stolen: float
    """The part of the processors that the host gave to others meanwhile."""

    def __str__(self) -> str:
        found, at = self.latencies, quantile
        return (
            f"p50 {at(found.http_ms, 0.5):.1f} ms, p99 {at(found.http_ms, 0.99):.1f} ms,"
            f" {self.cpu_ms:.1f} ms of a core; from when it was sent p50"
            f" {at(found.served_ms, 0.5):.1f} ms; in SQL p50 {at(found.sql_ms, 0.5):.1f} ms,"
            f" p99 {at(found.sql_ms, 0.99):.1f} ms; the host took {self.stolen:.1%}"
        )


class Figures:
    """What was measured, a value a round or an update."""

    def __init__(self) -> None:
        self.measured: defaultdict[str, list[Measured]] = defaultdict(list)
        self.again_ms: defaultdict[str, dict[str, list[float]]] = defaultdict(
            lambda: {"kept": [], "made": []}
        )
        self.short_ms: list[float] = []
        self.reached_s: list[float] = []
        self.full_per_s: list[float] = []
        """Full speed, as it was last found, for each of `written_per_s`."""
        self.written_per_s: list[float] = []


class Bench:
    """One recorder over one filled database, and what answers from it."""

    def __init__(
        self, rig: Rig, url: str, api_url: str, api: Process, wanted: argparse.Namespace
    ) -> None:
        self._rig = rig
        self._url = url
        # Asked many times a second; a new one each time would be a load of its own.
        self._connection = psycopg.connect(url, autocommit=True)
        self._api_url = api_url
        self._api = api
        self._wanted = wanted
        self._full_per_s = 0.0
        self.figures = Figures()

    def recorded(self) -> int:
        """Results that the recorder has written."""
        row = self._connection.execute(
            "SELECT coalesce(sum(next_offset), 0) FROM recorder_offsets WHERE topic = 'ocr.results'"
        ).fetchone()
        assert row is not None
        return int(row[0])

    def find_full_speed(self, name: str) -> None:
        """How many images a second it writes, now, when more than enough wait.

        Machines that others share are faster and slower by the minute: half of what one wrote half
        an hour ago may be all that it can write.
        """
        self._until_all_written()
        bootstrap, before = self._rig.kafka.bootstrap_servers, self.recorded()
        sent = asyncio.run(feed(bootstrap, math.inf, FULL_SPEED_FEED_S, f"full-speed-{name}"))
        # From a commit to a commit: a poll of thousands of records is written at once.
        began, at_first = self._next_commit()
        ended, at_last = began, at_first
        while ended - began < FULL_SPEED_S:
            ended, at_last = self._next_commit()
        self._full_per_s = (at_last - at_first) / (ended - began)
        say(f"  writing at full speed: {self._full_per_s:,.0f} images/s")
        if at_last - before >= sent:
            raise AssertionError(f"too few waited to tell its full speed: {sent:,}")

    def _next_commit(self) -> tuple[float, int]:
        """When the recorder has next written results, and how many it has written by then."""
        before, deadline = self.recorded(), time.monotonic() + COMMIT_TIMEOUT_S
        while True:
            recorded, at = self.recorded(), time.monotonic()
            if recorded != before:
                return at, recorded
            if at > deadline:
                raise TimeoutError("the recorder writes nothing")
            time.sleep(0.02)

    def _until_all_written(self) -> None:
        deadline = time.monotonic() + WRITE_TIMEOUT_S
        # Asked twice, since the answer may be a second old.
        for _ in range(2):
            while waiting := self._waiting():
                if time.monotonic() > deadline:
                    raise TimeoutError(f"{waiting:,} records wait to be written")
                time.sleep(1)
            time.sleep(1)

    def _waiting(self) -> int:
        """Records that the recorder has before it."""
        answer = httpx.get(f"{self._api_url}/v1/lag", timeout=60).raise_for_status().json()
        return sum(one["waiting_records"] for one in answer["items"] if one["reader"] == "recorder")

    def wait_for_the_index(self) -> None:
        """Returns when searches find all that is written."""
        deadline = time.monotonic() + INDEX_TIMEOUT_S
        while True:
            answer = httpx.get(f"{self._api_url}/v1/search", params={"q": "invoice"}, timeout=60)
            waiting = answer.raise_for_status().json()["index"]["waiting_images"]
            if not waiting:
                return
            if time.monotonic() > deadline:
                raise SystemExit(f"The search index has not caught up: {waiting} images wait")
            say(
                f"  the search index is behind by {waiting:,} images{' or more' * (waiting > 9999)}"
            )
            time.sleep(10)

    @contextmanager
    def writing(self, name: str, for_s: float) -> Generator[None]:
        """The recorder writes at half its full speed meanwhile."""
        # Else what is left of the feed before would pass for the beginning of this one.
        self._until_all_written()
        half = self._full_per_s / 2
        arguments = (self._rig.kafka.bootstrap_servers, half, for_s + 60, name)
        feeder = _SPAWN.Process(target=feed_in_process, args=arguments)
        feeder.start()
        try:
            began, at_first = self._next_commit()
            yield
            written = (self.recorded() - at_first) / (time.monotonic() - began)
            say(f"  {name}: {written:,.0f} of {half:,.0f} images/s were written meanwhile")
            self.figures.written_per_s.append(written)
            self.figures.full_per_s.append(self._full_per_s)
        finally:
            feeder.terminate()
            feeder.join()

    def measure(self, kind: str, number: int) -> None:
        """Put the load of a kind on; anew if the host gave much of the processors to others."""
        for tried in range(1, TRIES + 1):
            if kind == "search":
                self.wait_for_the_index()
            measured = self._measure(kind, number, f"{kind}-{number}-{tried}")
            say(f"  {kind}: {measured}")
            if measured.stolen <= MOST_STOLEN or tried == TRIES:
                self.figures.measured[kind].append(measured)
                return

    def _measure(self, kind: str, number: int, name: str) -> Measured:
        load = Load(
            kind,
            self._api_url,
            self._url,
            self._wanted.images,
            number,
            PER_S,
            WARM_UP_S,
            self._wanted.seconds,
        )
        with self.writing(name, load.warm_up_s + load.for_s):
            used_s, others_s, began = cpu_s(self._api), stolen_s(), time.monotonic()
            found = in_a_process(drive, load)
            used_s, others_s = cpu_s(self._api) - used_s, stolen_s() - others_s
            cores_s = CORES * (time.monotonic() - began)
        if found.failures:
            raise AssertionError(f"{len(found.failures)} failed, as {found.failures[0]}")
        asked = PER_S * (load.warm_up_s + load.for_s)
        return Measured(found, 1000 * used_s / asked, others_s / cores_s)

    def again(self) -> None:
        """One after the other, while nothing is written: an answer that holds, or is made anew."""
        with httpx.Client(base_url=self._api_url, timeout=60) as http:
            for kind in ("progress", "image", "list"):
                request = next(requests(kind, self._wanted.images, 0))
                took = self.figures.again_ms[kind]
                for number in range(2 * REPEATS):
                    parameters = dict(request.parameters or {})
                    if number % 2:
                        parameters[ASKED_ANEW] = str(number)
                    began = time.monotonic()
                    http.get(request.path, params=parameters).raise_for_status()
                    took["made" if number % 2 else "kept"].append(1000 * (time.monotonic() - began))
                kept, made = (statistics.median(took[way]) for way in ("kept", "made"))
                say(f"  {kind} again: {kept:.2f} ms, made anew {made:.2f} ms")

    def short_searches(self) -> None:
        asked = requests("short search", self._wanted.images, 0)
        with (
            self.writing("short", SHORT_SEARCHES / SHORT_SEARCHES_PER_S),
            httpx.Client(base_url=self._api_url, timeout=60) as http,
        ):
            for _ in range(SHORT_SEARCHES):
                time.sleep(1 / SHORT_SEARCHES_PER_S)
                request, began = next(asked), time.monotonic()
                http.get(request.path, params=request.parameters).raise_for_status()
                self.figures.short_ms.append(1000 * (time.monotonic() - began))
        say(f"  short searches: at most {max(self.figures.short_ms):.0f} ms")

    def events(self) -> None:
        batches = -(-self._wanted.images // IMAGES_A_BATCH)
        audience = Audience(self._api_url, self._url, LISTENERS, batches, UPDATES)
        with self.writing(f"events-{len(self.figures.reached_s)}", 2.0 * UPDATES):
            self.figures.reached_s += in_a_process(reach, audience)
        say(f"  events: all reached within {max(self.figures.reached_s):.2f} s")


def in_a_process(work: Callable[[ArgumentT], ResultT], argument: ArgumentT) -> ResultT:
    """What `work` returns, without this process in its way."""
    with ProcessPoolExecutor(1, mp_context=_SPAWN) as process:
        return process.submit(work, argument).result()


def rows(figures: Figures) -> list[Row]:
    measured: list[Row] = []
    for kind, what in KINDS.items():
        rounds = figures.measured[kind]
        if not rounds:
            continue
        p99 = statistics.median(quantile(one.latencies.http_ms, 0.99) for one in rounds)
        measured.append(limited(50, f"{what}, p99", "ms", p99))
        medians = [statistics.median(one.latencies.served_ms) for one in rounds]
        in_sql = [statistics.median(one.latencies.sql_ms) for one in rounds]
        measured.append(at_most(1.5, f"{what}, p50, against its SQL", "ms", medians, in_sql))
        cpu_ms = statistics.median(one.cpu_ms for one in rounds)
        measured.append(Row(f"{what}, processor's time of the API", round(cpu_ms, 2), "ms"))
    for kind, took in figures.again_ms.items():
        what = f"{KINDS[kind]}, asked again while nothing is written, p50"
        measured.append(at_most(1, what, "ms", took["kept"], took["made"]))
    if figures.short_ms:
        slowest = max(figures.short_ms)
        measured.append(limited(2_000, "a search of one or two characters, slowest", "ms", slowest))
    if figures.reached_s:
        what = f"an update to {LISTENERS} listeners, slowest of {len(figures.reached_s)}"
        measured.append(limited(1_000, what, "ms", 1000 * max(figures.reached_s)))
    what = "written meanwhile, against full speed"
    measured.append(plain(what, "images/s", figures.written_per_s, figures.full_per_s))
    if stolen := [one.stolen for rounds in figures.measured.values() for one in rounds]:
        what = "of the processors given to others by the host, most in a measure"
        measured.append(Row(what, round(100 * max(stolen), 1), "%"))
    return measured


def main() -> None:
    parser = argparse.ArgumentParser(description="How fast the recorder answers.")
    parser.add_argument("--images", type=int, default=IMAGES, help="in the database")
    parser.add_argument("--seconds", type=float, default=SECONDS, help="a measure takes")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--measures", nargs="+", choices=MEASURES, default=list(MEASURES))
    wanted = parser.parse_args()
    whole = (IMAGES, SECONDS, ROUNDS, list(MEASURES))
    began = time.monotonic()
    is_whole = (wanted.images, wanted.seconds, wanted.rounds, wanted.measures) == whole
    with Rig("read") as rig, rig.database() as url:
        say(f"Filling a database with {wanted.images:,} images of {BOXES} boxes")
        fill(url, wanted.images, TEXT)
        with rig.recorder(url, "read"), rig.recorder_api(url) as (api_url, api):
            bench = Bench(rig, url, api_url, api, wanted)
            bench.wait_for_the_index()
            bench.again()
            for number in range(1, wanted.rounds + 1):
                minutes = (time.monotonic() - began) / 60
                say(f"Round {number} of {wanted.rounds}, after {minutes:.0f} minutes")
                for kind in wanted.measures:
                    # Before, too, so that its full speed is not long ago when it is measured.
                    if kind == "search":
                        bench.wait_for_the_index()
                    bench.find_full_speed(f"{kind}-{number}")
                    if kind in KINDS:
                        bench.measure(kind, number)
                    elif kind == "events":
                        bench.events()
                    else:
                        bench.short_searches()
    publish(
        "read",
        rows(bench.figures),
        f"Medians of {wanted.rounds} rounds of {wanted.seconds:g} s at {PER_S:g} requests/s, a kind"
        f" at a time; {wanted.images * BOXES:,} boxes at first; the recorder, Kafka, PostgreSQL and"
        " the load share the machine.",
        keep=is_whole,
    )


if __name__ == "__main__":
    main()
