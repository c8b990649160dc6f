"""`make up` and `make down`, whatever state the processes are in."""

import os
import re
import shutil
from collections.abc import Generator
from pathlib import Path

import httpx
import psutil
import pytest
from real_servers import CACHE, LOCAL, discard
from typer.testing import CliRunner
from whole_system import eventually

from ocrstream_local import processes
from ocrstream_local.cli import app
from ocrstream_local.errors import StackError
from ocrstream_local.postgres import PostgresServer
from ocrstream_local.stack import Layout, Stack

pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]

SERVICES = {"recorder", "recorder-api", "ingest", "worker-1"}


@pytest.fixture
def layout(monkeypatch: pytest.MonkeyPatch) -> Generator[Layout]:
    for name in ("KAFKA_BOOTSTRAP_SERVERS", "DATABASE_URL"):
        monkeypatch.delenv(name, raising=False)
    folder = LOCAL / f"stack-{os.getpid()}"
    folder.mkdir(parents=True)
    CACHE.mkdir(parents=True, exist_ok=True)
    (folder / "cache").symlink_to(CACHE)
    layout = Layout(folder)
    yield layout
    Stack(layout, print).down()
    discard(PostgresServer(folder / "postgres", CACHE, folder / "log", 0))
    shutil.rmtree(folder)


def pids(stack: Stack) -> dict[str, int]:
    return {process.name: process.pid for process in stack.status().running()}


def under(folder: Path) -> list[psutil.Process]:
    """Every process that was started for the stack in `folder`."""
    found: list[psutil.Process] = []
    for process in psutil.process_iter():
        try:
            environment = process.environ().get("OCRSTREAM_OBJECT_ROOT", "")
            words = [environment, *process.cmdline()]
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue
        if any(str(folder) in word for word in words):
            found.append(process)
    return found


def submit(addresses: dict[str, str], batch_id: str) -> None:
    answer = httpx.post(
        addresses["INGEST_URL"] + "/v1/batches",
        json={"batch_id": batch_id, "images": [{"image_path": "file:///nowhere.png"}]},
    )
    assert answer.status_code == 202, answer.text


def ended(addresses: dict[str, str], batch_id: str) -> bool:
    answer = httpx.get(f"{addresses['RECORDER_URL']}/v1/batches/{batch_id}")
    return answer.status_code == 200 and answer.json()["status"] == "FAILURE"


def test_up_again_scaled_killed_and_down(layout: Layout, monkeypatch: pytest.MonkeyPatch) -> None:
    stack = Stack(layout, print)
    addresses = stack.up(workers=1, engine="noop")
    assert layout.stack_env.read_text().count("\n") == 6
    first = pids(stack)
    assert first.keys() == {"kafka", "postgres", *SERVICES}
    own = psutil.Process().nice()
    assert {name for name, pid in first.items() if psutil.Process(pid).nice() > own} == (
        {"recorder", "worker-1"} if own < 10 else set()
    )

    scaled = Stack(layout, print).up(workers=2, engine="noop")
    assert scaled["WORKER_URLS"].count("http://") == 2
    assert {**scaled, "WORKER_URLS": addresses["WORKER_URLS"]} == addresses
    assert pids(stack).items() >= first.items()
    assert Stack(layout, print).up(workers=1, engine="noop") == addresses
    assert pids(stack) == first
    monkeypatch.setenv("OCRSTREAM_LANGUAGES", "ko")
    assert Stack(layout, print).up(workers=1, engine="noop") == addresses
    assert {name for name, pid in pids(stack).items() if pid != first[name]} == {"worker-1"}
    submit(addresses, "before")
    eventually("the batch before", lambda: ended(addresses, "before") or None)

    for process in stack.status().running():
        processes.kill(process)
    assert not pids(stack)
    addresses = Stack(layout, print).up(workers=1, engine="noop")
    assert ended(addresses, "before")
    submit(addresses, "after")
    eventually("the batch after", lambda: ended(addresses, "after") or None)

    assert Stack(layout, print).down() == 6
    assert under(layout.local) == []
    assert not layout.stack_env.exists()
    assert Stack(layout, print).down() == 0


def test_what_does_not_start_is_shown_and_up_goes_on_from_there(
    layout: Layout, monkeypatch: pytest.MonkeyPatch
) -> None:
    up = ["up", "--workers=0", f"--local={layout.local}"]
    with monkeypatch.context() as broken:
        broken.setenv("OCRSTREAM_POLL_RECORDS", "none at all")
        error = CliRunner().invoke(app, up).exception
    assert isinstance(error, StackError)
    assert re.search(
        r"recorder ended(.|\n)*OCRSTREAM_POLL_RECORDS(.|\n)*make up continues", str(error)
    )
    stack = Stack(layout, print)
    addresses, running = layout.stack_env.read_text(), pids(stack)
    assert running.keys() == {"kafka", "postgres", "recorder-api", "ingest"}

    assert CliRunner().invoke(app, up).exit_code == 0
    assert layout.stack_env.read_text() == addresses
    assert "WORKER_URLS=\n" in addresses
    assert pids(stack).items() > running.items()
    assert pids(stack).keys() == {"kafka", "postgres", *SERVICES} - {"worker-1"}

    stack.down()
    assert under(layout.local) == []


def test_outside_servers_are_used_and_nothing_of_theirs_is_started(
    layout: Layout, monkeypatch: pytest.MonkeyPatch, kafka_bootstrap: str, database_url: str
) -> None:
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", kafka_bootstrap)
    monkeypatch.setenv("DATABASE_URL", database_url)
    stack = Stack(layout, print)
    addresses = stack.up(workers=1, engine="noop")
    assert addresses["KAFKA_BOOTSTRAP_SERVERS"] == kafka_bootstrap
    assert addresses["DATABASE_URL"] == database_url
    assert pids(stack).keys() == SERVICES
