"""What the Dockerfiles install runs, with the variables that docker-compose.yml gives it.

Where a Docker engine answers, the commands of the documents build and run the real thing. Elsewhere
the install steps are replayed in a scratch folder, and the services run from there on real servers;
what that cannot show is listed at the end of the tests.
"""

import json
import re
import shutil
import subprocess
import sys
import urllib.request
from collections.abc import Generator, Mapping
from pathlib import Path

import pytest
from compose import DOCKER_COMPOSE, ROOT, docker_compose, services
from dockerfiles import Replay, image_environment, last, stages
from PIL import Image, ImageDraw, ImageFont
from real_servers import CACHE, Broker
from whole_system import eventually

from ocrstream_local import downloads, processes
from ocrstream_local.containers import docker_answers
from ocrstream_local.processes import Process, free_port
from ocrstream_runtime.topics import ensure_topics, find_cluster
from ocrstream_schemas.topics import TOPICS

pytestmark = [pytest.mark.integration, pytest.mark.timeout(420)]

DOCKERFILES = sorted((ROOT / "services").glob("*/Dockerfile"))
RUNNING = ("ingest", "ocr-worker", "recorder")
NO_ENGINE = "no Docker engine answers"

# What a Linux with any C++ program on it has; Python's slim images, too.
SYSTEM_LIBRARIES = {
    *("libc.so.6", "libdl.so.2", "libm.so.6", "libpthread.so.0", "libresolv.so.2"),
    *("librt.so.1", "libutil.so.1", "libz.so.1"),
    *("libgcc_s.so.1", "libstdc++.so.6"),
    # OpenVINO looks for it only to compute on a GPU.
    "libOpenCL.so.1",
}


# ---- the Dockerfiles -----------------------------------------------------------------------------------


def test_hadolint_finds_nothing() -> None:
    hadolint = Path(sys.executable).with_name("hadolint")
    subprocess.run([hadolint, *DOCKERFILES], check=True)


@pytest.fixture(scope="module")
def roots(tmp_path_factory: pytest.TempPathFactory) -> Generator[dict[str, Path]]:
    """The file systems of the images, by Compose's name of their service; not that of the GPU."""
    found: dict[str, Path] = {}
    for name in RUNNING:
        build = services()[name]["build"]
        dockerfile = ROOT / build["dockerfile"]
        replay = Replay(tmp_path_factory.mktemp(name))
        replay.build(dockerfile, build.get("target") or list(stages(dockerfile))[-1])
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
        service = f"ocrstream_{name.removeprefix('ocr-')}"
        assert ours == {"ocrstream_schemas", "ocrstream_runtime", service}
        assert not found & {"pytest", "hatchling", "uv"}


def test_no_image_misses_a_library(roots: Mapping[str, Path]) -> None:
    if sys.platform != "linux":
        pytest.skip("not run: libraries that images need: only Linux has ldd")
    for name, root in roots.items():
        libraries = [one for one in root.rglob("*.so*") if one.is_file() and not one.is_symlink()]
        told = subprocess.run(["ldd", *libraries], capture_output=True, text=True, check=False)
        needed = re.findall(r"^\s+(lib\S+) => (/usr/|/lib|not found)", told.stdout, re.M)
        assert needed
        assert {library for library, _ in needed} <= SYSTEM_LIBRARIES, name


# ---- what they run -------------------------------------------------------------------------------------


class Container:
    """A service of docker-compose.yml as a process: its variables and no other, its command.

    `outside` says what stands for the addresses and folders that only containers have.
    """

    def __init__(
        self, name: str, root: Path, folder: Path, outside: Mapping[str, str], port: int
    ) -> None:
        self._name, self._root, self._folder = name, root, folder
        service = services()[name]
        found = stages(ROOT / service["build"]["dockerfile"])
        target = service["build"].get("target") or list(found)[-1]
        self._command = service["command"] or re.findall(r'"([^"]+)"', str(last(found, target, "CMD")))
        self._health = service.get("healthcheck", {"test": []})["test"][1:]
        self._environment = {
            variable: self._translated(value, outside)
            for variable, value in (image_environment(found, target) | service["environment"]).items()
        } | {"OCRSTREAM_HTTP_HOST": "127.0.0.1", "OCRSTREAM_HTTP_PORT": str(port)}
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
        variables = [f"{name}={value}" for name, value in self._environment.items()]
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
    images = {"topics": "ingest", "migrate": "recorder"} | {name: name for name in RUNNING}
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
            processes.wait_until(process, containers[name].healthy, 120, "healthy")
        addresses = {
            "INGEST_URL": containers["ingest"].url,
            "RECORDER_URL": containers["recorder"].url,
        }
        client = [
            Path(sys.executable).with_name("ocrstream"),
            *("submit", data / "images" / "invoice.png", "--batch-name", "b", "--wait", "--json"),
        ]
        for how in ([], ["--by-reference"]):
            subprocess.run([*client, *how], env=addresses, check=True, timeout=120)
        with urllib.request.urlopen(f"{addresses['RECORDER_URL']}/metrics") as answer:
            assert b"ocrstream_recorder_records_total" in answer.read()
    finally:
        processes.stop(started.values(), 40)
    for name in started:
        log = (tmp_path / f"{name}.log").read_text(encoding="utf-8")
        assert '"event": "stopped"' in log.splitlines()[-1]
    # A read-only file system would have refused nothing.
    assert not list(folder.iterdir())
    assert before == {name: files(root) for name, root in roots.items()}


# ---- Kafka's variables -----------------------------------------------------------------------------------


class ComposedKafka:
    """A broker that is set up and started as in its container, with a folder and ports of its own."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._java = [downloads.java(print), "-cp", f"{downloads.kafka_jars(CACHE, print)}/*"]
        service = services()["kafka"]
        ports = {port: str(free_port()) for port in ("19092", "9092", "9093")}

        def translated(value: str) -> str:
            value = value.replace("/var/lib/kafka/data", str(folder / "data"))
            return re.sub(r"(?<=:)\d+$|(?<=:)\d+(?=,)", lambda one: ports[one[0]], value)

        self._environment = {name: translated(one) for name, one in service["environment"].items()}
        *self._shell, script = service["command"]
        self._script = translated(script).replace("$$", "$")
        self.published = f"127.0.0.1:{ports['9092']}"

    def set_up(self) -> str:
        """Write its properties and format its folder; returns what that said."""
        cluster = self._script.replace("/etc/kafka/docker/run", "printenv CLUSTER_ID")
        (self._folder / "config").mkdir(exist_ok=True)
        none = self._folder / "none"
        setting_up = subprocess.run(
            [
                *(*self._java, "kafka.docker.KafkaDockerWrapper", "setup"),
                *("--default-configs-dir", none, "--mounted-configs-dir", none),
                *("--final-configs-dir", self._folder / "config"),
            ],
            env={
                **self._environment,
                "CLUSTER_ID": subprocess.check_output([*self._shell, cluster], text=True).strip(),
            },
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=60,
            check=False,
        )
        return setting_up.stdout

    def start(self) -> Process:
        """Start it; returns when it serves clients."""
        log = self._folder / "kafka.log"
        properties = str(self._folder / "config" / "server.properties")
        heap = self._environment["KAFKA_HEAP_OPTS"].split()
        process = processes.start(
            "kafka", [self._java[0], *heap, *self._java[1:], "kafka.Kafka", properties], log
        )
        started = "Kafka Server started"
        processes.wait_until(process, lambda: started in log.read_text("utf-8"), 60, "ready")
        return process


async def test_a_broker_starts_with_what_compose_tells_it(tmp_path: Path) -> None:
    kafka = ComposedKafka(tmp_path)
    assert "already formatted" not in kafka.set_up()
    # As after a restart: what the image's start looks for, to go on.
    assert "already formatted" in kafka.set_up()
    broker = kafka.start()
    try:
        assert set(await ensure_topics(kafka.published)) == TOPICS.keys()
        assert re.fullmatch(r"[\w-]{22}", await find_cluster(kafka.published))
    finally:
        processes.stop([broker], 20)


# ---- the real thing --------------------------------------------------------------------------------------


def documented() -> list[str]:
    """The blocks of docs/operations.md that need a Docker engine."""
    text = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
    return re.findall(r"^```bash compose\n(.*?)^```", text, re.M | re.S)


def test_docker_compose_takes_the_documented_options() -> None:
    found = re.findall(r"^(?:\w+=\S+ )?docker compose (.+)$", "".join(documented()), re.M)
    assert len(found) == 5
    for options in found:
        arguments = options.replace("'", "").split()
        answer = docker_compose(arguments, {"DOCKER_HOST": "tcp://127.0.0.1:9"})
        # It gets as far as asking an engine that is not there.
        assert "Cannot connect to the Docker daemon" in answer.stderr, options


def shell(script: str) -> str:
    ran = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, f"{script}\n---\n{ran.stdout}"
    return ran.stdout


@pytest.fixture
def composed() -> Generator[list[str]]:
    """The documented commands; whatever they leave is removed, data included."""
    *commands, down = documented()
    try:
        yield commands
    finally:
        shell(f"{down.strip()} --volumes")


@pytest.mark.timeout(3600)
def test_docker_compose_runs_the_whole_system(request: pytest.FixtureRequest) -> None:
    if not docker_answers():
        pytest.skip(f"not run: docker compose up: {NO_ENGINE}")
    up, submit, scale, _, watched = request.getfixturevalue("composed")
    shell(up)
    assert "SUCCESS" in shell(submit)
    shell(scale)
    shell(watched)
    assert "SUCCESS" in shell(submit.replace("receipts", "watched"))
    query = "http://127.0.0.1:9090/api/v1/query?query=count(count by (job) (up == 1))"

    def all_scraped() -> bool | None:
        with urllib.request.urlopen(query.replace(" ", "%20"), timeout=10) as answer:
            result = json.load(answer)["data"]["result"]
        return bool(result) and result[0]["value"][1] == "3" or None

    eventually("three jobs that answer", all_scraped)


@pytest.mark.timeout(3600)
def test_docker_compose_reads_with_docTR_on_a_gpu(request: pytest.FixtureRequest) -> None:
    if not docker_answers():
        pytest.skip(f"not run: the GPU image: {NO_ENGINE}")
    if "nvidia" not in shell("docker info --format '{{.Runtimes}}'"):
        pytest.skip("not run: the GPU image: the Docker engine has no NVIDIA runtime")
    _, submit, _, gpu, _ = request.getfixturevalue("composed")
    shell(gpu)
    assert "SUCCESS" in shell(submit)
