"""The files that the accuracy bench reads, drawn once and kept with their truth."""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import msgspec
import numpy as np
from accuracy import generator
from accuracy.generator import draw_page
from accuracy.table import PageClass
from accuracy.truth import Page
from rig import LOCAL

FOLDER = LOCAL / "bench-accuracy"


@dataclass(frozen=True)
class PageFile:
    """A page that lies in a file. `digest`: the SHA-256 of its bytes."""

    kind: str
    page: Page
    path: Path
    digest: str


def drawn_pages(kinds: Sequence[PageClass], most: int | None, seed: int) -> Iterator[PageFile]:
    """The pages of the classes, at most so many of each."""
    folder = (FOLDER / "pages" / f"{_generator_digest()}-{seed}").resolve()
    folder.mkdir(parents=True, exist_ok=True)
    for kind in kinds:
        for number in range(kind.pages if most is None else min(kind.pages, most)):
            yield _drawn(folder, kind, number, seed)


def _drawn(folder: Path, kind: PageClass, number: int, seed: int) -> PageFile:
    known = folder / f"{kind.name}-{number}.json".replace(" ", "_")
    if known.is_file():
        page = msgspec.json.decode(known.read_bytes(), type=Page, dec_hook=_as_array)
    else:
        page = draw_page(kind, number, seed)
        known.write_bytes(msgspec.json.encode(page, enc_hook=_as_lists))
    return saved(folder, kind.name, page)


def saved(folder: Path, kind: str, page: Page) -> PageFile:
    """The page with its file in the folder."""
    path = folder / f"{page.name}{page.suffix}"
    path.write_bytes(page.content)
    return PageFile(kind, page, path, hashlib.sha256(page.content).hexdigest())


@cache
def _generator_digest() -> str:
    """Of all that pages depend on."""
    package = Path(generator.__file__).parent
    digest = hashlib.sha256()
    for file in sorted(package.rglob("*")):
        if file.suffix in {".py", ".toml", ".txt"}:
            digest.update(file.read_bytes())
    return digest.hexdigest()[:12]


def _as_lists(value: object) -> object:
    if isinstance(value, np.ndarray):
        return value.tolist()
    raise NotImplementedError(type(value))


def _as_array(kind: object, value: object) -> object:
    return np.asarray(value, dtype=np.float64)
