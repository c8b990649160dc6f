"""Processes that outlive their command: known again, stopped whole."""

import os
import signal
import socket
import sys
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from ocrstream_local import processes
from ocrstream_local.errors import StackError
from ocrstream_local.processes import Process, free_port, kill, start, stop, yield_to_others
from ocrstream_local.waiting import wait_until

SLEEP = "import time; print('awake', flush=True); time.sleep(600)"
WITH_CHILD = (
    "import subprocess, sys, time;"
    "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)']);"
    "print(child.pid, flush=True); time.sleep(600)"
)
WITH_THREAD_AND_CHILD = (
    "import threading, time; threading.Thread(target=time.sleep, args=(600,), daemon=True).start();"
    + WITH_CHILD
)
DEAF = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN);" + SLEEP


def run(code: str, log: Path) -> Process:
    process = start("sleeper", [sys.executable, "-c", code], log)
    wait_until(process, lambda: log.stat().st_size > 0, "awake")
    return process


def test_a_process_is_stopped_with_its_children(tmp_path: Path) -> None:
    log = tmp_path / "log"
    process = run(WITH_CHILD, log)
    child = psutil.Process(int(log.read_text()))
    stop([process], grace_s=10)
    assert not process.running
    assert not child.is_running() or child.status() == psutil.STATUS_ZOMBIE


def test_one_that_does_not_listen_is_killed(tmp_path: Path) -> None:
    process = run(DEAF, tmp_path / "log")
    stop([process], grace_s=0.3)
    assert not process.running


def test_one_that_yields_is_nice_to_the_others_with_its_threads_and_children(
    tmp_path: Path,
) -> None:
    log = tmp_path / "log"
    process = run(WITH_THREAD_AND_CHILD, log)
    child = int(log.read_text())
    session = Path(f"/proc/{process.pid}/autogroup")
    threads = [
        *(thread.id for thread in psutil.Process(process.pid).threads()),
        *(thread.id for thread in psutil.Process(child).threads()),
    ]
    before = {os.getpriority(os.PRIO_PROCESS, thread) for thread in threads}
    yield_to_others(process)
    after = {os.getpriority(os.PRIO_PROCESS, thread) for thread in threads}
    # Empty where the processor is not shared out between sessions.
    told = session.read_text().strip() if session.exists() else ""
    kill(process)
    own = psutil.Process().nice()
    assert len(threads) == 3
    assert before == {own}
    assert after == {max(own, 10)}
    assert not told or told.endswith("nice 10")


def test_a_later_process_with_the_same_pid_is_let_alone(tmp_path: Path) -> None:
    process = run(SLEEP, tmp_path / "log")
    earlier = replace(process, born=process.born - 1)
    assert not earlier.running
    stop([earlier], grace_s=0.1)
    assert process.running
    kill(process)


def test_a_program_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(StackError, match="ghost cannot be started"):
        start("ghost", [str(tmp_path / "none")], tmp_path / "log")


def test_a_taken_port_is_not_given_again() -> None:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        port = holder.getsockname()[1]
        assert free_port(port) != port
    assert free_port(port) == port


def test_a_port_is_none_that_the_kernel_gives_to_a_client() -> None:
    with socket.socket() as client:
        client.bind(("127.0.0.1", 0))
        outgoing = client.getsockname()[1]
    first = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    assert all(free_port() < first <= outgoing for _ in range(50))


def test_signals_are_those_that_were_chosen(tmp_path: Path) -> None:
    code = "import signal, sys, time; signal.signal(signal.SIGINT, lambda *_: sys.exit(0));" + SLEEP
    process = replace(run(code, tmp_path / "log"), stop_signal=signal.SIGINT)
    processes.stop([process], grace_s=10)
    assert not process.running
