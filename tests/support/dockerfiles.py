"""Dockerfiles read, and what they install replayed in a scratch folder, without a Docker engine."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).parents[2]

_REPLAY_TIMEOUT_S = 170
# It takes root.
_NOT_REPLAYED = "useradd "


@dataclass(frozen=True)
class Step:
    """One instruction, with its flags (`--from=build`) apart from its text."""

    name: str
    flags: dict[str, str]
    text: str


@dataclass
class Stage:
    """What stands between one FROM and the next; `base` is an image or an earlier stage."""

    name: str
    base: str
    steps: list[Step] = field(default_factory=list[Step])


def stages(dockerfile: Path) -> dict[str, Stage]:
    """The stages by name, in their order; one without a name is called by its number."""
    found: dict[str, Stage] = {}
    for step in _steps(dockerfile.read_text(encoding="utf-8")):
        if step.name == "FROM":
            base, _, name = step.text.partition(" AS ")
            stage = Stage(name or str(len(found)), base)
            found[stage.name] = stage
        else:
            list(found.values())[-1].steps.append(step)
    return found


def lineage(found: Mapping[str, Stage], target: str) -> list[Stage]:
    """The stages that `target` is made upon, itself last."""
    stage = found[target]
    return [*(lineage(found, stage.base) if stage.base in found else []), stage]


def image_variables(found: Mapping[str, Stage], target: str) -> dict[str, str]:
    """The variables that a container of `target` begins with; build arguments at their defaults."""
    variables = {"PATH": "$PATH"}
    for stage in lineage(found, target):
        arguments: dict[str, str] = {}
        for step in stage.steps:
            if step.name == "ARG":
                arguments |= _assignments(step.text)
            if step.name == "ENV":
                known = variables | arguments
                variables |= {
                    name: re.sub(r"\$\{?(\w+)\}?", lambda one, known=known: known[one[1]], value)
                    for name, value in _assignments(step.text)
                }
    return variables


def last(found: Mapping[str, Stage], target: str, name: str) -> str | None:
    """The text of the instruction `name` that holds for `target`."""
    texts = [step.text for one in lineage(found, target) for step in one.steps if step.name == name]
    return texts[-1] if texts else None


def build_context() -> list[Path]:
    """The files that .dockerignore lets into a build, relative to the project."""
    patterns = [
        (line.removeprefix("!"), line.startswith("!"))
        for line in (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
        if line and not line.startswith("#")
    ]
    rules = [(_pattern(text), kept) for text, kept in patterns]
    found: list[Path] = []
    for top in sorted({text.partition("/")[0] for text, kept in patterns if kept}):
        for file in (ROOT / top).rglob("*"):
            path = file.relative_to(ROOT)
            # The last rule that covers the file, or a folder that it lies in, decides.
            covers = [str(one) for one in (path, *path.parents[:-1])]
            matching = [kept for rule, kept in rules if any(map(rule.fullmatch, covers))]
            if file.is_file() and matching and matching[-1]:
                found.append(path)
    return found


class Replay:
    """One filesystem, under `root`, that the stages of a target are replayed in, in order.

    Absolute paths are taken to lie under it. What needs root is left out and listed in `left_out`.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.left_out: list[str] = []
        self._done: set[str] = set()
        self._context = build_context()
        # The Python of the base image, with pip.
        uv = Path(sys.executable).with_name("uv")
        subprocess.run([uv, "venv", "--quiet", "--seed", root / "usr" / "local"], check=True)

    def build(self, dockerfile: Path, target: str) -> None:
        """Replay `target` and every stage that it takes files from."""
        found = stages(dockerfile)
        for stage in lineage(found, target):
            if stage.name not in self._done:
                self._done.add(stage.name)
                self._replay(found, dockerfile, stage)

    def _replay(self, found: Mapping[str, Stage], dockerfile: Path, stage: Stage) -> None:
        environment = {**os.environ, "PATH": f"{self.root}/usr/local/bin:{os.environ['PATH']}"}
        for name in ("VIRTUAL_ENV", "PYTHONPATH"):
            environment.pop(name, None)
        folder = self.root
        for inherited in lineage(found, stage.name):
            for step in inherited.steps:
                match step.name:
                    case "WORKDIR":
                        folder = self._inside(step.text)
                        folder.mkdir(parents=True, exist_ok=True)
                    case "ENV":
                        # The cache is this machine's own, on the same file system.
                        environment |= {
                            name: value
                            for name, value in _assignments(step.text)
                            if name.startswith("UV_")
                            and name not in {"UV_CACHE_DIR", "UV_LINK_MODE"}
                        }
                    case "COPY" if inherited is stage and "from" in step.flags:
                        self.build(dockerfile, step.flags["from"])
                        source, target = step.text.split()
                        to = self._inside(target) if target.startswith("/") else folder / target
                        # Scripts name their Python by its path: what is installed must not move.
                        assert self._inside(source) == to, step
                        assert self._inside(source).exists(), step
                    case "COPY" if inherited is stage:
                        self._copy(step, folder)
                    case "RUN" if inherited is stage:
                        self._run(step, folder, environment)
                    case _:
                        pass

    def _copy(self, step: Step, folder: Path) -> None:
        *sources, target = step.text.split()
        for source in sources:
            files = [one for one in self._context if one.is_relative_to(source)]
            assert files, f"COPY {source}: .dockerignore keeps it out, or it does not exist"
            for file in files:
                below = file.relative_to(source)
                place = folder / target / (below if below.parts else file.name)
                place.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(ROOT / file, place)

    def _run(self, step: Step, folder: Path, environment: Mapping[str, str]) -> None:
        if step.text.startswith(_NOT_REPLAYED):
            self.left_out.append(step.text)
            return
        script = re.sub(r"(?<![\w.*/])/(?=\w)", f"{self.root}/", step.text)
        ran = subprocess.run(
            ["sh", "-euc", script],
            cwd=folder,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=_REPLAY_TIMEOUT_S,
            check=False,
        )
        assert ran.returncode == 0, f"{script}\n---\n{ran.stdout}"

    def _inside(self, path: str) -> Path:
        assert path.startswith("/"), path
        return self.root / path.removeprefix("/")


def _steps(text: str) -> Iterator[Step]:
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    for instruction in re.sub(r"\s*\\\n\s*", " ", "\n".join(lines)).splitlines():
        name, _, rest = instruction.partition(" ")
        flags = {}
        while flag := re.match(r"--(\w+)=(\S+)\s+", rest):
            flags[flag[1]] = flag[2]
            rest = rest[flag.end() :]
        yield Step(name, flags, rest)


def _assignments(text: str) -> list[tuple[str, str]]:
    return re.findall(r"(\w+)=(\S+)", text)


def _pattern(text: str) -> re.Pattern[str]:
    parts = re.split(r"(\*\*/|\*)", text)
    meaning = {"**/": "(?:.*/)?", "*": "[^/]*"}
    return re.compile("".join(meaning.get(part, re.escape(part)) for part in parts))
