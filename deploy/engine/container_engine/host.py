"""What an engine finds on this machine, and what it leaves that is to be as before."""

import contextlib
import os
import re
import shutil
import socket
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import psutil

from container_engine.debian import os_release
from container_engine.firewall import without_engine
from ocrstream_local.errors import StackError

CGROUPS = Path("/sys/fs/cgroup")
CGROUP = "ocrstream-engine"
"""Containers' control groups are below this one."""

_IP_FORWARD = Path("/proc/sys/net/ipv4/ip_forward")
_ROUTES = Path("/proc/net/route")
_INTERFACES = Path("/sys/class/net")
# containerd makes them wherever it is told to keep its own.
_FOLDERS = ("/run/containerd", "/opt/containerd")
_BRIDGE = re.compile(r"docker0|br-[0-9a-f]{12}")
_ETHERNET_MTU = 1500
# A process alone weighs as much.
_CPU_SHARES = 1024
_KILL_TIMEOUT_S = 10


@dataclass(frozen=True)
class Host:
    """What decides whether this machine can run an engine of ours."""

    root: bool
    debian: bool
    cgroups_writable: bool
    daemon_pid: int | None


def look() -> Host:
    """This machine."""
    controller = CGROUPS / "memory"
    return Host(
        root=os.geteuid() == 0,
        debian=os_release().get("ID") == "debian" and shutil.which("apt-get") is not None,
        cgroups_writable=os.access(controller if controller.exists() else CGROUPS, os.W_OK),
        daemon_pid=next(
            (one.pid for one in psutil.process_iter(["name"]) if one.info["name"] == "dockerd"),
            None,
        ),
    )


def objection(host: Host) -> str | None:
    """Why no engine can be started here, and what to do; None if one can."""
    if not host.root:
        return "only root can start an engine: run make engine-up as root"
    if not host.debian:
        return "an engine is unpacked from Debian's packages, and this is not Debian"
    if not host.cgroups_writable:
        return (
            f"{CGROUPS} cannot be written, so that no container could be started: run make"
            " engine-up outside of this container, or in one that is privileged"
        )
    if host.daemon_pid is not None:
        return (
            f"a second engine would take over the networks of the one that runs here (dockerd,"
            f" pid {host.daemon_pid}): stop that one, or load the images into it"
        )
    return None


@dataclass(frozen=True)
class Before:
    """This machine before the engine was started."""

    ip_forward: str
    rules: str
    interfaces: list[str]
    folders: list[str]


def remember(environment: Mapping[str, str]) -> Before:
    """What is to be restored; `environment` leads to iptables."""
    return Before(
        ip_forward=_IP_FORWARD.read_text(encoding="ascii").strip(),
        rules=_output(["iptables-save"], environment),
        interfaces=[name for _, name in socket.if_nameindex()],
        folders=[folder for folder in _FOLDERS if Path(folder).exists()],
    )


def restore(before: Before, run: Path, data: Path, environment: Mapping[str, str]) -> None:
    """Take away what an engine with its sockets in `run` has left, after it has ended."""
    _end_left_over(run)
    for folder in (run, data):
        _unmount(folder)
    interfaces = [name for _, name in socket.if_nameindex()]
    bridges = {name for name in interfaces if _BRIDGE.fullmatch(name)} - set(before.interfaces)
    rules = without_engine(_output(["iptables-save"], environment), before.rules, bridges)
    _output(["iptables-restore"], environment, rules)
    for bridge in bridges:
        _output(["ip", "link", "delete", bridge], environment)
    _IP_FORWARD.write_text(before.ip_forward, encoding="ascii")
    for folder in (*(set(_FOLDERS) - set(before.folders)), *_cgroups()):
        remove_unused(Path(folder))


def remove_unused(folder: Path) -> None:
    """Remove sockets that nobody listens on, and folders that are empty, `folder` itself too."""
    for path in [*sorted(folder.rglob("*"), reverse=True), folder]:
        with contextlib.suppress(OSError):
            if path.is_dir():
                path.rmdir()
            elif path.is_socket() and not _answers(path):
                path.unlink()


def weigh_containers() -> None:
    """Have all containers weigh as much as one process for each core.

    Where each group of the first version weighs as one process, a build on a busy machine would
    stand still for minutes.
    """
    cpu = CGROUPS / "cpu"
    if cpu.is_dir():
        group = cpu / CGROUP
        group.mkdir(exist_ok=True)
        shares = _CPU_SHARES * (os.cpu_count() or 1)
        (group / "cpu.shares").write_text(str(shares), encoding="ascii")


def mtu() -> int:
    """The largest packet that leaves this machine whole, by the way to everywhere."""
    for line in _ROUTES.read_text(encoding="ascii").splitlines()[1:]:
        interface, destination, *_ = line.split()
        if destination == "00000000":
            return min(int((_INTERFACES / interface / "mtu").read_text()), _ETHERNET_MTU)
    return _ETHERNET_MTU


def _answers(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(str(path))
        except ConnectionRefusedError:
            return False
    return True


def _cgroups() -> list[Path]:
    return [one for one in (CGROUPS / CGROUP, *CGROUPS.glob(f"*/{CGROUP}")) if one.is_dir()]


def _end_left_over(run: Path) -> None:
    """What outlives a daemon that was killed: containers, and programs that name its folder."""
    pids = {
        int(pid)
        for group in _cgroups()
        for file in group.rglob("cgroup.procs")
        for pid in file.read_text(encoding="ascii").split()
    }
    left = [
        one
        for one in psutil.process_iter(["name", "cmdline"])
        if one.pid in pids
        or (one.info["name"].startswith("containerd") and str(run) in " ".join(one.info["cmdline"]))
    ]
    for one in left:
        with contextlib.suppress(psutil.NoSuchProcess):
            one.kill()
    psutil.wait_procs(left, timeout=_KILL_TIMEOUT_S)


def _unmount(folder: Path) -> None:
    mounts = [line.split()[1] for line in Path("/proc/mounts").read_text().splitlines()]
    for mount in sorted(mounts, reverse=True):
        if Path(mount).is_relative_to(folder):
            subprocess.run(["umount", mount], check=False)


def _output(command: list[str], environment: Mapping[str, str], words: str = "") -> str:
    try:
        ran = subprocess.run(
            command,
            env={**os.environ, **environment},
            input=words,
            capture_output=True,
            text=True,
            check=False,
        )
    except OSError as error:
        raise StackError(f"{command[0]} cannot be started: {error}") from error
    if ran.returncode:
        raise StackError(f"{' '.join(command)} failed: {ran.stderr.strip()}")
    return ran.stdout
