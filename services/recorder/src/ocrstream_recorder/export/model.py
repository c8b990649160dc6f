"""The input of exports, and the port that each format implements."""

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
    """An image of a batch: its outcome, and its boxes in reading order.

    `words`: its boxes are words, not lines. `reason` and `error` say why it has no boxes.
    `provenance` has the form of the database row.
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
        """Width and height of the image in pixels; None if its provenance has neither."""
        provenance = self.provenance or {}
        width, height = provenance.get("width"), provenance.get("height")
        return (width, height) if width and height else None

    @property
    def name(self) -> str:
        """The name of its file, without folders."""
        if self.source_name:
            return PurePosixPath(self.source_name.replace("\\", "/")).name or self.source_name
        path = (self.image_path or "").partition("://")[2].partition("?")[0]
        return PurePosixPath(unquote(path)).name or self.image_path or self.chain_id or "image"

    @property
    def title(self) -> str:
        """The name, with the page of a document."""
        return self.name if self.page is None else f"{self.name}, page {self.page}"

    @property
    def failure(self) -> str | None:
        """Why the image has no text; None if it has."""
        if self.boxes:
            return None
        why = ": ".join(part for part in (self.reason, self.error) if part)
        return f"not read: {why or self.status}"


@dataclass(frozen=True)
class Heading:
    """The title of an export: the name of a batch or image. `single`: it has one image only."""

    title: str
    single: bool = False


class Writer(Protocol):
    """Writes one document: `begin`, then `add` for each image in order, then `end`.

    Each method yields the next bytes, in pieces. A writer keeps next to nothing in memory. The
    document is complete after `end` only.
    """

    def begin(self, heading: Heading) -> Iterator[bytes]:
        """The bytes before the first image."""
        ...

    def add(self, image: ExportImage) -> Iterator[bytes]:
        """The bytes of one image."""
        ...

    def end(self) -> Iterator[bytes]:
        """The bytes after the last image."""
        ...
