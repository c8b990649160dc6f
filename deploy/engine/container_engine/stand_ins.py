"""Images under pinned names on an engine that cannot pull them, made here and kept as tarballs."""

import hashlib
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from container_engine.client import Docker
from container_engine.debian import CERTIFICATES, Apt, make_root
from container_engine.images import ROOT, Recipe
from ocrstream_local.downloads import KAFKA_VERSION, kafka_jars
from ocrstream_local.waiting import Say


@dataclass
class StandIns:
    """Makes them once; `cache` keeps what was made."""

    docker: Docker
    cache: Path
    say: Say
    _updated: dict[str, Apt] = field(default_factory=dict[str, Apt])

    def provide(self, recipes: Iterable[Recipe]) -> list[Recipe]:
        """Have each image, the real one where it can be pulled; returns those stood in for."""
        pulling = True
        made: list[Recipe] = []
        for recipe in recipes:
            key = key_of(recipe)
            has = self.docker.stand_in_key(recipe.image)
            if has not in {"", key}:
                # What cannot be pulled once cannot be a moment later: that would only take time.
                pulling = pulling and self.docker.pull(recipe.image, self.say) is None
                if not pulling:
                    self._load_or_build(recipe, key)
                has = "" if pulling else key
            if has == key:
                made.append(recipe)
        return made

    def _load_or_build(self, recipe: Recipe, key: str) -> None:
        tarball = self.cache / f"{recipe.folder.name}-{key}.tar"
        if tarball.exists():
            self.say(f"Loading the stand-in for {recipe.image} from the cache")
            self.docker.load(tarball, self.say)
            return
        self.say(f"Building a stand-in for {recipe.image}, about a minute")
        self.cache.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=self.cache) as made:
            contexts = {
                "debian": make_root(self._apt(recipe.suite), recipe.packages, Path(made)),
                "jars": kafka_jars(ROOT / ".local" / "cache", self.say),
            }
            self.docker.build(recipe.image, recipe.folder, key, contexts, self.say)
            partial = Path(made) / "image.tar"
            self.docker.save(recipe.image, partial, self.say)
            for older in self.cache.glob(f"{recipe.folder.name}-*.tar"):
                older.unlink()
            partial.rename(tarball)

    def _apt(self, suite: str) -> Apt:
        if suite not in self._updated:
            apt = Apt(self.cache.parent / "apt" / suite, suite, self.say)
            apt.update()
            self._updated[suite] = apt
        return self._updated[suite]


def key_of(recipe: Recipe) -> str:
    authorities = CERTIFICATES.read_bytes() if CERTIFICATES.exists() else b""
    return recipe.key(KAFKA_VERSION, hashlib.sha256(authorities).hexdigest())
