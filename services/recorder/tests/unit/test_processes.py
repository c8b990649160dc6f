"""What the docstring of each room says about the processes that run it is what they import."""

import importlib
import json
import pkgutil
import subprocess
import sys

import pytest

import ocrstream_recorder

ROOMS = sorted(
    module.name for module in pkgutil.iter_modules(ocrstream_recorder.__path__) if module.ispkg
)


def imported_by(app: str) -> set[str]:
    """The package's modules that are loaded once a process has imported its composition root."""
    script = f"import json, sys, ocrstream_recorder.{app}; print(json.dumps(list(sys.modules)))"
    ran = subprocess.run(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, text=True, timeout=60, check=True
    )
    prefix = "ocrstream_recorder."
    loaded = [name for name in json.loads(ran.stdout) if name.startswith(prefix)]
    return {name.removeprefix(prefix) for name in loaded}


@pytest.fixture(scope="module")
def recording() -> set[str]:
    return imported_by("recording_app")


@pytest.fixture(scope="module")
def serving() -> set[str]:
    return imported_by("serving_app")


def sentence(room: str, recording: set[str], serving: set[str]) -> str:
    """What the room's docstring has to say."""
    here = f"{room}."
    records, serves = (
        {name.removeprefix(here) for name in loaded if name.startswith(here)}
        for loaded in (recording, serving)
    )
    match bool(records), bool(serves):
        case True, False:
            return "Runs in the recording process."
        case False, True:
            return "Runs in the serving process."
        case False, False:
            return "Runs in neither process."
        case _:
            alone = [
                f"in the {process} one alone: {', '.join(f'`{name}`' for name in sorted(names))}"
                for process, names in (
                    ("recording", records - serves),
                    ("serving", serves - records),
                )
                if names
            ]
            return f"{'; '.join(['Runs in both processes', *alone])}."


@pytest.mark.parametrize("room", ROOMS)
def test_each_room_says_which_processes_run_it(
    room: str, recording: set[str], serving: set[str]
) -> None:
    docstring = importlib.import_module(f"ocrstream_recorder.{room}").__doc__ or ""
    words = " ".join(docstring.split())
    assert words.count("Runs in") == 1
    assert sentence(room, recording, serving) in words


def test_neither_process_imports_the_other(recording: set[str], serving: set[str]) -> None:
    assert "recording.consumer" in recording - serving
    assert "api.app" in serving - recording
