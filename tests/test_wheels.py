"""A release made as docs/releasing.md tells: what its wheels hold, and the client alone."""

import json
import os
import re
import shutil
import subprocess
import tarfile
import tomllib
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from email import message_from_bytes
from email.message import Message
from pathlib import Path
from typing import Any

import pytest
from not_run import not_run
from package_index import package_index
from whole_system import System

from ocrstream_recorder.api.dashboard import BUILT

pytestmark = [pytest.mark.integration, pytest.mark.timeout(420)]


def project(member: Path) -> dict[str, Any]:
    return tomllib.loads((member / "pyproject.toml").read_text(encoding="utf-8"))["project"]


ROOT = Path(__file__).parents[1]
MEMBERS = sorted(
    folder for kind in ("libs", "services") for folder in (ROOT / kind).iterdir() if folder.is_dir()
)
PACKAGES = {project(folder)["name"].replace("-", "_"): folder for folder in MEMBERS}
CLIENT_README = PACKAGES["ocrstream_client"] / "README.md"
DASHBOARD = BUILT.relative_to(ROOT).as_posix()
VERSION = "0.2.0"
"""That of the example in docs/releasing.md."""


def blocks(page: Path, language: str = "bash") -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", page.read_text(encoding="utf-8"), re.M | re.S)


def run(folder: Path, script: str, environment: dict[str, str]) -> str:
    ran = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script],
        cwd=folder,
        env={name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
        | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=300,
        check=False,
    )
    assert ran.returncode == 0, f"{script}\n---\n{ran.stdout}"
    return ran.stdout


@dataclass(frozen=True)
class Release:
    """A checkout in which a release was made; `uploads` are the files that the index was sent."""

    folder: Path
    said: str
    uploads: list[str]

    def wheel(self, package: str) -> zipfile.ZipFile:
        return zipfile.ZipFile(self.folder / f"dist/{package}-{VERSION}-py3-none-any.whl")

    def metadata(self, package: str) -> Message:
        content = self.wheel(package).read(f"{package}-{VERSION}.dist-info/METADATA")
        return message_from_bytes(content)


@pytest.fixture(scope="module")
def release(tmp_path_factory: pytest.TempPathFactory) -> Release:
    """All commands of docs/releasing.md, carried out in a copy of this checkout."""
    if not (BUILT / "index.html").exists():
        not_run("the dashboard", "it is not built; make dashboard builds it")
    folder, remote = tmp_path_factory.mktemp("release"), tmp_path_factory.mktemp("remote")
    for name in tracked():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        # With its time, so that make finds nothing to do in what the copy shares with the original.
        shutil.copy2(ROOT / name, folder / name)
    shutil.copytree(BUILT, folder / DASHBOARD)
    for shared in (".venv", "services/recorder/dashboard/node_modules"):
        (folder / shared).symlink_to(ROOT / shared)
    begin = f"""
        git init --quiet --bare {remote}
        git init --quiet --initial-branch=main
        git config user.name Test
        git config user.email test@localhost
        git remote add origin {remote}
        # As links they are no folders, which .gitignore names.
        printf '.venv\nnode_modules\n' > .git/info/exclude
        git add . && git commit --quiet --message Before && git push --quiet -u origin main
    """
    # Nobody's own settings, which may ask for signatures.
    environment = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}
    run(folder, begin, environment)
    with package_index() as index:
        publishing = {"UV_PUBLISH_URL": index.url, "UV_PUBLISH_TOKEN": "token"}
        script = "".join(blocks(ROOT / "docs" / "releasing.md"))
        said = run(folder, script, environment | publishing)
    return Release(folder, said, sorted(index.uploads))


def tracked() -> Iterator[str]:
    """The files of this checkout, those too that are not in the index yet."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True)
    yield from (name for name in listed.stdout.split("\0") if (ROOT / name).is_file())


def test_the_release_is_tagged_and_all_of_it_published(release: Release) -> None:
    tagged = run(release.folder, f"git ls-remote --tags origin v{VERSION}", {})
    assert f"refs/tags/v{VERSION}" in tagged
    assert run(release.folder, "git status --porcelain", {}) == ""
    assert f"\n## [{VERSION}] - 20" in (release.folder / "CHANGELOG.md").read_text("utf-8")
    assert "Usage: ocrstream" in release.said
    assert release.uploads == sorted(
        f"{package}-{VERSION}{kind}"
        for package in PACKAGES
        for kind in (".tar.gz", "-py3-none-any.whl")
    )


@pytest.mark.parametrize("package", PACKAGES)
def test_a_wheel_holds_its_package_and_nothing_else(release: Release, package: str) -> None:
    member = PACKAGES[package].relative_to(ROOT).as_posix()
    names = [
        path.relative_to(release.folder).as_posix()
        for path in (release.folder / member).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    ]
    source, contract = f"{member}/src/", f"{member}/contract/"
    wanted = {name.removeprefix(source) for name in names if name.startswith(source)}
    wanted |= {
        f"{package}/published/" + name.removeprefix(contract)
        for name in names
        if name.startswith(contract) and name.endswith(".json")
    }
    described = {"METADATA", "RECORD", "WHEEL", "licenses/LICENSE"}
    if "scripts" in project(PACKAGES[package]):
        described.add("entry_points.txt")
    found = set(release.wheel(package).namelist())
    assert found == wanted | {f"{package}-{VERSION}.dist-info/{name}" for name in described}
    assert f"{package}/py.typed" in found
    assert not [name for name in found if "tests" in name.split("/")]


def test_wheels_hold_revisions_dashboard_and_contract(release: Release) -> None:
    recorder = release.wheel("ocrstream_recorder").namelist()
    revisions = list((BUILT.parent / "migrations" / "versions").glob("[0-9]*.py"))
    assert revisions
    for revision in revisions:
        assert f"ocrstream_recorder/migrations/versions/{revision.name}" in recorder
    assert "ocrstream_recorder/dashboard/index.html" in recorder
    assert any(re.match(r"ocrstream_recorder/dashboard/assets/.+\.js$", one) for one in recorder)
    licences = "ocrstream_recorder/dashboard/third-party-licences.md"
    assert b"## react - " in release.wheel("ocrstream_recorder").read(licences)
    published = release.wheel("ocrstream_schemas").read("ocrstream_schemas/published/asyncapi.json")
    assert published == (PACKAGES["ocrstream_schemas"] / "contract" / "asyncapi.json").read_bytes()


@pytest.mark.parametrize("package", PACKAGES)
def test_a_source_distribution_holds_no_tests(release: Release, package: str) -> None:
    with tarfile.open(release.folder / f"dist/{package}-{VERSION}.tar.gz") as archive:
        names = [name.partition("/")[2] for name in archive.getnames()]
    assert {"LICENSE", "PKG-INFO", "README.md", "pyproject.toml"} <= set(names)
    assert not [name for name in names if {"tests", "node_modules"} & set(name.split("/"))]


@pytest.mark.parametrize("package", PACKAGES)
def test_a_package_says_what_it_is(release: Release, package: str) -> None:
    metadata = release.metadata(package)
    assert metadata["Version"] == VERSION
    assert metadata["License-Expression"] == "Apache-2.0"
    assert metadata.get_all("License-File") == ["LICENSE"]
    assert metadata["Author"] == "Ocrstream contributors"
    assert metadata["Author-email"] is None
    assert metadata["Description-Content-Type"] == "text/markdown"
    assert str(metadata.get_payload()).startswith(f"# {metadata['Name']}\n")
    assert "ocr" in metadata["Keywords"].split(",")
    classifiers = metadata.get_all("Classifier", [])
    assert {"Operating System :: POSIX :: Linux", "Typing :: Typed"} <= set(classifiers)
    # A licence is told once, as an SPDX expression.
    assert not [one for one in classifiers if one.startswith("License ::")]
    pythons = [one for one in classifiers if one.startswith("Programming Language :: Python :: 3.")]
    tested = (ROOT / ".python-version").read_text(encoding="utf-8").strip()
    assert pythons == [f"Programming Language :: Python :: {tested}"]
    license_file = f"{package}-{VERSION}.dist-info/licenses/LICENSE"
    assert release.wheel(package).read(license_file) == (ROOT / "LICENSE").read_bytes()


@pytest.mark.parametrize("package", PACKAGES)
def test_packages_need_each_other_in_one_version(release: Release, package: str) -> None:
    told = release.metadata(package).get_all("Requires-Dist", [])
    ours = [one for one in told if one.startswith("ocrstream")]
    assert all(one.endswith(f"=={VERSION}") for one in ours)


def test_what_is_not_published_cannot_be() -> None:
    assert "Private :: Do Not Upload" in project(ROOT / "deploy" / "local")["classifiers"]


def test_the_client_installed_alone_does_what_its_page_shows(
    release: Release, system: System
) -> None:
    alone = release.folder / ".local" / "try" / "bin"
    environment = {**system.environment, "PATH": f"{alone}:/usr/bin:/bin"}
    loaded = (
        "import json, sys, ocrstream_client as it; print(json.dumps([it.__file__, *sys.modules]))"
    )
    file, *modules = json.loads(run(system.folder, f"python -c '{loaded}'", environment))
    assert Path(file).is_relative_to(alone.parent)
    ours = {name.partition(".")[0] for name in modules if name.startswith("ocrstream")}
    assert ours == {"ocrstream_client"}
    installed = [folder.name for folder in alone.parent.glob("lib/*/site-packages/ocrstream*")]
    assert sorted(installed) == ["ocrstream_client", f"ocrstream_client-{VERSION}.dist-info"]

    for number in range(2):
        system.image(f"scans/{number}.png")
    submit, results = blocks(CLIENT_README)
    said = run(system.folder, submit.replace("--wait", "--wait --json"), environment)
    batch = json.loads(said.splitlines()[-1])
    assert (batch["status"], batch["completed_images"]) == ("SUCCESS", 2)
    table = run(system.folder, results, {**environment, "BATCH": batch["batch_id"]})
    assert table.count("SUCCESS") == 2
    exported = (system.folder / "letters.csv").read_text(encoding="utf-8")
    assert exported.count("\n") == 61
    (python,) = blocks(CLIENT_README, "python")
    assert "1.png line 1\n" in run(system.folder, f"python - <<'END'\n{python}END\n", environment)
