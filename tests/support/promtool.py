"""Prometheus' own checker: the machine's, else the one in Debian's package, unpacked."""

import shutil
import subprocess
import tempfile
from pathlib import Path

from not_run import not_run
from real_servers import CACHE

_PROGRAM = CACHE / "prometheus" / "usr" / "bin" / "promtool"
_TIMEOUT_S = 120


def promtool() -> str:
    """Its path; where it cannot be had the test is not run, and says so."""
    installed = shutil.which("promtool")
    if installed is not None:
        return installed
    if not _PROGRAM.exists():
        _unpack()
    return str(_PROGRAM)


def _unpack() -> None:
    if shutil.which("apt-get") is None or shutil.which("dpkg-deb") is None:
        not_run("promtool", "it is not on the path, and this is no Debian to get it from")
    CACHE.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=CACHE) as made:
        got = subprocess.run(
            ["apt-get", "download", "--quiet", "prometheus"],
            cwd=made,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=_TIMEOUT_S,
            check=False,
        )
        packages = list(Path(made).glob("prometheus_*.deb"))
        if not packages:
            not_run("promtool", " ".join(got.stdout.split())[-200:])
        unpacked = Path(made) / "unpacked"
        subprocess.run(["dpkg-deb", "--extract", packages[0], unpacked], check=True)
        shutil.rmtree(CACHE / "prometheus", ignore_errors=True)
        unpacked.rename(CACHE / "prometheus")
