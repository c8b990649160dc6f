"""Waits go on while what is waited for gets on, and end when it does not."""

import signal
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocrstream_local import processes, waiting
from ocrstream_local.errors import StackError
from ocrstream_local.processes import Process, start
from ocrstream_local.waiting import Effort, ProgressTimeout, Wait, as_ready, wait_until

# It does a step, some work or a line, whenever it is sent SIGUSR1.
STEPS = """
import signal, sys, time
def work(*_):
    end = time.process_time() + 0.55
    while time.process_time() < end:
        pass
def talk(*_):
    print("a line", flush=True)
signal.signal(signal.SIGUSR1, {"work": work, "talk": talk}[sys.argv[1]])
print("begun", flush=True)
while True:
    signal.pause()
"""
IDLE = Effort(0.0, 0, 0)


@dataclass
class Clock:
    """Goes on by `step_s` whenever it is looked at, as on a machine that is busy elsewhere."""

    step_s: float
    now_s: float = 0.0

    def __call__(self) -> float:
        self.now_s += self.step_s
        return self.now_s


@pytest.fixture
def begin(tmp_path: Path) -> Iterator[Callable[..., Process]]:
    """Starts Python processes, which are gone after the test."""
    begun: list[Process] = []

    def begin(code: str, *arguments: str, name: str = "starter") -> Process:
        log = tmp_path / f"{name}.log"
        process = start(name, [sys.executable, "-c", code, *arguments], log)
        begun.append(process)
        return process

    yield begin
    for process in begun:
        processes.kill(process)


@pytest.fixture
def stepping(begin: Callable[..., Process]) -> Callable[[str], Process]:
    """Starts a process that does nothing until it is told to."""

    def stepping(kind: str) -> Process:
        process = begin(STEPS, kind)
        wait_until(process, lambda: "begun" in Path(process.log).read_text(), "begun")
        return process

    return stepping


def stepped(process: Process) -> None:
    """Returns when it has done one more step."""
    before = Wait(process, lambda: True).effort()
    psutil.Process(process.pid).send_signal(signal.SIGUSR1)
    wait_until(process, lambda: Wait(process, lambda: True).effort().differs(before), "further")


@pytest.mark.parametrize("kind", ["work", "talk"])
def test_what_gets_on_is_waited_for_however_slow_the_machine_is(
    stepping: Callable[[str], Process], kind: str
) -> None:
    process, clock, steps = stepping(kind), Clock(100), iter(range(2))

    def ready() -> bool:
        stepped(process)
        return next(steps, None) is None

    wait_until(process, ready, "ready", clock=clock)
    # It may stand still for 180 s.
    assert clock.now_s >= 300


def test_what_gets_on_for_ever_is_given_up_at_the_bound(
    stepping: Callable[[str], Process],
) -> None:
    process, clock = stepping("talk"), Clock(100)

    def never() -> bool:
        stepped(process)
        return False

    with pytest.raises(StackError, match=r"starter: not ready within 1800 s(.|\n)*a line"):
        wait_until(process, never, "ready", clock=clock)
    assert process.running


def test_what_stands_still_is_given_up_before_the_bound(begin: Callable[..., Process]) -> None:
    process, clock = begin("import time; time.sleep(600)"), Clock(10)
    with pytest.raises(StackError, match="starter: not ready and has stood still for 180 s"):
        wait_until(process, lambda: False, "ready", clock=clock)
    assert clock.now_s < 600


def test_what_gets_a_turn_now_and_then_is_waited_for(stepping: Callable[[str], Process]) -> None:
    process, clock, looks = stepping("talk"), Clock(10), iter(range(40))
    found = psutil.Process(process.pid)

    def ready() -> bool:
        found.suspend()
        look = next(looks, None)
        if look is not None and look % 15 == 14:
            found.resume()
            stepped(process)
        return look is None

    wait_until(process, ready, "ready", clock=clock)
    assert clock.now_s > 400


def test_the_bound_is_settable(
    begin: Callable[..., Process], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OCRSTREAM_START_TIMEOUT_S", "20")
    process = begin("import time; time.sleep(600)")
    with pytest.raises(
        StackError, match=r"stood still for 2 s.* OCRSTREAM_START_TIMEOUT_S to more than 20"
    ):
        wait_until(process, lambda: False, "ready", clock=Clock(1))


@pytest.mark.parametrize("told", ["0", "-1", "soon", "nan", "inf"])
def test_a_bound_that_is_none_is_named(told: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OCRSTREAM_START_TIMEOUT_S", told)
    with pytest.raises(StackError, match=f"OCRSTREAM_START_TIMEOUT_S={told} is not a number"):
        waiting.start_timeout_s()


def test_the_log_of_what_ended_too_early_is_shown(begin: Callable[..., Process]) -> None:
    process = begin("print('no such luck')")
    with pytest.raises(StackError, match=r"starter ended before it was ready(.|\n)*no such luck"):
        wait_until(process, lambda: False, "ready")


def test_each_is_told_of_when_it_is_ready_and_one_that_died_at_once(
    begin: Callable[..., Process],
) -> None:
    slow = begin("import time; time.sleep(600)", name="slow")
    quick = begin("import time; time.sleep(600)", name="quick")
    broken = begin("print('out of luck')", name="broken")
    waits = as_ready(
        [Wait(slow, lambda: False), Wait(broken, lambda: False), Wait(quick, lambda: True)],
        waiting.silent,
    )
    found: list[str] = []
    with pytest.raises(StackError, match=r"broken ended(.|\n)*out of luck"):
        found.extend(process.name for process in waits)
    assert set(found) <= {"quick"}


def test_says_what_is_waited_for_and_how_far_it_is(begin: Callable[..., Process]) -> None:
    process, said = begin("import time; time.sleep(600)"), list[str]()
    wait_until(process, lambda: len(said) > 1, "ready", said.append, Clock(4))
    assert said[0].startswith("Waiting for starter to be ready (0.")
    assert said[0].endswith(" s of processor time, 0.0 kB of log); 12 s by now")


def test_what_a_helper_does_counts(
    begin: Callable[..., Process], stepping: Callable[[str], Process]
) -> None:
    client = begin("import time; time.sleep(600)", name="client")
    helper = stepping("work")
    wait = Wait(client, lambda: True, helpers=(helper,))
    before = wait.effort()
    stepped(helper)
    assert wait.effort().cpu_s >= before.cpu_s + 0.5


def test_bytes_that_are_fetched_count(begin: Callable[..., Process], tmp_path: Path) -> None:
    process = begin(
        "import time\n"
        f"with open({str(tmp_path / 'fetched')!r}, 'wb') as file:\n"
        "    file.write(bytes(2_000_000))\n"
        "print('done', flush=True); time.sleep(600)"
    )
    wait_until(process, lambda: "done" in Path(process.log).read_text(), "done")
    assert Wait(process, lambda: True).effort().io_bytes > 2_000_000


def test_a_command_is_run_to_its_end() -> None:
    code = "import sys; print(input()[::-1]); sys.exit(f'for {input()}')"
    ran = waiting.run("backwards", [sys.executable, "-c", code], stdin="abc\nyou\n")
    assert (ran.returncode, ran.stdout, ran.stderr) == (1, "cba\n", "for you\n")


def test_a_command_that_stands_still_is_ended_and_its_words_are_shown(tmp_path: Path) -> None:
    told, clock = tmp_path / "pid", Clock(100)
    code = (
        "import os, pathlib, time; print('first this', flush=True);"
        f"pathlib.Path({str(told)!r}).write_text(str(os.getpid())); time.sleep(600)"
    )
    with pytest.raises(StackError, match=r"still: not done and has stood(.|\n)*first this"):
        waiting.run(
            "still",
            [sys.executable, "-c", code],
            clock=lambda: clock() if told.exists() else 0.0,
        )
    assert not psutil.pid_exists(int(told.read_text()))


@given(st.lists(st.tuples(st.floats(0, 200), st.booleans()), max_size=60))
def test_patience_ends_when_nothing_moved_for_a_tenth_of_the_bound_or_at_the_bound(
    steps: list[tuple[float, bool]],
) -> None:
    timeout = ProgressTimeout(1800, 0, IDLE)
    now_s = moved_s = 0.0
    log_bytes = 0
    for after_s, moves in steps:
        now_s += after_s
        if moves:
            log_bytes, moved_s = log_bytes + 1, now_s
        reason = timeout.expired(now_s, Effort(0.0, 0, log_bytes))
        if now_s >= 1800:
            assert reason == "within 1800 s"
        elif now_s - moved_s >= 180:
            assert reason == "and has stood still for 180 s"
        else:
            assert reason is None


@given(st.lists(st.floats(0, 0.1), max_size=40))
def test_little_by_little_is_progress_once_it_is_enough(cpu_s: list[float]) -> None:
    timeout = ProgressTimeout(1800, 0, IDLE)
    used_s = marked_s = moved_s = 0.0
    for number, more_s in enumerate(cpu_s, 1):
        now_s, used_s = number * 40.0, used_s + more_s
        if used_s - marked_s >= 0.5:
            marked_s, moved_s = used_s, now_s
        gone_on = timeout.expired(now_s, Effort(used_s, 0, 0)) is None
        assert gone_on == (now_s - moved_s < 180)
