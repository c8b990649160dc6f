"""Remembers across restarts which files of watched folders were submitted."""

import os
import sqlite3
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

from ocrstream_client.errors import NotSubmittableError

FileVersion = tuple[int, int]
"""The modification time in ns and the size of a file."""

_TABLE = """
CREATE TABLE IF NOT EXISTS submitted (
    ingest_url TEXT, path TEXT, mtime_ns INTEGER, size INTEGER,
    batch_id TEXT, position INTEGER, done INTEGER,
    PRIMARY KEY (ingest_url, path)
)
"""
_BEGIN = """
INSERT OR REPLACE INTO submitted VALUES (?, ?, ?, ?, ?, ?, 0)
"""
_IN_FOLDER = "ingest_url = ? AND substr(path, 1, length(?)) = ?"


def default_state_file() -> Path:
    """Returns the path of the state: in `XDG_STATE_HOME`, by default `~/.local/state`."""
    home = os.environ.get("XDG_STATE_HOME")
    folder = Path(home) if home else Path.home() / ".local" / "state"
    return folder / "ocrstream" / "watch.sqlite3"


class WatchState:
    """The files that were submitted to one system, in a database that all watchers share.

    Paths are absolute; a path as bytes that are no text is stored with these bytes replaced, so its
    file is submitted again after a restart. Raises NotSubmittableError if the file is not usable.
    """

    def __init__(self, file: Path, ingest_url: str) -> None:
        self._ingest_url = ingest_url
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            self._database = sqlite3.connect(file, timeout=30, isolation_level=None)
            self._database.execute(_TABLE)
        except (OSError, sqlite3.Error) as error:
            raise NotSubmittableError(
                f"--watch remembers in {file} which files it has submitted: {error}; set"
                " XDG_STATE_HOME to a folder that you may write to, or delete a damaged file"
            ) from error

    def __enter__(self) -> Self:
        """Returns the state."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Closes the database."""
        self._database.close()

    def submitted(self, folders: Iterable[Path]) -> dict[Path, FileVersion]:
        """Returns the files in the folders whose submission has ended."""
        return {
            Path(path): (mtime_ns, size)
            for folder in folders
            for path, mtime_ns, size in self._database.execute(
                f"SELECT path, mtime_ns, size FROM submitted WHERE {_IN_FOLDER} AND done",
                self._in_folder(folder),
            )
        }

    def interrupted(self, folders: Iterable[Path]) -> dict[str, list[Path]]:
        """Returns by batch the files in the folders whose submission has begun and not ended."""
        batches: dict[str, list[Path]] = {}
        for folder in folders:
            for batch_id, path in self._database.execute(
                f"SELECT batch_id, path FROM submitted WHERE {_IN_FOLDER} AND NOT done"
                " ORDER BY batch_id, position",
                self._in_folder(folder),
            ):
                batches.setdefault(batch_id, []).append(Path(path))
        return batches

    def begin(self, batch_id: str, files: Mapping[Path, FileVersion]) -> None:
        """Stores durably that these files are submitted as this batch."""
        rows = [
            (self._ingest_url, _text(file), mtime_ns, size, batch_id, position)
            for position, (file, (mtime_ns, size)) in enumerate(files.items())
        ]
        self._database.execute("BEGIN")
        self._database.executemany(_BEGIN, rows)
        self._database.execute("COMMIT")

    def finish(self, batch_id: str) -> None:
        """Stores durably that the submission of this batch has ended."""
        self._database.execute("UPDATE submitted SET done = 1 WHERE batch_id = ?", (batch_id,))

    def forget(self, batch_id: str) -> None:
        """Forgets the files of a batch, so that they are submitted again."""
        self._database.execute("DELETE FROM submitted WHERE batch_id = ?", (batch_id,))

    def _in_folder(self, folder: Path) -> tuple[str, str, str]:
        prefix = os.path.join(_text(folder), "")  # noqa: PTH118 - ends with a separator
        return self._ingest_url, prefix, prefix


def _text(path: Path) -> str:
    return str(path).encode(errors="replace").decode()
