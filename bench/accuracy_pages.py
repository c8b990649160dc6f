"""The files that the accuracy bench reads: drawn ones, kept with their truth, and real scans."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pypdfium2
from accuracy import generator
from accuracy.generator import draw_page
from accuracy.real_text import score_text
from accuracy.scoring import ReadBox, Score, score_page
from accuracy.table import PageClass
from accuracy.truth import Page
from PIL import Image
from rig import LOCAL

FOLDER = LOCAL / "bench-accuracy"

_PACKAGE = Path(generator.__file__).parent
_UNSPACED = frozenset({"ja", "zh"})
_PDF_DPI = 200
_POINTS_PER_INCH = 72


class PageFile(msgspec.Struct, frozen=True, kw_only=True):
    """A page that lies in a file. `digest`: the SHA-256 of its bytes. `drawn`: the page with its
    places, or None where only its `lines` of text are known.
    """

    name: str
    variant: str
    path: Path
    digest: str
    joiner: str
    lines: tuple[str, ...]
    drawn: Page | None = None

    def score(self, read: list[ReadBox], words: list[ReadBox] | None = None) -> Score:
        """How right a reading of it is."""
        if self.drawn is None:
            return score_text(self.lines, [box.text for box in read], self.joiner)
        return score_page(self.drawn, read, words)


@dataclass(frozen=True)
class PageSet:
    """Pages that are reported together. `classes.toml` says what the rest of it means."""

    name: str
    files: tuple[PageFile, ...]
    ordered: bool = True
    gate: float | None = None
    readable: bool = True
    drawn: bool = True


def drawn_set(kind: PageClass, most: int | None, seed: int) -> PageSet:
    """The pages of a class, at most so many. They are drawn once; a change of the generator, its
    table or its words draws them anew.
    """
    folder = (FOLDER / "pages" / f"{_generator_digest()}-{seed}").resolve()
    folder.mkdir(parents=True, exist_ok=True)
    count = kind.pages if most is None else min(kind.pages, most)
    files = tuple(_drawn(folder, kind, number, seed) for number in range(count))
    return PageSet(kind.name, files, kind.ordered, kind.gate, kind.readable)


def _drawn(folder: Path, kind: PageClass, number: int, seed: int) -> PageFile:
    known = folder / f"{kind.name}-{number}.json".replace(" ", "_")
    if known.is_file():
        return msgspec.json.decode(known.read_bytes(), type=PageFile, dec_hook=_as_array)
    page = draw_page(kind, number, seed)
    path = folder / f"{page.name}{page.suffix}"
    path.write_bytes(page.content)
    file = PageFile(
        name=page.name,
        variant=page.variant,
        path=path,
        digest=hashlib.sha256(page.content).hexdigest(),
        joiner=page.joiner,
        lines=tuple(line.text for line in page.lines),
        drawn=replace(page, content=b""),
    )
    known.write_bytes(msgspec.json.encode(file, enc_hook=_as_lists))
    return file


class _Transcription(msgspec.Struct, frozen=True):
    lines: tuple[str, ...]
    language: str = "en"


def packaged_scans() -> Path | None:
    """The folder of scikit-image's own pictures, if that is installed; it need not be imported."""
    package = find_spec("skimage")
    if package is None or not package.submodule_search_locations:
        return None
    return Path(package.submodule_search_locations[0]) / "data"


def real_set(scans: Path, transcriptions: str, name: str) -> PageSet:
    """The scans in a folder, or in a folder `images` in it, that somebody has transcribed.

    Of a PDF the first page counts, at 200 dpi.
    """
    known = msgspec.json.decode(
        (_PACKAGE / transcriptions).read_bytes(), type=dict[str, _Transcription]
    )
    rendered = (FOLDER / "pages" / "real").resolve()
    rendered.mkdir(parents=True, exist_ok=True)
    files: list[PageFile] = []
    for file_name, one in sorted(known.items()):
        places = (scans / file_name, scans / "images" / file_name)
        found = [path for path in places if path.is_file()]
        if not found:
            continue
        path = found[0].resolve()
        if path.suffix == ".pdf":
            path = _render(path, rendered)
        joiner = "" if one.language in _UNSPACED else " "
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        files.append(
            PageFile(
                name=file_name,
                variant=one.language,
                path=path,
                digest=digest,
                joiner=joiner,
                lines=one.lines,
            )
        )
    return PageSet(name, tuple(files), drawn=False)


def _render(path: Path, folder: Path) -> Path:
    target = folder / f"{path.stem}.png"
    with pypdfium2.PdfDocument(path) as document:
        # Its own stub says that it takes whole numbers only.
        scale: Any = _PDF_DPI / _POINTS_PER_INCH
        image: Image.Image = document[0].render(scale=scale).to_pil()
        image.save(target)
    return target


@cache
def _generator_digest() -> str:
    """Of all that pages depend on."""
    digest = hashlib.sha256()
    for file in sorted(_files_of_generator()):
        digest.update(file.read_bytes())
    return digest.hexdigest()[:12]


def _files_of_generator() -> Iterator[Path]:
    for suffix in ("py", "toml", "txt"):
        yield from _PACKAGE.rglob(f"*.{suffix}")


def _as_lists(value: object) -> object:
    if isinstance(value, np.ndarray):
        return value.tolist()
    if isinstance(value, Path):
        return str(value)
    raise NotImplementedError(type(value))


def _as_array(kind: object, value: object) -> object:
    if kind is Path:
        return Path(str(value))
    return np.asarray(value, dtype=np.float64)
