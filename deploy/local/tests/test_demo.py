"""What a demonstration that fails leaves, and what it says of that."""

import io
import os
from pathlib import Path

import psutil
import pytest
from rich.console import Console

from ocrstream_local import state as states
from ocrstream_local.demo import Demo
from ocrstream_local.errors import StackError
from ocrstream_local.processes import Process
from ocrstream_local.stack import Layout, Stack
from ocrstream_local.state import State

SERVICES = ("recorder", "recorder-api", "ingest")
ALL = ("kafka", "postgres", *SERVICES, "worker-1")


class Scene:
    """A stack whose processes are all this one. `starts` are those that come to run; while
    `failure` is set, it is raised: when not all of them do, or else once all run.
    """

    def __init__(self, local: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self._layout = Layout(local)
        self.starts: tuple[str, ...] = ALL
        self.failure: BaseException | None = None
        self.stopped = False
        self.shown = io.StringIO()
        monkeypatch.setattr(Stack, "up", self._up)
        monkeypatch.setattr(Stack, "down", self._down)
        monkeypatch.setattr(Demo, "_show", self._show)

    def run(self, *, once: bool = False) -> str:
        """Run it; the words of its error, or none."""
        demonstration = Demo(self._layout, lambda _: None, Console(file=self.shown, width=200))
        try:
            demonstration.run(1, "noop", once=once)
        except StackError as error:
            return str(error)
        return ""

    def begin(self, *names: str) -> None:
        """Have these processes run."""
        born = psutil.Process().create_time()
        found = {name: Process(name, os.getpid(), born, log="") for name in names}
        states.save(self._layout.state, State(found))

    def _up(self, *_: object) -> dict[str, str]:
        self.begin(*self.starts)
        if self.failure is not None and self.starts != ALL:
            raise self.failure
        return {"RECORDER_URL": "http://recorder", "INGEST_URL": "http://ingest"}

    def _show(self, *_: object, **__: object) -> None:
        if self.failure is not None:
            raise self.failure

    def _down(self, *_: object) -> int:
        self.stopped = True
        return len(self.starts)


@pytest.fixture
def scene(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Scene:
    return Scene(tmp_path, monkeypatch)


@pytest.mark.parametrize("starts", [("kafka", "postgres"), None])
def test_what_runs_when_it_fails_stays_and_it_says_how_to_go_on(
    scene: Scene, starts: tuple[str, ...] | None
) -> None:
    """Whether the stack is not up, or what it read is wrong."""
    scene.failure = StackError("worker-1 ended")
    scene.starts = starts or scene.starts
    said = scene.run()
    assert not scene.stopped
    assert said.startswith("worker-1 ended\n")
    assert "make demo continues with them, make down stops them" in said


def test_nothing_is_said_to_stay_if_nothing_runs(scene: Scene) -> None:
    scene.failure, scene.starts = StackError("Java is missing"), ()
    assert scene.run() == "Java is missing"


def test_called_to_check_and_end_it_stops_all_and_leaves_the_logs(
    scene: Scene, tmp_path: Path
) -> None:
    scene.failure = StackError("Not every sample has the expected result")
    said = scene.run(once=True)
    assert scene.stopped
    assert said.startswith("Not every sample has the expected result\n")
    assert str(Layout(tmp_path).logs) in said


@pytest.mark.parametrize("failure", [StackError("no"), KeyboardInterrupt()])
@pytest.mark.parametrize("once", [True, False])
def test_a_stack_that_was_up_stays(scene: Scene, failure: BaseException, *, once: bool) -> None:
    scene.begin(*ALL)
    scene.failure = failure
    if isinstance(failure, KeyboardInterrupt):
        with pytest.raises(KeyboardInterrupt):
            scene.run(once=once)
    else:
        assert "make down" in scene.run(once=once)
    assert not scene.stopped


def test_ctrl_c_stops_what_it_started(scene: Scene) -> None:
    scene.failure = KeyboardInterrupt()
    with pytest.raises(KeyboardInterrupt):
        scene.run()
    assert scene.stopped


@pytest.mark.parametrize("was_up", [True, False])
def test_it_says_what_ctrl_c_stops(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, *, was_up: bool
) -> None:
    class Interrupted:
        def wait(self) -> None:
            raise KeyboardInterrupt

    monkeypatch.setattr("ocrstream_local.demo.threading.Event", Interrupted)
    if was_up:
        scene.begin(*ALL)
    assert scene.run() == ""
    assert ("Ctrl-C stops everything" in scene.shown.getvalue()) == (not was_up)
    assert ("make down stops it" in scene.shown.getvalue()) == was_up
    assert scene.stopped == (not was_up)
