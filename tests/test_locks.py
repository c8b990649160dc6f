"""What an image installs is a part of what the project is tested with, and all that it needs."""

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
LOCKS = ROOT / "requirements"

IMAGES = {
    "image-ingest.txt": ("ingest", ""),
    "image-recorder.txt": ("recorder", ""),
    "image-worker-cpu.txt": ("ocr-worker", "rapidocr"),
    "image-worker-gpu.txt": ("ocr-worker", "doctr"),
}


def pins(lock: str) -> dict[str, set[str]]:
    """The versions of every package, of which a lock for all platforms may have two."""
    found: dict[str, set[str]] = {}
    text = (LOCKS / lock).read_text(encoding="utf-8")
    for name, version in re.findall(r"^([\w.-]+)==(\S+)", text, re.M):
        found.setdefault(name, set()).add(version)
    return found


def needed(folder: Path, extra: str = "") -> set[str]:
    """The packages that a member of the workspace names, without our own."""
    project = tomllib.loads((folder / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    named = project["dependencies"] + (project["optional-dependencies"][extra] if extra else [])
    names = {re.split(r"[\[><=]", one)[0] for one in named}
    return {name for name in names if not name.startswith("ocrstream-")}


@pytest.mark.parametrize("lock", IMAGES)
def test_an_images_lock_is_a_part_of_the_whole(lock: str) -> None:
    service, extra = IMAGES[lock]
    held, tested = pins(lock), pins("runtime.txt")
    for name in held.keys() & tested.keys():
        assert held[name] <= tested[name], f"{name}: run `make lock`"
    if extra != "doctr":
        assert held.keys() <= tested.keys()
    libraries = [ROOT / "libs" / name for name in ("schemas", "runtime")]
    wanted = needed(ROOT / "services" / service, extra).union(*map(needed, libraries))
    assert wanted <= held.keys(), "run `make lock`"


def test_every_image_has_a_lock() -> None:
    assert {file.name for file in LOCKS.glob("image-*.txt")} == IMAGES.keys()
