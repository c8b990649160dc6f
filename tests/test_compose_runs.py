"""docker-compose.yml at work: the documented commands on a Docker engine, if the tests may use one.

Else what can run without: its broker, and Docker Compose up to the point where it asks for an
engine. What that cannot show is listed at the end of the tests.
"""

import re
import subprocess
from collections.abc import Generator
from pathlib import Path

import httpx
import pytest
from compose import ROOT, docker_compose, services
from container_servers import TEST_SERVERS, in_containers
from real_servers import CACHE
from whole_system import eventually

from ocrstream_local import downloads, processes, waiting
from ocrstream_local.processes import Process, free_port
from ocrstream_runtime.topics import ensure_topics, find_cluster
from ocrstream_schemas.topics import TOPICS

pytestmark = pytest.mark.integration

NO_ENGINE = f"{TEST_SERVERS} is not containers"


class ComposedKafka:
    """A broker set up and started as in its container, with a folder and ports of its own."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._java = [downloads.java(print), "-cp", f"{downloads.kafka_jars(CACHE, print)}/*"]
        service = services()["kafka"]
        ports = {port: str(free_port()) for port in ("19092", "9092", "9093")}
        how, *check = service["healthcheck"]["test"]
        assert how == "CMD"
        self._check = [part.replace("$$", "$").replace("19092", ports["19092"]) for part in check]

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

    def healthy(self) -> bool:
        """Whether its health check passes, which may use no more than the shell and its tools."""
        variables = {"PATH": "/usr/bin:/bin"}
        checked = subprocess.run(
            self._check, env=variables, capture_output=True, timeout=15, check=False
        )
        return checked.returncode == 0

    def start(self) -> Process:
        """Start it; returns when its health check passes."""
        log = self._folder / "kafka.log"
        properties = str(self._folder / "config" / "server.properties")
        heap = self._environment["KAFKA_HEAP_OPTS"].split()
        process = processes.start(
            "kafka", [self._java[0], *heap, *self._java[1:], "kafka.Kafka", properties], log
        )
        waiting.wait_until(process, self.healthy, "ready")
        return process


async def test_a_broker_starts_with_what_compose_tells_it(tmp_path: Path) -> None:
    kafka = ComposedKafka(tmp_path)
    assert "already formatted" not in kafka.set_up()
    # As after a restart: what the image's start looks for, to go on.
    assert "already formatted" in kafka.set_up()
    assert not kafka.healthy()
    broker = kafka.start()
    try:
        # It serves clients as soon as it is healthy.
        assert set(await ensure_topics(kafka.published)) == TOPICS.keys()
        assert re.fullmatch(r"[\w-]{22}", await find_cluster(kafka.published))
    finally:
        processes.stop([broker], 20)
    assert not kafka.healthy()


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


@pytest.mark.timeout(600)
async def test_both_servers_of_compose_become_healthy() -> None:
    if not in_containers():
        pytest.skip(f"not run: docker compose up kafka postgres: {NO_ENGINE}")
    port = free_port()

    def composed(*arguments: str) -> str:
        # Not the project that its user may have running, nor its volumes.
        ran = docker_compose(
            [f"--project-name=ocrstream-test-{port}", *arguments], {"KAFKA_PORT": str(port)}
        )
        assert ran.returncode == 0, ran.stderr
        return ran.stdout

    try:
        composed("up", "--detach", "--wait", "kafka", "postgres")
        states = composed("ps", "--format", "{{.Service}} {{.Health}}").split("\n")
        assert sorted(filter(None, states)) == ["kafka healthy", "postgres healthy"]
        assert set(await ensure_topics(f"127.0.0.1:{port}")) == TOPICS.keys()
    finally:
        composed("down", "--volumes")


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
    if not in_containers():
        pytest.skip(f"not run: docker compose up: {NO_ENGINE}")
    up, submit, scale, _, watched = request.getfixturevalue("composed")
    shell(up)
    assert "SUCCESS" in shell(submit)
    shell(scale)
    shell(watched)
    assert "SUCCESS" in shell(submit.replace("receipts", "watched"))
    query = {"query": "count(count by (job) (up == 1))"}

    def all_scraped() -> bool | None:
        answer = httpx.get("http://127.0.0.1:9090/api/v1/query", params=query).json()
        result = answer["data"]["result"]
        return (bool(result) and result[0]["value"][1] == "4") or None

    eventually("four jobs that answer", all_scraped)


@pytest.mark.timeout(3600)
def test_docker_compose_reads_with_doctr_on_a_gpu(request: pytest.FixtureRequest) -> None:
    if not in_containers():
        pytest.skip(f"not run: the GPU image: {NO_ENGINE}")
    if "nvidia" not in shell("docker info --format '{{.Runtimes}}'"):
        pytest.skip("not run: the GPU image: the Docker engine has no NVIDIA runtime")
    _, submit, _, gpu, _ = request.getfixturevalue("composed")
    shell(gpu)
    assert "SUCCESS" in shell(submit)
