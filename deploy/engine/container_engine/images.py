"""The images that the project names, and the recipes of those that can be stood in for."""

import hashlib
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[3]
RECIPES = Path(__file__).parents[1] / "stand-ins"


def pinned_images(root: Path = ROOT) -> list[str]:
    """What docker-compose.yml and the Dockerfiles of the services start from, sorted."""
    composed = yaml.safe_load((root / "docker-compose.yml").read_text(encoding="utf-8"))
    names = {one["image"] for one in composed["services"].values() if "build" not in one}
    for dockerfile in root.glob("services/*/Dockerfile"):
        names |= _bases(dockerfile.read_text(encoding="utf-8"))
    return sorted(names)


def _bases(dockerfile: str) -> set[str]:
    """The images of its FROM lines, without those that name an earlier stage."""
    bases: set[str] = set()
    stages: set[str] = set()
    for line in dockerfile.splitlines():
        match line.split():
            case ["FROM", base, *rest]:
                bases |= {base} - stages
                stages |= set(rest[1:])
            case _:
                pass
    return bases


@dataclass(frozen=True)
class Recipe:
    """How an image is stood in for: a folder with its Dockerfile, and the packages it needs."""

    image: str
    folder: Path

    @property
    def suite(self) -> str:
        """The release of Debian that its packages are of."""
        return self._debian()["suite"]

    @property
    def packages(self) -> list[str]:
        """Debian's packages, besides those that every system has."""
        return self._debian()["packages"]

    def key(self, *ingredients: str) -> str:
        """Changes with the image's name, each file of the recipe and the further ingredients."""
        digest = hashlib.sha256()
        for part in (self.image, *ingredients):
            digest.update(part.encode() + b"\0")
        for file in sorted(self.folder.iterdir()):
            digest.update(file.name.encode() + b"\0" + file.read_bytes() + b"\0")
        return digest.hexdigest()[:12]

    def _debian(self) -> dict[str, Any]:
        return tomllib.loads((self.folder / "debian.toml").read_text(encoding="utf-8"))


def recipe_of(image: str, recipes: Path = RECIPES) -> Recipe | None:
    """The recipe for a pinned image; it is named like the image, without owner and tag."""
    name = image.partition("@")[0].rpartition("/")[2].partition(":")[0]
    folder = recipes / name
    return Recipe(image, folder) if folder.is_dir() else None
