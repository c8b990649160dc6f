"""Debian's packages by apt's own client, unpacked into folders: nothing of this machine changes.

apt keeps its lists and what it fetches in the cache, and takes this machine's source with only the
suite changed, so that what leads to the mirror here leads there for another suite, too.
"""

import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ocrstream_local import waiting
from ocrstream_local.errors import StackError
from ocrstream_local.waiting import Say

INSTALLED = Path("/var/lib/dpkg/status")
CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")
_KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
_OS_RELEASE = Path("/etc/os-release")

# Read last: what this machine has apt do after its own updates is not for ours.
_NO_HOOKS = "#clear APT::Update;\n#clear DPkg;\n"
_MERGED = ("bin", "sbin", "lib", "lib64")


def os_release(file: Path = _OS_RELEASE) -> dict[str, str]:
    """What this system says of itself: ID, VERSION_CODENAME."""
    lines = file.read_text(encoding="utf-8").splitlines() if file.exists() else []
    return {
        name: value.strip("\"'")
        for name, _, value in (line.partition("=") for line in lines)
        if name
    }


@dataclass(frozen=True)
class Apt:
    """apt's client for one suite, its state in `folder`."""

    folder: Path
    suite: str
    say: Say

    def update(self) -> None:
        """Fetch the suite's lists. Raises StackError if they cannot be had."""
        for name in ("lists/partial", "archives/partial"):
            (self.folder / name).mkdir(parents=True, exist_ok=True)
        (self.folder / "none").touch()
        (self.folder / "apt.conf").write_text(_NO_HOOKS, encoding="utf-8")
        signed = f"[signed-by={_KEYRING}] " if _KEYRING.exists() else ""
        (self.folder / "sources.list").write_text(
            f"deb {signed}{_mirror()} {self.suite} main\n", encoding="utf-8"
        )
        self._run("update", "-o", "APT::Update::Error-Mode=any")

    def fetch(self, packages: Sequence[str], folder: Path) -> None:
        """Put packages, without what they need, into `folder`."""
        self._run("download", *packages, folder=folder)

    def fetch_with_needed(
        self, packages: Sequence[str], folder: Path, installed: Path | None = None
    ) -> None:
        """Put packages and what they need, less what is `installed`, into `folder`."""
        (folder / "partial").mkdir(exist_ok=True)
        self._run(
            *("install", "--yes", "--download-only", "--no-install-recommends"),
            *("-o", f"Dir::Cache::archives={folder}/"),
            *("-o", f"Dir::State::status={installed or self.folder / 'none'}"),
            *packages,
        )

    def _run(self, command: str, *arguments: str, folder: Path | None = None) -> None:
        here = self.folder
        options = {
            "Dir::State": here,
            "Dir::State::lists": here / "lists",
            "Dir::State::status": here / "none",
            "Dir::Cache": here,
            "Dir::Etc::sourcelist": here / "sources.list",
            "Dir::Etc::sourceparts": "/dev/null",
            # The user that fetches otherwise may not go everywhere that root does.
            "APT::Sandbox::User": "root",
        }
        ran = waiting.run(
            f"apt-get {command}",
            [
                *("apt-get", "-q", "-c", str(here / "apt.conf")),
                *(part for name, value in options.items() for part in ("-o", f"{name}={value}")),
                *(command, *arguments),
            ],
            self.say,
            folder=folder,
        )
        if ran.returncode:
            raise StackError(
                f"apt-get {command} failed for Debian's {self.suite}. Is the network there, and"
                f" does apt-get update work here?\n{(ran.stdout + ran.stderr).strip()[-1500:]}"
            )


def _mirror() -> str:
    """Where this machine's own release comes from."""
    targets = subprocess.run(
        ["apt-get", "indextargets", "--format", "$(RELEASE) $(COMPONENT) $(REPO_URI)"],
        capture_output=True,
        text=True,
        check=False,
    ).stdout
    release = os_release().get("VERSION_CODENAME", "")
    for line in targets.splitlines():
        match line.split():
            case [suite, "main", uri] if suite in {release, "stable"}:
                return uri
            case _:
                pass
    raise StackError(
        f"apt has no source for Debian's {release or 'release'} on this machine, from which"
        " packages of others could be had; see /etc/apt/sources.list.d"
    )


def unpack(packages: Path, root: Path) -> None:
    """Unpack all packages of a folder into `root`."""
    for package in sorted(packages.glob("*.deb")):
        with subprocess.Popen(
            ["dpkg-deb", "--fsys-tarfile", package], stdout=subprocess.PIPE
        ) as reading:
            written = subprocess.run(
                ["tar", "--extract", "--keep-directory-symlink", f"--directory={root}"],
                stdin=reading.stdout,
                capture_output=True,
                text=True,
                check=False,
            )
        if reading.returncode or written.returncode:
            raise StackError(f"{package.name} cannot be unpacked: {written.stderr.strip()[-500:]}")


def make_root(apt: Apt, packages: Sequence[str], folder: Path) -> Path:
    """A file system with Debian's essential packages and these, unpacked but not configured.

    It has what programs cannot do without: users, a shell, and this machine's authorities.
    """
    archives, root = folder / "archives", folder / "root"
    archives.mkdir()
    apt.fetch_with_needed(["?essential", *packages], archives)
    for name in _MERGED:
        (root / "usr" / name).mkdir(parents=True)
        (root / name).symlink_to(f"usr/{name}")
    unpack(archives, root)
    for name in ("passwd", "group"):
        shutil.copy(root / "usr/share/base-passwd" / f"{name}.master", root / "etc" / name)
    if CERTIFICATES.exists():
        place = root / CERTIFICATES.relative_to("/")
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(CERTIFICATES, place)
    return root
