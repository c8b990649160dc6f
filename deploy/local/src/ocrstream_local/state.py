"""What the stack's commands remember between them, and the lock that keeps them apart."""

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
    """Processes by name, and the ports that were given to them, kept for the next start.

    `engine` and `languages` are what the workers were started with.
    """

    processes: dict[str, Process] = field(default_factory=dict[str, Process])
    ports: dict[str, int] = field(default_factory=dict[str, int])
    engine: str | None = None
    languages: str | None = None

    def running(self) -> list[Process]:
        """Those that run."""
        return [process for process in self.processes.values() if process.running]


def load(file: Path) -> State:
    """The state as it was saved; none yet is an empty one."""
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
            f"{file} cannot be read ({error}). Stop the processes it names, then delete it"
        ) from error


def save(file: Path, state: State) -> None:
    """Replace the saved state whole."""
    content = {
        "processes": {name: asdict(process) for name, process in state.processes.items()},
        "ports": state.ports,
        "engine": state.engine,
        "languages": state.languages,
    }
    replace(file, json.dumps(content, indent=1))


def replace(file: Path, content: str) -> None:
    """Write a file that only its owner may read; whoever reads it sees all or nothing new."""
    file.parent.mkdir(parents=True, exist_ok=True)
    partial = file.with_name(f".{file.name}.partial")
    partial.touch(mode=0o600)
    partial.write_text(content, encoding="utf-8")
    partial.replace(file)


@contextlib.contextmanager
def locked(folder: Path) -> Generator[None]:
    """One command at a time. Raises StackError if another one is at work."""
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
