"""Runs a PostgreSQL server."""

import hashlib
import os
import pwd
import secrets
import shutil
import signal
from dataclasses import dataclass
from pathlib import Path

from ocrstream_local import downloads, processes, waiting
from ocrstream_local.errors import StackError
from ocrstream_local.processes import Process
from ocrstream_local.waiting import Say

_USER = "ocrstream"
_DATABASE = "ocrstream"
_UNPRIVILEGED = "nobody"


@dataclass(frozen=True)
class PostgresServer:
    """A server with its data under `folder`; it may be started repeatedly, one process at a time.

    Tests set `durable` to False, which trades safety after a power failure for speed.
    """

    folder: Path
    cache: Path
    log: Path
    port: int
    durable: bool = True

    @property
    def url(self) -> str:
        """The database URL for clients, with the password."""
        password = (self.folder / "password").read_text(encoding="utf-8")
        return f"postgresql://{_USER}:{password}@127.0.0.1:{self.port}/{_DATABASE}"

    def start(self, say: Say) -> Process:
        """Starts the server; returns before it is ready."""
        programs = downloads.postgres_programs(self.cache, say)
        data = self.data
        if not (data / "PG_VERSION").exists():
            self._initialize(programs, data, say)
        settings = {
            "port": self.port,
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": "",
            "timezone": "UTC",
            "log_timezone": "UTC",
            "max_connections": 200,
            "fsync": "on" if self.durable else "off",
        }
        return processes.start(
            "postgres",
            [
                str(programs / "postgres"),
                *("-D", str(data)),
                *(part for name, value in settings.items() for part in ("-c", f"{name}={value}")),
            ],
            self.log,
            user=_server_user(),
            folder=data,
            port=self.port,
            # SIGINT means a "fast" shutdown, which ends sessions and leaves a clean state.
            stop_signal=signal.SIGINT,
        )

    def wait(self, process: Process) -> None:
        """Waits until it serves clients. Raises StackError."""
        waiting.wait_until(process, lambda: self.serves(process), "ready")

    def serves(self, process: Process) -> bool:
        """Returns whether it serves clients."""
        status = self.data / "postmaster.pid"
        # Like pg_ctl: the first line is the pid, the last one the server's state.
        lines = status.read_text().split() if status.exists() else []
        return bool(lines) and lines[0] == str(process.pid) and lines[-1] == "ready"

    def _initialize(self, programs: Path, data: Path, say: Say) -> None:
        password = secrets.token_hex(16)
        self.folder.mkdir(parents=True, exist_ok=True)
        partial = data.with_name("initializing")
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
        password_file = partial.with_name("initdb-password")
        password_file.touch(mode=0o600)
        password_file.write_text(password, encoding="utf-8")
        user = _server_user()
        if user is not None:
            for path in (partial, password_file):
                shutil.chown(path, user, _group_of(user))
        try:
            self._run(
                [
                    str(programs / "initdb"),
                    *("-D", str(partial), "-U", _USER, "--auth=scram-sha-256"),
                    *(f"--pwfile={password_file}", "--encoding=UTF8", "--locale=C", "--no-sync"),
                ],
                say,
            )
            self._run(
                [str(programs / "postgres"), "--single", "-D", str(partial), "postgres"],
                say,
                f'CREATE DATABASE "{_DATABASE}";\n',
            )
        finally:
            password_file.unlink()
        password_path = self.folder / "password"
        password_path.touch(mode=0o600)
        password_path.write_text(password, encoding="utf-8")
        partial.rename(data)

    def _run(self, command: list[str], say: Say, stdin: str = "") -> None:
        name = Path(command[0]).name
        ran = waiting.run(name, command, say, user=_server_user(), folder=Path("/"), stdin=stdin)
        if ran.returncode:
            output = ran.stdout + ran.stderr
            raise StackError(f"{command[0]} failed:\n{output[-2000:]}")

    @property
    def data(self) -> Path:
        """The data folder: in `folder`, unless the server's user cannot access that."""
        here = self.folder.resolve()
        if _server_user() is None or all(
            parent.stat().st_mode & 0o001 for parent in here.parents if parent.exists()
        ):
            return here / "data"
        key = hashlib.sha256(str(here).encode()).hexdigest()[:12]
        return Path("/var/tmp") / f"ocrstream-{key}" / "data"  # noqa: S108 - outlives a boot


def _server_user() -> str | None:
    """Returns the user of the server if this process is root, which PostgreSQL refuses."""
    return _UNPRIVILEGED if os.geteuid() == 0 else None


def _group_of(user: str) -> int:
    return pwd.getpwnam(user).pw_gid
