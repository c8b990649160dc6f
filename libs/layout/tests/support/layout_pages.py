"""Pages of which the reading order is known: pieces are added in it."""

import math
import random
import string
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

Corners = tuple[tuple[float, float], ...]

LATIN = string.ascii_lowercase
HEBREW = "אבגדהוזחטיכלמנסעפצקרשת"
KANJI = "日本語文書縦書読順序頁行字列右左上下東西南北春夏秋冬山川"
ADVANCE = 0.5  # a letter's width in font sizes
SPACE = 0.28


def chance(seed: object) -> random.Random:
    """The same for the same seed."""
    return random.Random(str(seed))  # noqa: S311 - it draws pages, no secrets


@dataclass(frozen=True)
class Piece:
    """A piece of text and its corners from the text's top left; `number` makes it one of a kind."""

    text: str
    corners: Corners
    number: int = 0

    @property
    def extent(self) -> tuple[float, float, float, float]:
        xs, ys = [x for x, _ in self.corners], [y for _, y in self.corners]
        return min(xs), min(ys), max(xs), max(ys)


def upright(left: float, top: float, right: float, bottom: float) -> Corners:
    return (left, top), (right, top), (right, bottom), (left, bottom)


@dataclass
class Page:
    """Pieces in reading order. `words`: lines are given as their words."""

    rng: random.Random
    words: bool = False
    size: float = 20.0  # of the font, pixels; boxes are a fifth taller
    alphabet: str = LATIN
    pieces: list[Piece] = field(default_factory=list[Piece])

    def word(self, least: int = 2, most: int = 9) -> str:
        return "".join(self.rng.choices(self.alphabet, k=self.rng.randint(least, most)))

    def width(self, text: str, size: float | None = None) -> float:
        advance = 1.0 if self.alphabet is KANJI else ADVANCE
        return sum(SPACE if one == " " else advance for one in text) * (size or self.size)

    def add(self, text: str, corners: Corners) -> None:
        self.pieces.append(Piece(text, corners, len(self.pieces)))

    def line(
        self, text: str, x: float, y: float, size: float | None = None, *, align: str = "left"
    ) -> None:
        """A line whose box's top is at `y`; `x` is its left, right or middle by `align`."""
        size = size or self.size
        x -= {"left": 0.0, "right": 1.0, "centre": 0.5}[align] * self.width(text, size)
        for part in text.split(" ") if self.words else [text]:
            self.add(part, upright(x, y, x + self.width(part, size), y + 1.2 * size))
            x += self.width(part, size) + SPACE * size

    def prose(
        self,
        x: float,
        y: float,
        width: float,
        lines: int,
        *,
        leading: float = 1.4,
        justified: bool = False,
        paragraph: int = 7,
        skip: float = 0.0,
    ) -> float:
        """Lines of words that fill a column, the last of each paragraph shorter; where it ends.

        `leading` in font sizes from line to line, `skip` more between paragraphs.
        """
        for number in range(lines):
            last = number % paragraph == paragraph - 1 or number == lines - 1
            room = width * (self.rng.uniform(0.2, 0.9) if last else 1.0)
            text = self.word()
            while self.width(f"{text} {(word := self.word())}") <= room:
                text = f"{text} {word}"
            self._set(text, x, y, width if justified and not last else None)
            y += (leading + (skip if last else 0.0)) * self.size
        return y

    def _set(self, text: str, x: float, y: float, width: float | None) -> None:
        if width is None:
            self.line(text, x, y)
            return
        bottom = y + 1.2 * self.size
        if not self.words:
            self.add(text, upright(x, y, x + width, bottom))
            return
        parts = text.split(" ")
        spare = (width - self.width(text)) / max(1, len(parts) - 1)
        for part in parts:
            self.add(part, upright(x, y, x + self.width(part), bottom))
            x += self.width(part) + SPACE * self.size + spare

    def table(
        self,
        columns: Sequence[tuple[float, str]],
        y: float,
        rows: int,
        *,
        pitch: float = 1.8,
        empty: float = 0.0,
        most_words: int = 3,
    ) -> float:
        """Rows of cells; of each column its `x` and how it is aligned. Where it ends.

        Right-aligned columns hold numbers. `empty` is the share of cells that hold nothing, but the
        first column's always do.
        """
        for _ in range(rows):
            for number, (x, align) in enumerate(columns):
                if number and self.rng.random() < empty:
                    continue
                if align == "right":
                    text = f"{self.rng.randint(0, 9999)}.{self.rng.randint(10, 99)}"
                else:
                    text = " ".join(self.word() for _ in range(self.rng.randint(1, most_words)))
                self.line(text, x, y, align=align)
            y += pitch * self.size
        return y


def turned(pieces: Iterable[Piece], degrees: float) -> list[Piece]:
    """The page turned clockwise about the origin, corners included."""
    quarters, rest = divmod(degrees, 90)
    cos, sin = math.cos(math.radians(rest)), math.sin(math.radians(rest))

    def turn(point: tuple[float, float]) -> tuple[float, float]:
        x, y = point
        if rest:
            x, y = x * cos - y * sin, x * sin + y * cos
        for _ in range(int(quarters) % 4):
            x, y = -y, x
        return x, y

    return [replace(one, corners=tuple(map(turn, one.corners))) for one in pieces]


def mirrored(pieces: Iterable[Piece]) -> list[Piece]:
    """The page seen in a mirror, each text still from its own top left: as RTL is set."""
    return [
        replace(one, corners=upright(-right, top, -left, bottom))
        for one in pieces
        for left, top, right, bottom in [one.extent]
    ]


def downwards(pieces: Iterable[Piece], *, first_edge_along: bool) -> list[Piece]:
    """A horizontal page set vertically: lines run down and follow each other from the right.

    The first edge is along the text, or the upper, short one, as detectors give a tall box.
    """
    set_down = turned(pieces, 90)
    if first_edge_along:
        return set_down
    return [replace(one, corners=upright(*one.extent)) for one in set_down]


def jittered(pieces: Iterable[Piece], rng: random.Random, share: float) -> list[Piece]:
    """Each side moved by up to a share of the piece's height."""
    moved: list[Piece] = []
    for one in pieces:
        left, top, right, bottom = one.extent
        amount = share * min(bottom - top, right - left)
        sides = [side + rng.uniform(-amount, amount) for side in (left, top, right, bottom)]
        moved.append(replace(one, corners=upright(*sides)))
    return moved


def noisy(pieces: Iterable[Piece], rng: random.Random, share: float) -> list[Piece]:
    """Each corner moved for itself by up to a share of the piece's height, as detectors do."""
    moved: list[Piece] = []
    for one in pieces:
        amount = share * math.dist(one.corners[0], one.corners[3])
        corners = tuple(
            (x + rng.uniform(-amount, amount), y + rng.uniform(-amount, amount))
            for x, y in one.corners
        )
        moved.append(replace(one, corners=corners))
    return moved


def fanned(pieces: Iterable[Piece], degrees: float) -> list[Piece]:
    """Lines fall by so much at the page's top and rise by as much at its bottom."""
    found = list(pieces)
    middle = max(one.extent[2] for one in found) / 2
    bottom = max(one.extent[3] for one in found)

    def lean(point: tuple[float, float]) -> tuple[float, float]:
        x, y = point
        return x, y + (x - middle) * math.tan(math.radians(degrees)) * (1 - 2 * y / bottom)

    return [replace(one, corners=tuple(map(lean, one.corners))) for one in found]


def scaled(pieces: Iterable[Piece], factor: float, right: float, down: float) -> list[Piece]:
    """The page enlarged, then moved."""
    return [
        replace(one, corners=tuple((factor * x + right, factor * y + down) for x, y in one.corners))
        for one in pieces
    ]
