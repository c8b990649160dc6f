"""The pages that the worker's bench reads: the samples, dense A4 pages, crops and large JPEGs."""

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import cycle, islice
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

_SAMPLES = Path(__file__).parents[1] / "samples"
# One of each layout and of the effects, in formats that RapidOCR's own loader reads and one, a
# CMYK JPEG, that it does not.
_CHOSEN = ("receipt-en", "letter-de", "table-en", "form-es", "dark-en", "noisy-en", "letter-pt")
_A4_150_DPI = (1754, 1240)
# Of dense pages: where columns begin, and where their lines stand.
_COLUMNS = (90, 650)
_BASELINES = range(110, _A4_150_DPI[0] - 90, 30)
_JPEG_BYTES = 200_000
_FONT = cv2.FontFace("sans")
_INK = (24, 20, 20)
_SEED = 20_260_501


@dataclass(frozen=True)
class Pages:
    """Files by what they are measured with.

    `drawn`: the lines of text on the `real_looking`, by the file's name, in reading order.
    """

    real_looking: list[Path]
    drawn: dict[str, list[str]]
    jpegs: list[Path]
    crops: list[Path]


def draw_pages(folder: Path) -> Pages:
    """All files, drawn into `folder`; the same ones every time."""
    samples = folder / "samples"
    subprocess.run(
        [sys.executable, str(_SAMPLES / "make.py"), str(samples)],
        check=True,
        stdout=subprocess.DEVNULL,
    )
    texts = {text["name"]: text["lines"] for text in _sample_texts()}
    chosen = [next(samples.glob(f"{name}.*")) for name in _CHOSEN]
    dense = _save(folder / "dense.jpg", _dense_page(4))
    drawn = {path.name: [line.replace("|", " ") for line in texts[path.stem]] for path in chosen}
    drawn[dense.name] = [line for column in _dense_columns(4) for line in column]
    jpegs = [
        _save_of_size(folder / f"photo-{n}.jpg", _photographed(_dense_page(n))) for n in range(4)
    ]
    crops = [_save(folder / f"crop-{n}.jpg", _crop(word)) for n, word in enumerate(_words(0, 24))]
    return Pages([*chosen, dense], drawn, jpegs, crops)


def _words(first: int, count: int) -> Iterator[str]:
    """Words of the samples' texts, from the `first` on, again and again."""
    words = (
        word
        for text in cycle(_sample_texts())
        if text["language"] in {"en", "de", "fr", "es"}
        for line in text["lines"]
        for word in line.replace("|", " ").split()
    )
    return islice(words, first, first + count)


def _sample_texts() -> list[dict[str, Any]]:
    return json.loads((_SAMPLES / "texts.json").read_text(encoding="utf-8"))


def _dense_columns(number: int) -> list[list[str]]:
    """The lines of a dense page's two columns."""
    words = _words(400 * number, 100_000)
    return [[_dense_line(words) for _ in _BASELINES] for _ in _COLUMNS]


def _dense_line(words: Iterator[str]) -> str:
    line = next(words)
    while len(line) < 38:
        line += " " + next(words)
    return line[:46]


def _dense_page(number: int) -> NDArray[np.uint8]:
    """An A4 page at 150 dpi, full of small text in two columns, slightly gray."""
    page = np.full((*_A4_150_DPI, 3), 250, np.uint8)
    for left, lines in zip(_COLUMNS, _dense_columns(number), strict=True):
        for y, line in zip(_BASELINES, lines, strict=True):
            cv2.putText(page, line, (left, y), _INK, _FONT, 19, 400)
    return page


def _photographed(page: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """With the grain that makes files of cameras and scanners as large as they are."""
    grain = np.random.default_rng(_SEED).normal(0, 3, page.shape[:2])
    return np.clip(page + grain[:, :, np.newaxis], 0, 255).astype(np.uint8)


def _crop(word: str) -> NDArray[np.uint8]:
    crop = np.full((32, 32, 3), 255, np.uint8)
    cv2.putText(crop, word[:2], (3, 23), _INK, _FONT, 20, 400)
    return crop


def _save(path: Path, page: NDArray[np.uint8], quality: int = 85) -> Path:
    Image.fromarray(page).save(path, quality=quality)
    return path


def _save_of_size(path: Path, page: NDArray[np.uint8]) -> Path:
    """The JPEG with the highest quality of those that have at most 200 kB."""
    qualities = range(90, 10, -5)
    return next(
        path for quality in qualities if _save(path, page, quality).stat().st_size <= _JPEG_BYTES
    )
