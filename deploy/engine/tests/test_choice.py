"""Which engine is taken, and what is asked of it. No Docker engine is needed here."""

import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from container_engine import stand_ins
from container_engine.client import Docker
from container_engine.command import objection
from container_engine.debian import Apt
from container_engine.images import Recipe
from container_engine.stand_ins import StandIns

from ocrstream_local.errors import StackError

# Knows the images that are files beside it, each with its label; `pull` gets those it is said to.
DOCKER = """#!/bin/sh
here=$(dirname "$0")
for last; do :; done
file=$here/images/$(echo "$last" | tr /: __)
case "$1 $2" in
version*) [ -n "{version}" ] && echo "{version}" ;;
"image inspect") cat "$file" 2> /dev/null ;;
*)
    echo "$1 $last" >> "$here/calls"
    case "$1" in
    pull)
        case " {pulls} " in
        *" $last "*) : > "$file" ;;
        *) echo "no such host" >&2; exit 1 ;;
        esac ;;
    save)
        for part; do
            case "$part" in --output=*) echo image > "${{part#--output=}}" ;; esac
        done ;;
    build) {build} ;;
    esac ;;
esac
"""

MakeDocker = Callable[..., Docker]
BOTH = {"one:1": "", "two:1": ""}


@pytest.fixture
def recipes(tmp_path: Path) -> list[Recipe]:
    """Two images that can be stood in for."""
    found: list[Recipe] = []
    for name in ("one", "two"):
        folder = tmp_path / name
        folder.mkdir()
        (folder / "Dockerfile").write_text("FROM scratch\n")
        (folder / "debian.toml").write_text('suite = "trixie"\npackages = ["a"]\n')
        found.append(Recipe(f"{name}:1", folder))
    return found


@pytest.fixture
def nothing_fetched(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """What is built from is there."""

    def folder(*_: object) -> Path:
        return tmp_path

    monkeypatch.setattr(Apt, "update", folder)
    monkeypatch.setattr(stand_ins, "make_root", folder)
    monkeypatch.setattr(stand_ins, "kafka_jars", folder)


@pytest.fixture
def make_docker(tmp_path: Path) -> MakeDocker:
    """A client whose engine is a script: of a version, with images, pulling some."""

    def make(
        version: str = "26.1.5",
        images: dict[str, str] | None = None,
        pulls: str = "",
        build: str = ":",
    ) -> Docker:
        programs = tmp_path / "bin"
        (programs / "images").mkdir(parents=True)
        for image, label in (images or {}).items():
            (programs / "images" / image.replace(":", "_")).write_text(label)
        script = programs / "docker"
        script.write_text(DOCKER.format(version=version, pulls=pulls, build=build))
        script.chmod(0o755)
        return Docker({"PATH": f"{programs}:{os.environ['PATH']}"})

    return make


def calls(tmp_path: Path) -> list[str]:
    file = tmp_path / "bin" / "calls"
    return file.read_text().splitlines() if file.exists() else []


@pytest.mark.parametrize(
    ("engine", "reason"),
    [
        ({"version": "", "pulls": "one:1 two:1"}, "No Docker engine answers"),
        ({"version": "20.10.24", "images": BOTH}, "Docker 20.10.24 answers, and .* 25 or newer"),
        ({"images": {"one:1": ""}}, "cannot pull two:1 .no such host"),
        ({"images": {"one:1": ""}, "pulls": "two:1"}, None),
        ({"version": "28.0.1", "images": BOTH}, None),
    ],
)
def test_an_engine_is_taken_that_answers_and_has_the_images(
    engine: dict[str, Any], reason: str | None, make_docker: MakeDocker, recipes: list[Recipe]
) -> None:
    found = objection(make_docker(**engine), recipes, print)
    assert found == reason or re.search(reason or "^$", found or "")


def test_without_docker_no_engine_answers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert objection(Docker(), [], print) == "No Docker engine answers"


def test_real_images_are_left_and_pulled_where_that_is_possible(
    make_docker: MakeDocker, recipes: list[Recipe], tmp_path: Path
) -> None:
    docker = make_docker(images={"one:1": ""}, pulls="two:1")
    assert StandIns(docker, tmp_path / "cache", print).provide(recipes) == []
    assert calls(tmp_path) == ["pull two:1"]


@pytest.mark.usefixtures("nothing_fetched")
def test_stand_ins_are_built_once_and_loaded_from_then_on(
    make_docker: MakeDocker, recipes: list[Recipe], tmp_path: Path
) -> None:
    docker = make_docker()
    cache = tmp_path / "cache"
    cache.mkdir()
    (cache / "one-older.tar").touch()
    (cache / "two-older.tar").touch()
    assert StandIns(docker, cache, print).provide(recipes) == recipes
    one, two = (str(recipe.folder) for recipe in recipes)
    # What could not be pulled once is not asked for again.
    built = ["pull one:1", f"build {one}", "save one:1", f"build {two}", "save two:1"]
    assert calls(tmp_path) == built
    assert len(list(cache.iterdir())) == 2
    StandIns(docker, cache, print).provide(recipes)
    assert [call.partition(" ")[0] for call in calls(tmp_path)[5:]] == ["pull", "load", "load"]


@pytest.mark.usefixtures("nothing_fetched")
def test_a_build_that_fails_leaves_nothing_and_says_why(
    make_docker: MakeDocker, recipes: list[Recipe], tmp_path: Path
) -> None:
    docker = make_docker(build="echo useradd: not found >&2; exit 1")
    with pytest.raises(StackError, match="docker build failed:\nuseradd: not found"):
        StandIns(docker, tmp_path / "cache", print).provide(recipes)
    assert list((tmp_path / "cache").iterdir()) == []


def test_a_stand_in_of_another_recipe_is_made_again(
    make_docker: MakeDocker, recipes: list[Recipe], tmp_path: Path
) -> None:
    docker = make_docker(images={"one:1": "older", "two:1": ""})
    cache = tmp_path / "cache"
    cache.mkdir()
    key = stand_ins.key_of(recipes[0])
    (cache / f"one-{key}.tar").touch()
    assert StandIns(docker, cache, print).provide(recipes) == recipes[:1]
    assert [call.partition(" ")[0] for call in calls(tmp_path)] == ["pull", "load"]
