"""A reconnecting loop replaces its connection after each failure, and closes the last one."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from starved import compute_in_turns, lift_wall_limit
from structlog.testing import capture_logs

from ocrstream_runtime import reconnecting_loop
from ocrstream_runtime.reconnecting_loop import ReconnectingLoop
from ocrstream_runtime.retries import Backoff

LIMIT_S = 0.2

Step = Exception | Callable[[], Awaitable[None]] | None


@pytest.fixture(autouse=True)
def short_backoff(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reconnecting_loop, "OUTAGE_BACKOFF", Backoff(0.001))


class Server:
    """Accepts connections, which are numbers from 1; `journal` tells what happened, in order.

    Each connection attempt takes the next of `connects` and each round the next of `rounds`: it
    raises the exception, or awaits the function. After the last round it sets `stop`.
    """

    def __init__(self, rounds: list[Step], connects: list[Step] | None = None) -> None:
        self.rounds, self.connects = rounds, connects or []
        self.journal: list[str] = []
        self.connections = 0
        self.stop = asyncio.Event()

    @asynccontextmanager
    async def connect(self) -> AsyncGenerator[int]:
        self.connections += 1
        number = self.connections
        self.journal.append(f"open {number}")
        try:
            await self._take(self.connects)
            yield number
        finally:
            self.journal.append(f"close {number}")

    async def run_round(self, connection: int) -> None:
        self.journal.append(f"round on {connection}")
        if len(self.rounds) == 1:
            self.stop.set()
        await self._take(self.rounds)

    @staticmethod
    async def _take(steps: list[Step]) -> None:
        step = steps.pop(0) if steps else None
        if isinstance(step, Exception):
            raise step
        if step is not None:
            await step()

    async def run(self, **options: Any) -> None:
        options = {"interval_s": 0.0} | options
        loop = ReconnectingLoop(
            "numbers",
            self.connect,
            self.run_round,
            timeout_s=LIMIT_S,
            retry_on=(OSError,),
            **options,
        )
        async with asyncio.timeout(20):
            await loop.run(self.stop)


async def wait_for_ever() -> None:
    await asyncio.Event().wait()


async def compute_for_longer_than_the_limit() -> None:
    await compute_in_turns(2 * LIMIT_S)


async def test_rounds_share_a_connection_which_the_stop_closes() -> None:
    server = Server([None, None, None])
    await server.run()
    assert server.journal == ["open 1", *["round on 1"] * 3, "close 1"]


async def test_a_stopped_loop_does_not_connect() -> None:
    server = Server([None])
    server.stop.set()
    await server.run()
    assert server.journal == []


@pytest.mark.parametrize("failure", [OSError("away"), wait_for_ever])
async def test_a_failed_round_closes_the_connection_before_the_next_one_opens(
    failure: Step,
) -> None:
    server = Server([None, failure, None])
    await server.run()
    assert server.journal == [
        "open 1",
        "round on 1",
        "round on 1",
        "close 1",
        "open 2",
        "round on 2",
        "close 2",
    ]


@pytest.mark.parametrize("failure", [OSError("away"), wait_for_ever])
async def test_a_failed_connection_attempt_is_repeated(failure: Step) -> None:
    server = Server([None], connects=[failure])
    await server.run()
    assert server.journal == ["open 1", "close 1", "open 2", "round on 2", "close 2"]


async def test_time_without_cpu_does_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    lift_wall_limit(monkeypatch)
    server = Server(
        [compute_for_longer_than_the_limit, None], connects=[compute_for_longer_than_the_limit]
    )
    await server.run()
    assert server.connections == 1


async def test_an_outage_is_logged_once_and_so_is_its_end() -> None:
    server = Server(
        [OSError("away"), None, None], connects=[None, OSError("away"), OSError("away")]
    )
    told: list[Exception] = []
    with capture_logs() as logs:
        await server.run(on_failure=told.append)
    assert [(log["event"], log["loop"], log.get("error")) for log in logs] == [
        ("background loop fails", "numbers", "OSError: away"),
        ("background loop recovered", "numbers", None),
    ]
    assert [str(error) for error in told] == ["away"] * 3


async def test_a_wake_ends_the_pause() -> None:
    server, wake = Server([None, None]), asyncio.Event()
    asyncio.get_running_loop().call_later(0.01, wake.set)
    await server.run(interval_s=60.0, wake=wake)
    assert server.journal == ["open 1", "round on 1", "round on 1", "close 1"]


async def test_other_exceptions_end_the_loop_and_close_the_connection() -> None:
    server = Server([ValueError("bug"), None])
    with pytest.raises(ValueError, match="bug"):
        await server.run()
    assert server.journal == ["open 1", "round on 1", "close 1"]
