"""What the Dockerfiles install runs, with the variables that docker-compose.yml gives it.

No Docker engine is needed: the install steps are replayed in a scratch folder, and the services run
from there on a real Kafka and a real PostgreSQL.
"""

import re
import shutil
import subprocess
import sys
from collections.abc import Generator, Mapping
from pathlib import Path

import pytest
from compose import ROOT, Built
from dockerfiles import Replay
from not_run import not_run
from PIL import Image, ImageDraw, ImageFont
from real_servers import Broker

from ocrstream_local import processes, waiting
from ocrstream_local.processes import Process, free_port
from ocrstream_schemas.topics import TOPICS

pytestmark = [pytest.mark.integration, pytest.mark.timeout(420)]

DOCKERFILES = sorted((ROOT / "services").glob("*/Dockerfile"))
BUILT = ("ingest", "ocr-worker", "recorder")
RUNNING = (*BUILT, "recorder-api")

# What a Linux with any C++ program on it has; Python's slim images, too.
SYSTEM_LIBRARIES = {
    *("libc.so.6", "libdl.so.2", "libm.so.6", "libpthread.so.0", "libresolv.so.2"),
    *("librt.so.1", "libutil.so.1", "libz.so.1"),
    *("libgcc_s.so.1", "libstdc++.so.6"),
    # OpenVINO looks for it only to compute on a GPU.
    "libOpenCL.so.1",
}


# ---- the Dockerfiles -----------------------------------------------------------------------------


def test_hadolint_finds_nothing() -> None:
    hadolint = Path(sys.executable).with_name("hadolint")
    subprocess.run([hadolint, *DOCKERFILES], check=True)


@pytest.fixture(scope="module")
def roots(tmp_path_factory: pytest.TempPathFactory) -> Generator[dict[str, Path]]:
    """The file systems of the images, by Compose's name of their service; not that of the GPU."""
    found: dict[str, Path] = {}
    for name in BUILT:
        built = Built(name)
        replay = Replay(tmp_path_factory.mktemp(name))
        replay.build(built.dockerfile, built.target)
        # Nothing but the user is missing.
        assert [step.split()[0] for step in replay.left_out] == ["useradd"]
        found[name] = replay.root
    yield found
    for root in found.values():
        shutil.rmtree(root)


def packages(root: Path) -> set[str]:
    (folder,) = root.glob("opt/ocrstream/lib/python*/site-packages")
    return {one.name for one in folder.iterdir()}


def test_an_image_holds_what_its_service_needs_and_no_more(roots: Mapping[str, Path]) -> None:
    held = {name: packages(root) for name, root in roots.items()}
    assert held["ocr-worker"] >= {"ocrstream_worker", "rapidocr", "openvino"}
    for name in ("ingest", "recorder"):
        assert not held[name] & {"rapidocr", "onnxruntime", "openvino", "cv2", "torch", "numpy"}
    for name in ("ingest", "ocr-worker"):
        assert not held[name] & {"psycopg", "sqlalchemy", "alembic"}
    for name, found in held.items():
        ours = {one for one in found if re.fullmatch(r"ocrstream_[a-z]+", one)}
        libraries = {f"ocrstream_{one}" for one in ("schemas", "imaging", "runtime", "sandbox")}
        if name != "ingest":
            libraries.add("ocrstream_layout")
        assert ours == {*libraries, f"ocrstream_{name.removeprefix('ocr-')}"}
        assert not found & {"pytest", "hatchling", "uv"}


def test_no_image_misses_a_library(roots: Mapping[str, Path]) -> None:
    if sys.platform != "linux":
        not_run("libraries that images need", "only Linux has ldd")
    for name, root in roots.items():
        libraries = [one for one in root.rglob("*.so*") if one.is_file() and not one.is_symlink()]
        told = subprocess.run(["ldd", *libraries], capture_output=True, text=True, check=False)
        needed = re.findall(r"^\s+(lib\S+) => (/usr/|/lib|not found)", told.stdout, re.M)
        assert needed
        assert {library for library, _ in needed} <= SYSTEM_LIBRARIES, name


# ---- what they run -------------------------------------------------------------------------------


class Container:
    """A service of docker-compose.yml as a process: its variables and no other, its command.

    `outside` says what stands for the addresses and folders that only containers have.
    """

    def __init__(
        self, name: str, root: Path, folder: Path, outside: Mapping[str, str], port: int
    ) -> None:
        self._name, self._root, self._folder = name, root, folder
        built = Built(name)
        self._command = built.command
        self._health = built.service.get("healthcheck", {"test": []})["test"][1:]
        self._variables = {
            **{name: self._translated(value, outside) for name, value in built.variables.items()},
            "OCRSTREAM_HTTP_HOST": "127.0.0.1",
            "OCRSTREAM_HTTP_PORT": str(port),
        }
        self.url = f"http://127.0.0.1:{port}"

    def _translated(self, value: str, outside: Mapping[str, str]) -> str:
        for inside, there in outside.items():
            value = value.replace(inside, there)
        return value.replace("/opt/", f"{self._root}/opt/").replace("$PATH", "/usr/bin:/bin")

    def run(self, command: list[str] | None = None) -> "subprocess.CompletedProcess[str]":
        """Run a command in it, its own by default, to its end."""
        return subprocess.run(
            self._bare(command or self._command),
            cwd=self._folder,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def start(self) -> Process:
        log = self._folder.with_name(f"{self._name}.log")
        return processes.start(self._name, self._bare(self._command), log, folder=self._folder)

    def healthy(self) -> bool:
        """What Docker would ask."""
        return self.run(self._health).returncode == 0

    def _bare(self, command: list[str]) -> list[str]:
        variables = [f"{name}={value}" for name, value in self._variables.items()]
        return ["env", "--ignore-environment", *variables, *command]


def files(root: Path) -> dict[Path, int]:
    return {one: one.lstat().st_mtime_ns for one in (root / "opt").rglob("*")}


def test_the_services_read_an_image_from_read_only_installs(
    roots: Mapping[str, Path], own_broker: Broker, database_url: str, tmp_path: Path
) -> None:
    folder, data = tmp_path / "nothing", tmp_path / "data"
    (data / "images").mkdir(parents=True)
    folder.mkdir()
    image = Image.new("RGB", (360, 80), "white")
    font = ImageFont.load_default(40)
    ImageDraw.Draw(image).text((20, 15), "INVOICE 2026", "black", font)
    image.save(data / "images" / "invoice.png")
    outside = {
        "kafka:19092": own_broker.bootstrap,
        "postgresql://ocrstream@postgres:5432/ocrstream": database_url,
        "/data/": f"{data}/",
    }
    images = {"topics": "ingest", "migrate": "recorder", "recorder-api": "recorder"}
    images |= {name: name for name in BUILT}
    containers = {
        name: Container(name, roots[root], folder, outside, free_port())
        for name, root in images.items()
    }
    before = {name: files(root) for name, root in roots.items()}

    for job, said in (("topics", f"{len(TOPICS)} already there"), ("migrate", "")):
        ran = containers[job].run()
        assert ran.returncode == 0, ran.stderr
        assert said in ran.stdout
    assert not containers["ingest"].healthy()
    started = {name: containers[name].start() for name in RUNNING}
    try:
        for name, process in started.items():
            waiting.wait_until(process, containers[name].healthy, "healthy")
        addresses = {
            "INGEST_URL": containers["ingest"].url,
            "RECORDER_URL": containers["recorder-api"].url,
        }
        client = [
            Path(sys.executable).with_name("ocrstream"),
            *("submit", data / "images" / "invoice.png", "--batch-name", "b", "--wait", "--json"),
        ]
        for how in ([], ["--by-reference"]):
            subprocess.run([*client, *how], env=addresses, check=True, timeout=120)
    finally:
        processes.stop(started.values(), 40)
    for name in started:
        log = (tmp_path / f"{name}.log").read_text(encoding="utf-8")
        assert '"event": "stopped"' in log.splitlines()[-1]
    # A read-only file system would have refused nothing.
    assert not list(folder.iterdir())
    assert before == {name: files(root) for name, root in roots.items()}
