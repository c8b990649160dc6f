"""Recorders die and stand still between commit and publish; every revision is told of, in order."""

import asyncio
import contextlib
import random
import secrets
import signal
from collections.abc import Generator
from pathlib import Path
from typing import Any

import msgspec
import psutil
import psycopg
import pytest
from real_servers import Broker
from whole_system import System, eventually

from ocrstream_local import processes
from ocrstream_local.processes import Process
from ocrstream_recorder.outbox import outbox_rows
from ocrstream_schemas.events import BatchCompleted
from ocrstream_schemas.topics import BATCHES_COMMANDS, BATCHES_COMPLETED

pytestmark = [pytest.mark.integration, pytest.mark.timeout(400)]

REPLICAS = ("recorder", "recorder-2", "recorder-3")


@pytest.fixture
def killable(own_broker: Broker, database_url: str, tmp_path: Path) -> Generator[System]:
    """A system for one test alone, on a broker that may be stopped; nothing of it started."""
    system = System(tmp_path, own_broker.bootstrap, database_url)
    try:
        yield system
    finally:
        system.stop()


def start(system: System, *names: str) -> None:
    for name in names:
        system.start(name, wait=False)
    for name in names:
        system.wait(name)


async def change(system: System, batches: list[str], first: int, last: int) -> None:
    """Have each batch, which ends at once, changed by later and later cancels."""
    await system.send(
        *(
            (
                BATCHES_COMMANDS,
                batch_id.encode(),
                {"type": "BatchRevoked", "batch_id": batch_id, "run": run},
            )
            for run in range(first, last + 1)
            for batch_id in batches
        )
    )


def query(system: System, sql: Any, *parameters: Any) -> list[tuple[Any, ...]]:
    with psycopg.connect(system.database, autocommit=True) as connection:
        return connection.execute(sql, parameters).fetchall()


def recorded(system: System, batches: list[str], run: int) -> None:
    """Returns when the rows tell of all that was sent."""

    def look() -> bool | None:
        found = query(
            system,
            "SELECT count(*) FROM batch_executions WHERE batch_id = ANY(%s) AND revoked_run = %s",
            batches,
            run,
        )
        return True if found[0][0] == len(batches) else None

    eventually("all cancels recorded", look)


def published(system: System) -> None:
    """Returns when the outbox is empty."""
    eventually(
        "an empty outbox",
        lambda: None if query(system, "SELECT FROM recorder_outbox LIMIT 1") else True,
    )


async def completions(system: System) -> list[BatchCompleted]:
    """All that is on the topic; what of one batch, in the order it stands there."""
    return [
        msgspec.json.decode(value, type=BatchCompleted)
        for value in await system.read(BATCHES_COMPLETED)
    ]


async def check(system: System, batches: list[str]) -> None:
    """Every revision is there, first in order, and the last equals the row."""
    by_batch: dict[str, dict[int, BatchCompleted]] = {batch_id: {} for batch_id in batches}
    for event in await completions(system):
        known = by_batch[event.batch_id].setdefault(event.revision, event)
        assert known == event
    rows = query(
        system,
        "SELECT batch_id, revision, status, total_images, completed_images, failed_images,"
        " revoked_images, finished_at FROM batch_executions",
    )
    assert {batch_id for batch_id, *_ in rows} == set(batches)
    for batch_id, revision, *columns in rows:
        told = by_batch[batch_id]
        assert list(told) == list(range(1, revision + 1))
        last = told[revision]
        assert last.finished_at is not None
        assert columns == [
            last.status,
            last.total_images,
            last.completed_images,
            last.failed_images,
            last.revoked_images,
            last.finished_at.replace(tzinfo=None),
        ]


@contextlib.contextmanager
def nobody_sends(system: System) -> Generator[None]:
    """While this is entered all that is committed stays between commit and publish."""
    with psycopg.connect(system.database, autocommit=True) as connection:
        with connection.cursor() as cursor:
            eventually("the right to send", lambda: outbox_rows.may_send(cursor) or None)
        yield


@contextlib.contextmanager
def standing_still(process: Process) -> Generator[None]:
    """While this is entered the process does nothing."""
    stopped = psutil.Process(process.pid)
    stopped.send_signal(signal.SIGSTOP)
    try:
        yield
    finally:
        stopped.send_signal(signal.SIGCONT)


async def test_killed_between_commit_and_publish(killable: System) -> None:
    system, batches = killable, [secrets.token_hex(4) for _ in range(20)]
    with nobody_sends(system):
        start(system, *REPLICAS[:2])
        for run in (1, 2, 3):
            await change(system, batches, run, run)
            recorded(system, batches, run)
        waiting = query(system, "SELECT count(*) FROM recorder_outbox")[0][0]
        assert waiting >= len(batches)
        for name in REPLICAS[:2]:
            processes.kill(system.processes[name])
    assert await completions(system) == []
    start(system, "recorder")
    published(system)
    await check(system, batches)


async def test_killed_while_the_broker_stands_still(killable: System, own_broker: Broker) -> None:
    system, batches = killable, [secrets.token_hex(4) for _ in range(10)]
    held = contextlib.ExitStack()
    with held:
        held.enter_context(nobody_sends(system))
        start(system, *REPLICAS[:2])
        await change(system, batches, 1, 3)
        recorded(system, batches, 3)
        with standing_still(own_broker.process):
            held.close()
            # From here on a sender has rows in flight that nobody acknowledges.
            running = list(system.processes.values())
            sender = eventually("a sender", lambda: sender_among(system, running))
            processes.kill(sender)
            running.remove(sender)
            eventually("its successor", lambda: sender_among(system, running))
    published(system)
    await check(system, batches)


async def test_another_one_sends_for_the_one_that_stands_still(killable: System) -> None:
    system, batches = killable, [secrets.token_hex(4) for _ in range(10)]
    start(system, *REPLICAS[:2])
    await change(system, batches, 1, 2)
    recorded(system, batches, 2)
    published(system)
    sender = eventually("a sender", lambda: sender_among(system, list(system.processes.values())))
    with standing_still(sender):
        # The other replica gets its partitions when the group has waited long enough for it.
        await change(system, batches, 3, 4)
        recorded(system, batches, 4)
        published(system)
    await change(system, batches, 5, 6)
    recorded(system, batches, 6)
    published(system)
    await check(system, batches)


async def test_killed_at_any_moment(killable: System, own_broker: Broker) -> None:
    system, batches = killable, [secrets.token_hex(4) for _ in range(30)]
    seed = secrets.randbits(32)
    print("seed", seed)
    chance = random.Random(seed)  # noqa: S311
    start(system, *REPLICAS)
    run = 0
    for round_number in range(8):
        changing = asyncio.create_task(change(system, batches, run + 1, run + 12))
        run += 12
        await asyncio.sleep(chance.uniform(0, 0.5))
        if round_number % 4 == 3:
            with standing_still(own_broker.process):
                await asyncio.sleep(chance.uniform(0, 0.5))
                victims = list(REPLICAS)
                for name in victims:
                    processes.kill(system.processes[name])
        else:
            victims = chance.sample(REPLICAS, chance.choice([1, 1, 2]))
            for name in victims:
                processes.kill(system.processes[name])
        await changing
        for name in victims:
            system.start(name, wait=False)
    for name in REPLICAS:
        system.wait(name)
    recorded(system, batches, run)
    published(system)
    await check(system, batches)


def sender_among(system: System, running: list[Process]) -> Process | None:
    """The process that holds the right to send."""
    ports = query(
        system,
        "SELECT a.client_port FROM pg_locks l JOIN pg_stat_activity a USING (pid)"
        " WHERE l.locktype = 'advisory' AND l.granted AND a.datname = current_database()",
    )
    for process in running:
        mine = {one.laddr.port for one in psutil.Process(process.pid).net_connections("tcp")}
        if any(port in mine for (port,) in ports):
            return process
    return None
