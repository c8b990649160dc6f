"""docker-compose.yml at work: built, started, used from outside, broken, replaced and removed.

One system for all tests of this module, which take it over from each other in their order: a
start takes a minute. They run where the tests' servers are containers.
"""

import json
import re
import secrets
import subprocess
import sys
import zipfile
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

import httpx
import pytest
from balanced_client import BalancedClient
from compose import ROOT, services
from composed import BUILD_TIMEOUT_S, Composed, docker, has_image, healths, run
from container_servers import needs_engine
from documented import compose_commands
from large_images import hundred_megapixels
from not_run import not_run
from other_build import BEFORE, IMAGES_OF, beside, build, commit_before
from recorded import record_results
from whole_system import eventually

from ocrstream_schemas.topics import BATCHES_COMMANDS, IMAGES_SUBMITTED

pytestmark = [pytest.mark.containers, pytest.mark.integration, pytest.mark.timeout(600)]

CLIENT = Path(sys.executable).with_name("ocrstream")
SAMPLES = ROOT / "samples" / "images"
JOBS = {"topics", "migrate"}
SERVERS = {"kafka", "postgres"}
OURS = {"ingest", "ocr-worker", "recorder", "recorder-api"}
# Of a few images, on two cores, after something was killed.
END_TIMEOUT_S = 180.0
# Reads nothing, takes a while for it, and is missed soon after it was killed.
NOOP = """
services:
  ocr-worker:
    environment:
      OCRSTREAM_SESSION_TIMEOUT_S: "10"
      OCRSTREAM_ENGINE: noop
      OCRSTREAM_NOOP_IMAGE_S: "0.1"
  recorder:
    environment:
      OCRSTREAM_SESSION_TIMEOUT_S: "10"
"""


@pytest.fixture(scope="module")
def composed(tmp_path_factory: pytest.TempPathFactory) -> Generator[Composed]:
    """The system as the documented command starts it, images built from this checkout."""
    needs_engine("docker compose up")
    composed = Composed(tmp_path_factory.mktemp("composed"))
    try:
        composed.shell(compose_commands()["up"], BUILD_TIMEOUT_S)
        yield composed
    finally:
        composed.save_logs()
        composed.down()


@pytest.fixture(scope="module")
def quick(composed: Composed) -> Composed:
    """The system with an engine that reads nothing."""
    composed.change("noop", NOOP)
    composed.up()
    return composed


def addresses(composed: Composed) -> dict[str, str]:
    """What a client must be told."""
    outside = composed.outside
    return {"INGEST_URL": outside.ingest_url, "RECORDER_URL": outside.recorder_url}


def ask(composed: Composed, path: str, **parameters: str) -> dict[str, Any] | None:
    """The recorder's answer; None if there is none yet, or not now."""
    try:
        answer = httpx.get(composed.outside.recorder_url + path, params=parameters, timeout=30)
    except httpx.TransportError:
        return None
    if answer.status_code in {404, 503}:
        return None
    return answer.raise_for_status().json()


def words_of(composed: Composed, image_path: str) -> str:
    """The text that was read of an image."""
    found = ask(composed, "/v1/images", image_path=image_path)
    assert found is not None
    return " ".join(box["text"] for box in found["text_boxes"])


def expected_words() -> dict[str, list[str]]:
    """The words that must be read, by the name of the sample without its suffix."""
    texts = json.loads((ROOT / "samples" / "texts.json").read_text(encoding="utf-8"))
    return {one["name"]: one["contains"] for one in texts}


def ended(composed: Composed, batch_id: str) -> dict[str, Any]:
    """A batch once it has ended, images that a killed worker held included."""

    def look() -> dict[str, Any] | None:
        batch = ask(composed, f"/v1/batches/{batch_id}")
        return batch if batch and batch["status"] in {"SUCCESS", "FAILURE", "REVOKED"} else None

    return eventually(f"end of batch {batch_id}", look, END_TIMEOUT_S)


def exactly(composed: Composed, batch_id: str, images: int) -> None:
    """Wait for the end of a batch, of which every image is read, and is there once."""
    batch = ended(composed, batch_id)
    counted = {name: batch[f"{name}_images"] for name in ("seen", "completed", "failed", "total")}
    assert counted == {"seen": images, "completed": images, "failed": 0, "total": images}
    assert batch["status"] == "SUCCESS"
    assert batch["completed_chunks"] == batch["total_chunks"]
    found = composed.outside.images(batch_id)
    assert [one["index"] for one in found] == list(range(images))


# ---- built and started ---------------------------------------------------------------------------


@pytest.mark.timeout(BUILD_TIMEOUT_S + 300)
def test_all_of_it_is_built_and_becomes_healthy(composed: Composed) -> None:
    healthy = {name: {"healthy"} for name in SERVERS | OURS}
    assert healths(composed.containers()) == {**healthy, **{name: {"exited 0"} for name in JOBS}}


@pytest.mark.parametrize("service", sorted(SERVERS | OURS))
def test_a_container_can_do_no_more_than_it_must(composed: Composed, service: str) -> None:
    status = composed.execute(service, "cat", "/proc/1/status")
    told = dict(re.findall(r"^(\w+):\s*(.+)$", status, re.M))
    assert "0" not in told["Uid"].split()
    assert int(told["CapBnd"], 16) == int(told["CapEff"], 16) == 0
    assert told["NoNewPrivs"] == "1"
    mounted = [
        line.split() for line in composed.execute(service, "cat", "/proc/mounts").split("\n")
    ]
    options = {one[1]: (one[2], one[3].split(",")) for one in mounted if one}
    assert "ro" in options["/"][1]
    # Whatever lies in memory has a bound: without one, half of the machine's.
    writable = {
        place: told for place, (kind, told) in options.items() if kind == "tmpfs" and "rw" in told
    }
    in_memory = {one.partition(":")[0] for one in services()[service].get("tmpfs") or []}
    assert in_memory <= writable.keys()
    for place in in_memory:
        assert any(option.startswith("size=") for option in writable[place]), place
    limit = composed.container(service).content["HostConfig"]["Memory"]
    assert limit == int(services()[service]["deploy"]["resources"]["limits"]["memory"])


# ---- used from outside ---------------------------------------------------------------------------


def test_uploads_are_read(composed: Composed) -> None:
    assert "SUCCESS" in composed.shell(compose_commands()["submit"])


def test_references_into_the_mounted_folder_are_read(composed: Composed) -> None:
    composed.shell(compose_commands()["by reference"])
    names = sorted(path.name for path in SAMPLES.iterdir())
    exactly(composed, "samples", len(names))
    for name in names:
        said = words_of(composed, f"file:///data/images/{name}")
        for word in expected_words()[Path(name).stem]:
            assert word in said, name


async def test_what_others_write_to_kafka_is_read(composed: Composed) -> None:
    batch_id = secrets.token_hex(8)
    announced = {"type": "BatchSubmitted", "batch_id": batch_id, "total_images": 2}
    told = {"image_path": "file:///data/images/receipt-es.png", "batch_id": batch_id}
    await composed.outside.send(
        (IMAGES_SUBMITTED, None, {**told, "index": 0}),
        (BATCHES_COMMANDS, None, announced),
        (IMAGES_SUBMITTED, b"any key", {**told, "index": 1, "chain_id": secrets.token_hex(8)}),
    )
    exactly(composed, batch_id, 2)


# ---- watched -------------------------------------------------------------------------------------


def watched(composed: Composed, *names: str) -> None:
    """Start services of the profile `observability` whose images can be had; else not run."""
    pinned = {name: services()[name]["image"] for name in names}
    missing = [one for one in pinned.values() if not has_image(one)]
    if missing:
        not_run(f"profile observability: {', '.join(names)}", f"no image of {', '.join(missing)}")
    composed.compose("--profile=observability", "up", "--detach", "--wait", "--no-build", *names)


def test_prometheus_scrapes_every_service_and_knows_the_rules(composed: Composed) -> None:
    watched(composed, "prometheus")
    url = f"http://127.0.0.1:{composed.ports['PROMETHEUS_PORT']}/api/v1"

    def scraped() -> bool | None:
        told = httpx.get(f"{url}/query", params={"query": "sum by (job) (up)"}, timeout=30).json()
        jobs = {one["metric"]["job"]: one["value"][1] for one in told["data"]["result"]}
        names = ("ingest", "recorder", "recorder-api", "worker")
        return jobs == {f"ocrstream-{name}": "1" for name in names} or None

    eventually("every service is scraped", scraped)
    rules = httpx.get(f"{url}/rules", timeout=30).json()["data"]["groups"]
    assert {rule["health"] for group in rules for rule in group["rules"]} <= {"ok", "unknown"}
    version = httpx.get(f"{url}/status/buildinfo", timeout=30).json()["data"]["version"]
    wanted = services()["prometheus"]["image"].partition(":v")[2]
    assert version.partition(".")[0] == wanted.partition(".")[0]


def test_jaeger_is_sent_traces_of_an_image(composed: Composed) -> None:
    watched(composed, "otel-collector", "jaeger")
    composed.shell(compose_commands()["watched"])
    composed.shell(compose_commands()["submit"])
    url = f"http://127.0.0.1:{composed.ports['JAEGER_PORT']}/api/services"

    def traced() -> bool | None:
        told = httpx.get(url, timeout=30).json()["data"] or []
        return {"ocrstream-ingest", "ocrstream-worker", "ocrstream-recorder"} <= set(told) or None

    eventually("spans of every service", traced)


def test_grafana_has_the_dashboard(composed: Composed) -> None:
    watched(composed, "prometheus", "grafana")
    url = f"http://127.0.0.1:{composed.ports['GRAFANA_PORT']}"
    found = httpx.get(f"{url}/api/search", params={"type": "dash-db"}, timeout=30).json()
    assert len(found) == 1
    sources = httpx.get(f"{url}/api/dashboards/uid/{found[0]['uid']}", timeout=30)
    assert sources.status_code == 200


# ---- at the limits of memory ---------------------------------------------------------------------


def untouched(composed: Composed, *names: str) -> Callable[[], None]:
    """To be called after what these services must live through."""
    before = {name: composed.container(name).state["StartedAt"] for name in names}

    def check() -> None:
        for name in names:
            assert composed.container(name).state["StartedAt"] == before[name], name
            limit = composed.container(name).content["HostConfig"]["Memory"]
            peak = composed.peak_bytes(name)
            print(f"{name}: at most {peak / 2**20:.0f} of {limit / 2**20:.0f} MiB")
            assert composed.memory_kills(name) == 0, name

    return check


@pytest.mark.timeout(900)
def test_images_of_a_hundred_megapixels_are_read(composed: Composed) -> None:
    check = untouched(composed, "ingest", "ocr-worker", "recorder", "recorder-api")
    files = hundred_megapixels(composed.folder / "large")
    command = [str(CLIENT), "submit", *map(str, files), "--wait", "--json"]
    told = json.loads(run(command, 600, addresses(composed)).splitlines()[-1])
    exactly(composed, told["batch_id"], len(files))
    for one in composed.outside.images(told["batch_id"]):
        assert "HUNDRED" in words_of(composed, one["image_path"])
        # As the dashboard shows it.
        shown = httpx.get(
            f"{composed.outside.recorder_url}/v1/pictures",
            params={"image_path": one["image_path"], "width": "1024"},
            timeout=120,
        )
        assert shown.status_code == 200, shown.text
    check()


def export(composed: Composed, url: str, format_name: str) -> Path:
    """An export, in a file."""
    file = composed.folder / f"exported.{format_name}"
    told = {"format": format_name}
    with file.open("wb") as out, httpx.stream("GET", url, params=told, timeout=120) as answer:
        assert answer.status_code == 200
        for piece in answer.iter_bytes():
            out.write(piece)
    return file


@pytest.mark.timeout(900)
async def test_twenty_thousand_images_are_recorded_and_exported(composed: Composed) -> None:
    images, batch_id = 20_000, secrets.token_hex(8)
    check = untouched(composed, "recorder", "recorder-api")
    await record_results(composed.outside.kafka, batch_id, images)

    def all_there() -> bool | None:
        batch = ask(composed, f"/v1/batches/{batch_id}")
        return bool(batch and batch["status"] == "SUCCESS") or None

    eventually("20,000 results", all_there, within_s=300)
    url = f"{composed.outside.recorder_url}/v1/batches/{batch_id}/export"
    exported = {name: export(composed, url, name) for name in ("jsonl", "csv", "pdf", "zip")}
    with exported["jsonl"].open(encoding="utf-8") as lines:
        assert sum(1 for _ in lines) == images
    with zipfile.ZipFile(exported["zip"]) as archive:
        names = archive.namelist()
        assert sum(name.startswith("txt/") for name in names) == images, names[:5]
    check()


# ---- more workers and fewer ----------------------------------------------------------------------


def alive(composed: Composed) -> int:
    """How many workers say that they are there."""
    found = ask(composed, "/v1/workers") or {"items": []}
    return sum(one["alive"] and one["ready"] for one in found["items"])


def some_done(composed: Composed, batch_id: str, at_least: int) -> None:
    """Wait until so many images of a batch are read."""

    def look() -> bool | None:
        batch = ask(composed, f"/v1/batches/{batch_id}")
        return bool(batch and batch["completed_images"] >= at_least) or None

    eventually(f"{at_least} images", look, END_TIMEOUT_S)


async def send_images(composed: Composed, batch_id: str, indexes: range, total: int) -> None:
    """Have another producer submit images of a batch, all of one file."""
    told = {"image_path": "file:///data/images/receipt-es.png", "batch_id": batch_id}
    await composed.outside.send(
        *(
            (IMAGES_SUBMITTED, None, {**told, "index": index, "batch_total": total})
            for index in indexes
        )
    )


async def test_workers_are_added_and_taken_away_during_a_batch(quick: Composed) -> None:
    batch_id, images = secrets.token_hex(8), 300
    eventually("one worker", lambda: alive(quick) == 1 or None)
    await send_images(quick, batch_id, range(images // 2), images)
    quick.shell(compose_commands()["scale"])
    eventually("three workers", lambda: alive(quick) == 3 or None)
    assert [one.health for one in quick.containers("ocr-worker")] == ["healthy"] * 3
    await send_images(quick, batch_id, range(images // 2, images), images)
    some_done(quick, batch_id, images // 2 + 20)
    quick.up("--scale", "ocr-worker=1")
    assert len(quick.containers("ocr-worker")) == 1
    exactly(quick, batch_id, images)
    eventually("one worker", lambda: alive(quick) == 1 or None)


async def test_a_batch_is_cancelled_through_ingest(quick: Composed) -> None:
    batch_id, images = secrets.token_hex(8), 200
    await send_images(quick, batch_id, range(images), images)
    some_done(quick, batch_id, 1)
    run([str(CLIENT), "cancel", batch_id], 60, addresses(quick))
    batch = ended(quick, batch_id)
    assert batch["status"] == "REVOKED"
    assert 0 < batch["completed_images"] < images


# ---- killed --------------------------------------------------------------------------------------


@pytest.mark.timeout(900)
async def test_each_container_is_killed_once_during_a_batch(quick: Composed) -> None:
    batch_id, each = secrets.token_hex(8), 60
    victims = ["ocr-worker", "recorder", "recorder-api", "ingest", "postgres", "kafka"]
    assert set(victims) == SERVERS | OURS
    images = each * len(victims)
    for number, victim in enumerate(victims):
        portion = range(number * each, (number + 1) * each)
        await send_images(quick, batch_id, portion, images)
        some_done(quick, batch_id, portion.start + 5)
        quick.kill(victim)
    exactly(quick, batch_id, images)


def test_ingest_is_killed_while_a_client_uploads(quick: Composed) -> None:
    batch_id, images = secrets.token_hex(8), 300
    folder = quick.folder / "small"
    for index in range(images):
        quick.outside.image(f"small/{index:04}.png")
    command = [CLIENT, "submit", folder, "--batch-id", batch_id, "--wait", "--json"]
    with subprocess.Popen(command, env=addresses(quick), stdout=subprocess.PIPE) as client:
        eventually("its first images", lambda: ask(quick, f"/v1/batches/{batch_id}"))
        quick.kill("ingest")
        client.communicate(timeout=300)
        assert client.returncode == 0
    exactly(quick, batch_id, images)


# ---- replaced ------------------------------------------------------------------------------------


@pytest.mark.timeout(BUILD_TIMEOUT_S)
def test_services_of_another_build_take_over_under_load_and_give_back(quick: Composed) -> None:
    build(commit_before(), quick.folder / "before")
    ports = {"ingest": quick.ports["GRAFANA_PORT"], "recorder-api": quick.ports["JAEGER_PORT"]}
    others = [f"{name}-{BEFORE}" for name in IMAGES_OF]
    quick.change("before", beside(quick, ports))
    here = quick.outside
    client = BalancedClient(
        [here.ingest_url, f"http://127.0.0.1:{ports['ingest']}"],
        [here.recorder_url, f"http://127.0.0.1:{ports['recorder-api']}"],
    )

    def goes_on() -> None:
        """What is submitted from now on is accepted, read and recorded."""
        mark = len(client.batches) + 3

        def ended() -> bool | None:
            assert client.is_alive()
            return (len(client.batches) > mark and client.ended(client.batches[mark])) or None

        eventually("the end of what was submitted", ended)

    client.start()
    try:
        goes_on()
        quick.up("--no-deps", *others)
        goes_on()
        quick.compose("stop", *IMAGES_OF)
        goes_on()
        quick.up("--no-deps", *IMAGES_OF)
        goes_on()
        quick.compose("stop", *others)
        goes_on()
    finally:
        client.end()
        quick.compose("rm", "--force", "--stop", *others)
        quick.change("before", "")
    assert client.faults == []
    for batch_id in client.batches:
        exactly(quick, batch_id, BalancedClient.IMAGES)


# ---- on a GPU ------------------------------------------------------------------------------------


@pytest.mark.timeout(BUILD_TIMEOUT_S + 600)
def test_docker_compose_reads_with_doctr_on_a_gpu(composed: Composed) -> None:
    if "nvidia" not in docker("info", "--format", "{{.Runtimes}}"):
        not_run("the GPU image", "the Docker engine has no NVIDIA runtime")
    composed.change("noop", "")
    composed.shell(compose_commands()["gpu"], BUILD_TIMEOUT_S)
    assert "SUCCESS" in composed.shell(compose_commands()["submit"])


# ---- removed -------------------------------------------------------------------------------------


def test_nothing_is_left_of_it_but_images(quick: Composed) -> None:
    assert quick.left()
    quick.shell(compose_commands()["down"].strip() + " --volumes")
    assert quick.left() == []
