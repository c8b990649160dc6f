"""What `make engine-up` and `make engine-down` do."""

import os
from dataclasses import dataclass
from pathlib import Path

from container_engine.client import Docker
from container_engine.daemon import Daemon
from container_engine.images import Recipe, pinned_images, recipe_of
from container_engine.stand_ins import StandIns
from ocrstream_local.state import locked
from ocrstream_local.waiting import Say

# Health checks of docker-compose.yml have a `start_interval`.
MIN_VERSION = 25


@dataclass(frozen=True)
class Engine:
    """The engine for tests of this machine."""

    say: Say

    def up(self) -> None:
        """Take an engine, else start one, and have the images that tests start from."""
        recipes = {image: recipe_of(image) for image in pinned_images()}
        known = [recipe for recipe in recipes.values() if recipe is not None]
        daemon = self._daemon()
        with locked(daemon.cache):
            if daemon.running() is None:
                taken = Docker()
                reason = objection(taken, known, self.say)
                if reason is None:
                    self.say(f"Docker {taken.version()} answers and has all images: taken as it is")
                    return
                self.say(f"{reason}; starting one of our own")
                daemon.start()
            made = StandIns(daemon.client(), daemon.cache / "stand-ins", self.say).provide(known)
            if made:
                self._say_what_is_not_real(made, [one for one in recipes if recipes[one] is None])
            self.say(f"For a shell of yours: set -a; . {daemon.environment_file}; set +a")

    def down(self) -> None:
        """Stop the engine that was started by `up`."""
        daemon = self._daemon()
        with locked(daemon.cache):
            stopped = daemon.stop()
        self.say(
            f"The engine is stopped; {daemon.cache} keeps its images"
            if stopped
            else "No engine of ours runs"
        )

    def _daemon(self) -> Daemon:
        return Daemon(cache_folder(), self.say)

    def _say_what_is_not_real(self, made: list[Recipe], without: list[str]) -> None:
        self.say("STAND-INS, not the real images:")
        for recipe in made:
            packages = ", ".join(recipe.packages)
            self.say(f"  {recipe.image}: Debian's {packages} ({recipe.suite}), a start of our own")
        self.say(f"Neither pulled nor stood in for: {', '.join(without)}")


def objection(docker: Docker, recipes: list[Recipe], say: Say) -> str | None:
    """Why the engine that is set up is not taken; None if it answers and has or gets the images."""
    version = docker.version()
    if version is None:
        return "No Docker engine answers"
    major = version.partition(".")[0]
    if not major.isdigit() or int(major) < MIN_VERSION:
        return f"Docker {version} answers, and docker-compose.yml needs {MIN_VERSION} or newer"
    for recipe in recipes:
        if docker.stand_in_key(recipe.image) is None:
            reason = docker.pull(recipe.image, say)
            if reason is not None:
                return f"Docker {version} answers and cannot pull {recipe.image} ({reason})"
    return None


def cache_folder() -> Path:
    """What was fetched and made, for all checkouts of this user."""
    told = os.environ.get("XDG_CACHE_HOME")
    caches = Path(told) if told else Path.home() / ".cache"
    return caches / "ocrstream" / "engine"
