"""Our images as they are built: what they hold, as whom they run, how large they are.

They run where the tests' servers are containers; the Dockerfiles are checked everywhere.
"""

import json
import re
import subprocess
import sys
import tomllib
from collections.abc import Mapping
from pathlib import Path

import pytest
from compose import ROOT, SETTINGS, docker_compose, known_variables, services
from composed import BUILD_TIMEOUT_S, docker, image
from container_engine.images import pinned_images
from container_servers import needs_engine

from ocrstream_runtime import topics

pytestmark = pytest.mark.timeout(420)

DOCKERFILES = sorted((ROOT / "services").glob("*/Dockerfile"))
MB = 1_000_000
# What is ours in them, all but the base: with some 130 MB of Python's slim image these are 220, 265
# and 600 MB. A stand-in for the base is larger.
MOST_BYTES = {
    "ocrstream-ingest": 90 * MB,
    "ocrstream-recorder": 135 * MB,
    "ocrstream-worker": 470 * MB,
}
PACKAGES = {
    "ocrstream-ingest": "ingest",
    "ocrstream-recorder": "recorder",
    "ocrstream-worker": "ocr-worker",
}

# What a Linux with any C++ program on it has; Python's slim images, too.
SYSTEM_LIBRARIES = {
    *("libc.so.6", "libdl.so.2", "libm.so.6", "libpthread.so.0", "libresolv.so.2"),
    *("librt.so.1", "libutil.so.1", "libz.so.1"),
    *("libgcc_s.so.1", "libstdc++.so.6"),
    # OpenVINO looks for it only to compute on a GPU.
    "libOpenCL.so.1",
}


def test_hadolint_finds_nothing() -> None:
    hadolint = Path(sys.executable).with_name("hadolint")
    subprocess.run([hadolint, *DOCKERFILES], check=True)


@pytest.fixture(scope="module")
def images() -> Mapping[str, str]:
    """Our images, built, by the service that starts them; not that of the GPU."""
    needs_engine("images as they are built")
    built = docker_compose(["build", "--quiet"], timeout_s=BUILD_TIMEOUT_S)
    assert built.returncode == 0, built.stderr
    return {name: services("")[name]["image"] for name in SETTINGS if name in services("")}


def inside(name: str, script: str) -> str:
    """What a shell says in a container of an image."""
    hardened = ("--read-only", "--network=none", "--cap-drop=ALL", "--entrypoint=sh")
    return docker("run", "--rm", *hardened, name, "-euc", script)


def packages(name: str) -> set[str]:
    return set(inside(name, "ls /opt/ocrstream/lib/python*/site-packages").split())


@pytest.mark.containers
@pytest.mark.timeout(BUILD_TIMEOUT_S)
@pytest.mark.parametrize("name", sorted(MOST_BYTES))
def test_an_image_is_no_larger_than_it_may_be(images: Mapping[str, str], name: str) -> None:
    assert name in images.values()
    layers = docker("history", "--human=false", "--format", "{{.Size}} {{.CreatedBy}}", name)
    told = [line for line in layers.splitlines() if not line.startswith("0 ")]
    print("\n".join(told))
    (base,) = {one for one in pinned_images() if one.startswith("python:")}
    assert image(name)["Size"] - image(base)["Size"] <= MOST_BYTES[name]


@pytest.mark.containers
@pytest.mark.parametrize("name", sorted(PACKAGES))
def test_an_image_holds_what_its_service_needs_and_no_more(
    images: Mapping[str, str], name: str
) -> None:
    assert name in images.values()
    held = packages(name)
    if name == "ocrstream-worker":
        assert held >= {"ocrstream_worker", "rapidocr", "openvino"}
        assert not held & {"onnxruntime", "torch"}
    else:
        assert not held & {"rapidocr", "onnxruntime", "openvino", "cv2", "torch", "numpy"}
    if name != "ocrstream-recorder":
        assert not held & {"psycopg", "sqlalchemy", "alembic"}
    ours = {one for one in held if re.fullmatch(r"ocrstream_[a-z]+", one)}
    libraries = {f"ocrstream_{one}" for one in ("schemas", "imaging", "runtime", "sandbox")}
    if name != "ocrstream-ingest":
        libraries.add("ocrstream_layout")
    assert ours == {*libraries, name.replace("-", "_")}
    assert not held & {"pytest", "hatchling", "uv"}


@pytest.mark.containers
@pytest.mark.parametrize("name", sorted(PACKAGES))
def test_no_image_misses_a_library(images: Mapping[str, str], name: str) -> None:
    assert name in images.values()
    told = inside(
        name, "find /opt/ocrstream -name '*.so*' -type f -exec ldd {} + 2> /dev/null || :"
    )
    needed = re.findall(r"^\s+(lib\S+) => (/usr/|/lib|not found)", told, re.M)
    assert needed
    # Stand-ins for Python's image may have more than it has.
    assert {library for library, _ in needed} <= SYSTEM_LIBRARIES
    assert {library for library, where in needed if where == "not found"} <= {"libOpenCL.so.1"}


@pytest.mark.containers
@pytest.mark.parametrize("service", sorted(set(SETTINGS) - {"ocr-worker-gpu"}))
def test_a_container_begins_with_what_its_service_understands(
    images: Mapping[str, str], service: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = image(images[service])["Config"]
    assert config["User"] == "10001:10001"
    told = dict(one.split("=", 1) for one in config["Env"] if one.startswith("OCRSTREAM_"))
    assert told.keys() <= known_variables(service)
    for variable, value in {**told, **services()[service]["environment"]}.items():
        monkeypatch.setenv(variable, value)
    settings = SETTINGS[service]()
    assert set(config["ExposedPorts"]) == {f"{settings.http_port}/tcp"}
    command = services()[service]["command"] or config["Cmd"]
    if service == "topics":
        assert command == ["python", "-m", topics.__name__]
    else:
        project = ROOT / "services" / PACKAGES[images[service]] / "pyproject.toml"
        scripts = tomllib.loads(project.read_text(encoding="utf-8"))["project"]["scripts"]
        assert command[0] in scripts


@pytest.mark.containers
@pytest.mark.parametrize("name", sorted(PACKAGES))
def test_the_folders_of_volumes_belong_to_the_service(images: Mapping[str, str], name: str) -> None:
    assert name in images.values()
    # A new volume belongs to whom the folder in the image belongs to.
    mounts = json.dumps(
        [one.get("volumes") for one in services("").values() if one["image"] == name]
    )
    wanted = {place for place in ("/data/objects", "/data/results") if f'"{place}"' in mounts}
    for place in wanted:
        assert inside(name, f"stat -c %u {place}").strip() == "10001", place
