"""The state that the stack's commands share, and the lock that serializes them."""

import contextlib
import fcntl
import json
import os
from collections.abc import Generator
from dataclasses import asdict, dataclass, field
from pathlib import Path

from ocrstream_local.errors import StackError
from ocrstream_local.processes import Process


@dataclass
class State:
    """The processes by name, and their ports, which the next start reuses.

    `engine` and `languages` are those of the running workers.
    """

    processes: dict[str, Process] = field(default_factory=dict[str, Process])
    ports: dict[str, int] = field(default_factory=dict[str, int])
    engine: str | None = None
    languages: str | None = None

    def running(self) -> list[Process]:
        """Returns the processes that run."""
        return [process for process in self.processes.values() if process.running]


def load(file: Path) -> State:
    """Returns the saved state, or an empty one if there is none. Raises StackError."""
    if not file.exists():
        return State()
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
        return State(
            {name: Process(**fields) for name, fields in content["processes"].items()},
            content["ports"],
            content["engine"],
            content.get("languages"),
        )
    except (ValueError, KeyError, TypeError) as error:
        raise StackError(
            f"{file} cannot be read ({error}). Stop the processes in it, then delete it"
        ) from error


def save(file: Path, state: State) -> None:
    """Replaces the saved state atomically."""
    content = {
        "processes": {name: asdict(process) for name, process in state.processes.items()},
        "ports": state.ports,
        "engine": state.engine,
        "languages": state.languages,
    }
    replace(file, json.dumps(content, indent=1))


def replace(file: Path, content: str) -> None:
    """Replaces a file atomically with one that only its owner can read."""
    file.parent.mkdir(parents=True, exist_ok=True)
    partial = file.with_name(f".{file.name}.partial")
    partial.touch(mode=0o600)
    partial.write_text(content, encoding="utf-8")
    partial.replace(file)


@contextlib.contextmanager
def locked(folder: Path) -> Generator[None]:
    """Lets one command run at a time. Raises StackError if another one runs."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            raise StackError(
                f"Another command works on this stack (pid {file.read().strip() or 'unknown'});"
                " wait until it is done"
            ) from None
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield
