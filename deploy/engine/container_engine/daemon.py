"""A Docker engine of our own, unpacked from Debian's packages; nothing of it is installed."""

import hashlib
import json
import os
import shlex
import shutil
import sys
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path

from container_engine import host
from container_engine.client import Docker
from container_engine.debian import INSTALLED, Apt, os_release, unpack
from ocrstream_local import processes, waiting
from ocrstream_local.errors import StackError
from ocrstream_local.processes import Process
from ocrstream_local.state import replace
from ocrstream_local.waiting import Say

RUN = Path("/run/ocrstream-engine")
"""Its sockets and what it is known by; gone after a boot, as the engine is. One a machine."""

# Engine, client and containerd run with an older libc, too; a newer runc does not.
_ENGINE = ("trixie", ("docker.io", "docker-cli", "containerd"))
# The first release whose buildx Docker Compose takes.
_BUILDX = ("forky", ("docker-buildx",))
# Of this machine's own release, with the libraries that it lacks.
_TOOLS = ("iproute2", "iptables", "runc")

_STOP_GRACE_S = 60


@dataclass(frozen=True)
class Started:
    """A daemon that was started, what with, and the machine as it was before."""

    process: Process | None
    programs: str
    before: host.Before


@dataclass(frozen=True)
class Daemon:
    """The engine of this machine that is ours; what it keeps is in `cache`."""

    cache: Path
    say: Say
    run: Path = RUN

    @property
    def socket(self) -> str:
        """Where clients find it."""
        return f"unix://{self.run}/docker.sock"

    @property
    def environment_file(self) -> Path:
        """What a shell reads so that its commands are for this engine."""
        return self.run / "env"

    def running(self) -> Process | None:
        """Its process, if it runs."""
        started = self._started()
        process = None if started is None else started.process
        return process if process is not None and process.running else None

    def client(self) -> Docker:
        """Commands for it while it runs. Raises StackError if it does not."""
        started = self._started()
        if started is None:
            raise StackError("No engine of ours runs: start it with make engine-up")
        return Docker(self._client_variables(Path(started.programs)), started.process)

    def start(self) -> None:
        """Start it; returns when it answers. Raises StackError if that cannot be."""
        # What a daemon that was killed has left.
        self.stop()
        reason = host.objection(host.look())
        if reason is not None:
            raise StackError(f"No Docker engine can be started: {reason}")
        programs = self._unpacked()
        variables = _variables(programs)
        shutil.rmtree(self.run, ignore_errors=True)
        self.run.mkdir(mode=0o700)
        before = host.remember(variables)
        self._save(Started(None, str(programs), before))
        host.weigh_containers()
        self._write_client_files(programs)
        log = self.cache / "dockerd.log"
        log.unlink(missing_ok=True)
        process = processes.start("dockerd", self._command(), log, environment=variables)
        self._save(Started(process, str(programs), before))
        docker = self.client()
        try:
            waiting.wait_until(process, lambda: docker.version() is not None, "ready", self.say)
        except StackError:
            self.stop()
            raise
        self.say(f"Docker {docker.version()} answers on {self.socket}")

    def stop(self) -> bool:
        """Stop it with its containers, and leave the machine as it was; whether there was one."""
        started = self._started()
        if started is None:
            return False
        if started.process is not None:
            processes.stop([started.process], _STOP_GRACE_S)
        variables = _variables(Path(started.programs))
        host.restore(started.before, self.run, self._data, variables)
        shutil.rmtree(self.run)
        return True

    def _command(self) -> list[str]:
        mtu = host.mtu()
        return [
            *("dockerd", f"--host={self.socket}", f"--data-root={self._data}"),
            *(f"--exec-root={self.run}", f"--pidfile={self.run}/dockerd.pid"),
            # Not the machine's own.
            f"--config-file={self._file('daemon.json', '{}')}",
            *(f"--cgroup-parent=/{host.CGROUP}", "--exec-opt=native.cgroupdriver=cgroupfs"),
            *(f"--mtu={mtu}", f"--default-network-opt=bridge=com.docker.network.driver.mtu={mtu}"),
            # Only what `iptables` says is restored.
            "--ip6tables=false",
        ]

    @property
    def _data(self) -> Path:
        return self.cache / "data"

    def _unpacked(self) -> Path:
        """The folder with its programs, fetched the first time."""
        own = os_release()["VERSION_CODENAME"]
        recipe = hashlib.sha256(repr((own, _ENGINE, _BUILDX, _TOOLS)).encode()).hexdigest()[:12]
        programs = self.cache / f"programs-{recipe}"
        if programs.exists():
            return programs
        self.say("Fetching Docker by apt, to unpack it into the cache: 120 MB, about 20 s")
        self.cache.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=self.cache) as made:
            packages, root = Path(made) / "packages", Path(made) / "root"
            packages.mkdir()
            root.mkdir(mode=0o755)
            for suite, names in (_ENGINE, _BUILDX):
                apt = Apt(self.cache / "apt" / suite, suite, self.say)
                apt.update()
                apt.fetch(names, packages)
            apt = Apt(self.cache / "apt" / own, own, self.say)
            apt.update()
            apt.fetch_with_needed(_TOOLS, packages, INSTALLED)
            unpack(packages, root)
            _name_iptables(root)
            # Those of an older recipe; nothing runs from them now.
            for older in self.cache.glob("programs-*"):
                shutil.rmtree(older)
            root.rename(programs)
        return programs

    def _client_variables(self, programs: Path) -> dict[str, str]:
        path = _variables(programs)["PATH"]
        return {"DOCKER_HOST": self.socket, "DOCKER_CONFIG": str(self.run / "config"), "PATH": path}

    def _write_client_files(self, programs: Path) -> None:
        plugins = self.run / "config" / "cli-plugins"
        plugins.mkdir(parents=True)
        buildx = programs / "usr/libexec/docker/cli-plugins/docker-buildx"
        compose = Path(sys.executable).with_name("docker-compose")
        for program in (buildx, compose):
            (plugins / program.name).symlink_to(program.absolute())
        variables = {
            "DOCKER_HOST": self.socket,
            "DOCKER_CONFIG": str(self.run / "config"),
            # Its image cannot be stood in for; what it would remove ends with the engine.
            "TESTCONTAINERS_RYUK_DISABLED": "true",
        }
        lines = [f"{name}={value}\n" for name, value in variables.items()]
        path = f"PATH={shlex.quote(str(programs / 'usr' / 'bin'))}:$PATH\n"
        self._file(self.environment_file.name, "".join([*lines, path]))

    def _file(self, name: str, content: str) -> Path:
        file = self.run / name
        replace(file, content)
        return file

    def _started(self) -> Started | None:
        file = self.run / "state.json"
        # Root's engine is nobody else's.
        if not os.access(file, os.R_OK):
            return None
        content = json.loads(file.read_text(encoding="utf-8"))
        process = content["process"]
        return Started(
            process and Process(**process), content["programs"], host.Before(**content["before"])
        )

    def _save(self, started: Started) -> None:
        self._file("state.json", json.dumps(asdict(started)))


def _variables(programs: Path) -> dict[str, str]:
    """What the unpacked programs find each other and their libraries by."""
    folders = [programs / one for one in ("usr/sbin", "usr/bin", "sbin", "bin")]
    libraries = list((programs / "usr" / "lib").glob("*-linux-gnu*"))
    return {
        "PATH": ":".join([*map(str, folders), os.environ["PATH"]]),
        "LD_LIBRARY_PATH": ":".join(map(str, libraries)),
        "XTABLES_LIBDIR": ":".join(str(one / "xtables") for one in libraries),
    }


def _name_iptables(root: Path) -> None:
    """Give them the names that a package gives when it is configured."""
    programs = root / "usr" / "sbin"
    if (programs / "xtables-nft-multi").exists():
        for name in ("iptables", "iptables-save", "iptables-restore"):
            (programs / name).symlink_to("xtables-nft-multi")
