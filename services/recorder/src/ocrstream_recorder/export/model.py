"""What an export is made of, and the port that each format stands behind."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any, Protocol
from urllib.parse import unquote

Point = tuple[float, float]


@dataclass(frozen=True)
class Box:
    """A piece of text; `polygon` is four points in pixels of the upright image, from the text's top
    left corner clockwise. `confidence` is 0 to 1.
    """

    text: str
    confidence: float
    polygon: tuple[Point, ...]

    @property
    def extent(self) -> tuple[float, float, float, float]:
        """Left, top, right, bottom."""
        xs = [x for x, _ in self.polygon]
        ys = [y for _, y in self.polygon]
        return min(xs), min(ys), max(xs), max(ys)


@dataclass(frozen=True)
class ExportImage:
    """An image of a batch: what became of it, and its boxes in reading order.

    `words`: its boxes are words, not lines. `reason` and `error` say why it has no boxes.
    `provenance` says what read it, in the form that its row has.
    """

    chain_id: str | None
    image_path: str | None
    public_path: str | None = None
    index: int | None = None
    run: int = 0
    status: str = "SUCCESS"
    reason: str | None = None
    error: str | None = None
    source_name: str | None = None
    page: int | None = None
    words: bool = False
    provenance: Mapping[str, Any] | None = None
    boxes: tuple[Box, ...] = ()

    @property
    def size(self) -> tuple[int, int] | None:
        """Width and height of the image in pixels, where its provenance tells."""
        told = self.provenance or {}
        width, height = told.get("width"), told.get("height")
        return (width, height) if width and height else None

    @property
    def name(self) -> str:
        """What a person calls it: its file's name, without folders."""
        if self.source_name:
            return PurePosixPath(self.source_name.replace("\\", "/")).name or self.source_name
        path = (self.image_path or "").partition("://")[2].partition("?")[0]
        return PurePosixPath(unquote(path)).name or self.image_path or self.chain_id or "image"

    @property
    def title(self) -> str:
        """The name, with its page if it is one of a document."""
        return self.name if self.page is None else f"{self.name}, page {self.page}"

    @property
    def trouble(self) -> str | None:
        """Why there is no text; None if there is."""
        if self.boxes:
            return None
        told = ": ".join(part for part in (self.reason, self.error) if part)
        return f"not read: {told or self.status}"


@dataclass(frozen=True)
class Heading:
    """What an export is of: a batch's id, or an image's path. `single`: it is of one image."""

    title: str
    single: bool = False


class Writer(Protocol):
    """One export being written: `begin`, `add` for each image in order, `end`.

    Gives the bytes in pieces, and keeps next to nothing of what it was given. What it gave is no
    whole document before `end`.
    """

    def begin(self, heading: Heading) -> Iterator[bytes]:
        """What stands before the first image."""
        ...

    def add(self, image: ExportImage) -> Iterator[bytes]:
        """One image."""
        ...

    def end(self) -> Iterator[bytes]:
        """What stands after the last image."""
        ...
