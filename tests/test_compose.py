"""docker-compose.yml and what it mounts: valid, sober, and in agreement with the code.

No Docker engine is needed here: Docker Compose reads the file, and the rest is looked up. What only
containers show is looked at in test_compose_runs.py and test_images.py.
"""

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from compose import (
    COMPOSE_FILE,
    ROOT,
    SETTINGS,
    SUPPORT,
    container_ports,
    docker_compose,
    host_path,
    known_variables,
    mounts,
    project,
    services,
    variables,
)
from container_engine.images import pinned_images
from documented import compose_commands
from promtool import promtool

from ocrstream_local.containers import KAFKA_IMAGE, POSTGRES_IMAGE
from ocrstream_runtime import probe
from ocrstream_runtime.settings import ServiceSettings

OPERATIONS = ROOT / "docs" / "operations.md"
RULES = ROOT / "deploy" / "prometheus" / "rules" / "ocrstream.yml"
DASHBOARD = ROOT / "deploy" / "grafana" / "dashboards" / "ocrstream.json"

OURS = sorted(SETTINGS)
JOBS = {"topics", "migrate"}
WORKERS = {"ocr-worker", "ocr-worker-gpu"}
# Where the services listen; their images say so.
PORT = 8000
# Variables that others than our settings read: OpenTelemetry's SDK and libpq.
FOREIGN = {"OTEL_EXPORTER_OTLP_ENDPOINT", "PGPASSWORD"}
# Nothing in these images could ask, or nothing waits for the answer; the file says which.
WITHOUT_HEALTH_CHECK = {"otel-collector", "jaeger"}


def seconds(duration: str) -> float:
    parts = re.findall(r"([\d.]+)([hms])", duration)
    return sum(float(number) * {"h": 3600, "m": 60, "s": 1}[unit] for number, unit in parts)


# ---- the file itself -----------------------------------------------------------------------------


def test_each_profile_adds_what_it_is_called_for() -> None:
    recorder = {"migrate", "recorder", "recorder-api"}
    alone = {"kafka", "postgres", "topics", "ingest", "ocr-worker", *recorder}
    assert services("").keys() == alone
    assert services("gpu").keys() - alone == {"ocr-worker-gpu"}
    watching = {"otel-collector", "jaeger", "prometheus", "grafana"}
    assert services("observability").keys() - alone == watching


def test_what_the_specification_does_not_know_is_refused(tmp_path: Path) -> None:
    text = COMPOSE_FILE.read_text(encoding="utf-8")
    broken = tmp_path / "docker-compose.yml"
    broken.write_text(text.replace("stop_signal: SIGINT", "stop_with: SIGINT"), encoding="utf-8")
    answer = docker_compose(["--file", broken, "config", "--quiet"])
    assert answer.returncode != 0
    assert "stop_with" in answer.stderr


@pytest.mark.parametrize("name", services())
def test_a_service_can_do_no_more_than_it_must(name: str) -> None:
    service = services()[name]
    assert service["read_only"]
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert not service.get("privileged")
    assert int(service["deploy"]["resources"]["limits"]["memory"]) > 0
    # The user of our images is looked at where they are built.
    if "build" not in service:
        assert service["user"].partition(":")[0] not in {"", "0", "root"}
    for port in service.get("ports", []):
        assert port["host_ip"] == "127.0.0.1"
    for place, mount in mounts(service).items():
        assert mount["type"] == "volume" or mount["read_only"], place


@pytest.mark.parametrize("name", services())
def test_what_lies_in_memory_has_a_bound(name: str) -> None:
    for mount in services()[name].get("tmpfs") or []:
        assert re.search(r"[:,]size=\d+m(,|$)", mount), mount


def test_images_are_pinned() -> None:
    # The Python that the project is developed and tested with.
    minor = (ROOT / ".python-version").read_text(encoding="utf-8").strip()
    bases = set(pinned_images()) - {one["image"] for one in services().values()}
    assert bases
    assert all(base.startswith(f"python:{minor}.") for base in bases)
    for image in pinned_images():
        assert re.fullmatch(r"[\w./-]+:v?\d+\.\d+(\.\d+)?(-[a-z]+)*", image), image


def test_servers_are_those_of_the_local_stack() -> None:
    assert services()["kafka"]["image"] == KAFKA_IMAGE
    assert services()["postgres"]["image"] == POSTGRES_IMAGE


def test_what_is_waited_for_can_happen() -> None:
    for name, service in services().items():
        for waited_for, how in service.get("depends_on", {}).items():
            other = services()[waited_for]
            match how["condition"]:
                case "service_healthy":
                    assert "healthcheck" in other, name
                case "service_completed_successfully":
                    assert waited_for in JOBS, name
                case condition:
                    assert condition == "service_started"
                    assert waited_for in WITHOUT_HEALTH_CHECK, name
        assert (name in JOBS) == (service.get("restart") is None), name
        assert ("healthcheck" in service) == (name not in JOBS | WITHOUT_HEALTH_CHECK), name


def test_no_job_makes_a_start_fail_that_waits() -> None:
    # `up --wait` takes a container's end for a failure, unless one that runs has waited for it.
    waited_for = {
        job
        for service in services("").values()
        for job, how in service.get("depends_on", {}).items()
        if how["condition"] == "service_completed_successfully"
    }
    assert waited_for == JOBS


def test_workers_can_be_scaled() -> None:
    for name in WORKERS:
        assert "container_name" not in services()[name]
        assert not container_ports(services()[name])


def test_what_works_off_what_waits_leaves_the_processor_to_those_that_answer() -> None:
    shares = {name: one.get("cpu_shares") for name, one in services("gpu").items()}
    assert {name for name, share in shares.items() if share} == {"recorder", *WORKERS}
    assert {share for share in shares.values() if share} == {102}


def test_the_recorder_alone_reaches_the_database() -> None:
    assert project()["networks"]["database"]["internal"]
    on_network = {name for name, one in services().items() if "database" in one["networks"]}
    assert on_network == {"postgres", "migrate", "recorder", "recorder-api"}
    assert list(services()["postgres"]["networks"]) == ["database"]
    assert not container_ports(services()["postgres"])
    knowing = {name for name, one in services().items() if "PGPASSWORD" in json.dumps(one)}
    assert knowing == {"migrate", "recorder", "recorder-api"}


def test_ingest_writes_uploads_and_others_only_read_them() -> None:
    for name in WORKERS | {"ingest", "recorder-api"}:
        mount = mounts(services()[name])["/data/objects"]
        assert (mount["type"], mount["source"]) == ("volume", "objects")
        assert bool(mount.get("read_only")) == (name != "ingest")
        roots = services()[name]["environment"]["OCRSTREAM_IMAGE_ROOTS"]
        assert mounts(services()[name])[roots]["read_only"]
    for name in WORKERS:
        assert mounts(services()[name])["/data/results"]["source"] == "results"
        assert not mounts(services()[name])["/data/results"].get("read_only")


def test_references_have_something_to_point_to() -> None:
    samples = host_path(services()["ocr-worker"], "/data/images")
    texts = json.loads((ROOT / "samples" / "texts.json").read_text(encoding="utf-8"))
    found = {path.stem for path in samples.iterdir()}
    assert found
    assert found <= {one["name"] for one in texts if one.get("expect", "text") == "text"}


# ---- against the code ----------------------------------------------------------------------------


@pytest.mark.parametrize("name", OURS)
def test_variables_are_settings_with_values_that_hold(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = services()[name]["environment"]
    assert given.keys() <= FOREIGN | known_variables(name)
    for variable, value in given.items():
        monkeypatch.setenv(variable, value)
    settings = SETTINGS[name]()
    assert settings.kafka_bootstrap_servers == "kafka:19092" or name == "migrate"


def test_builds_are_of_dockerfiles_that_are_there() -> None:
    for name in OURS:
        build = services()[name]["build"]
        assert (ROOT / build["context"]).resolve() == ROOT
        text = (ROOT / build["dockerfile"]).read_text(encoding="utf-8")
        assert build.get("args", {}).keys() <= set(re.findall(r"^ARG (\w+)", text, re.M))
        stages = re.findall(r"^FROM \S+ AS (\S+)", text, re.M)
        assert build.get("target") in {None, *stages}


def test_a_stop_is_given_the_time_that_the_services_take() -> None:
    for name in set(OURS) - JOBS:
        taken = ServiceSettings.model_fields["shutdown_timeout_s"].default
        assert seconds(services()[name]["stop_grace_period"]) > taken


@pytest.mark.parametrize("name", sorted(set(OURS) - JOBS))
def test_the_port_is_the_same_everywhere(name: str) -> None:
    assert set(container_ports(services()[name])) <= {PORT}
    assert services()[name]["healthcheck"]["test"] == ["CMD", "python", "-m", probe.__name__]
    scraped = {
        name: found["port"]
        for job in prometheus()["scrape_configs"]
        for found in job["dns_sd_configs"]
        for name in found["names"]
    }
    assert scraped[name] == PORT


def test_what_can_be_set_is_told() -> None:
    told = OPERATIONS.read_text(encoding="utf-8")
    section = told.partition("\n## In containers\n")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| (`.+?) \|", section, re.M)
    assert variables() == set(re.findall(r"`(\w+)`", " ".join(rows)))


def test_docker_compose_takes_the_documented_options() -> None:
    blocks = "".join(compose_commands().values())
    found = re.findall(r"^(?:\w+=\S+ )?docker compose (.+)$", blocks, re.M)
    assert len(found) == 5
    for options in found:
        answer = docker_compose(
            options.replace("'", "").split(), {"DOCKER_HOST": "tcp://127.0.0.1:9"}
        )
        # It gets as far as asking an engine that is not there.
        assert "Cannot connect to the Docker daemon" in answer.stderr, options


# ---- seen from outside ---------------------------------------------------------------------------


def prometheus() -> dict[str, Any]:
    return yaml.safe_load((SUPPORT / "prometheus.yml").read_text(encoding="utf-8"))


def served_by(url: str) -> tuple[str, int]:
    """The service and its port that a URL or `host:port` leads to."""
    found = re.fullmatch(r"(?:http://)?([a-z-]+):(\d+)", url)
    assert found, url
    assert found[1] in services(), url
    return found[1], int(found[2])


def test_prometheus_scrapes_every_service_under_the_name_that_alerts_expect() -> None:
    jobs = {job["job_name"]: job["dns_sd_configs"] for job in prometheus()["scrape_configs"]}
    names = {job: {name for one in found for name in one["names"]} for job, found in jobs.items()}
    assert names == {
        "ocrstream-ingest": {"ingest"},
        "ocrstream-worker": WORKERS,
        "ocrstream-recorder": {"recorder"},
        "ocrstream-recorder-api": {"recorder-api"},
    }
    # ServiceDown names each.
    assert set(re.findall(r'job="([^"]+)"', RULES.read_text(encoding="utf-8"))) == names.keys()


def test_prometheus_finds_its_files() -> None:
    service = services()["prometheus"]
    options = dict(option.split("=", 1) for option in service["command"])
    assert host_path(service, options["--config.file"]) == SUPPORT / "prometheus.yml"
    assert mounts(service)[options["--storage.tsdb.path"]]["type"] == "volume"
    (pattern,) = prometheus()["rule_files"]
    folder = host_path(service, str(Path(pattern).parent))
    assert list(folder.glob(Path(pattern).name))


def test_promtool_accepts_the_configuration(tmp_path: Path) -> None:
    (pattern,) = prometheus()["rule_files"]
    here = host_path(services()["prometheus"], pattern)
    text = (SUPPORT / "prometheus.yml").read_text(encoding="utf-8")
    copy = tmp_path / "prometheus.yml"
    copy.write_text(text.replace(pattern, str(here)), encoding="utf-8")
    checked = subprocess.check_output([promtool(), "check", "config", copy], text=True)
    assert "1 rule files found" in checked


def test_traces_go_from_the_services_to_where_grafana_looks() -> None:
    collector = services()["otel-collector"]
    (option,) = collector["command"]
    config = yaml.safe_load(host_path(collector, option.partition("=")[2]).read_text("utf-8"))
    endpoint = config["receivers"]["otlp"]["protocols"]["http"]["endpoint"]
    told = OPERATIONS.read_text(encoding="utf-8")
    (asked,) = set(re.findall(r"OTEL_EXPORTER_OTLP_ENDPOINT=(http://otel\S+)", told))
    assert served_by(asked) == ("otel-collector", int(endpoint.rpartition(":")[2]))
    for pipeline in config["service"]["pipelines"].values():
        for kind in ("receivers", "processors", "exporters"):
            assert set(pipeline[kind]) <= config[kind].keys()
    assert served_by(config["exporters"]["otlp"]["endpoint"]) == ("jaeger", 4317)


def test_grafana_finds_its_sources_and_its_dashboard() -> None:
    grafana = services()["grafana"]
    provisioned: dict[str, Any] = {}
    for kind in ("datasources", "dashboards"):
        (file,) = host_path(grafana, f"/etc/grafana/provisioning/{kind}").glob("*.yml")
        provisioned |= yaml.safe_load(file.read_text(encoding="utf-8"))
    sources = {source["uid"]: source for source in provisioned["datasources"]}
    assert sources.keys() == {"prometheus", "jaeger"}
    for source in sources.values():
        name, port = served_by(source["url"])
        assert name == source["type"]
        assert port in container_ports(services()[name])
    dashboard = json.loads(DASHBOARD.read_text(encoding="utf-8"))
    asked = {panel["datasource"]["uid"] for panel in dashboard["panels"] if "datasource" in panel}
    assert asked
    assert asked <= sources.keys()
    (provider,) = provisioned["providers"]
    assert host_path(grafana, provider["options"]["path"]) == DASHBOARD.parent
    home = grafana["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"]
    assert host_path(grafana, home) == DASHBOARD
