"""The table of page classes, `classes.toml`, as types."""

from functools import cache
from pathlib import Path
from typing import Annotated

import msgspec

_FILE = Path(__file__).parent / "classes.toml"

Range = tuple[float, float]
Percent = Annotated[float, msgspec.Meta(ge=0, le=100)]


class PageClass(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One class of pages; `classes.toml` says what its fields mean."""

    name: str
    x_height: Range
    pages: int
    short: int
    gate: Percent | None = None
    ordered: bool = True
    readable: bool = True
    layout: str = "paragraphs"
    fonts: str = "latin"
    languages: tuple[str, ...] = ("en", "de", "fr", "es")
    formats: tuple[str, ...] = ("png",)
    leading: Range = (1.2, 1.6)
    quarter_turns: tuple[int, ...] = (0,)
    skew: Range = (0.0, 0.0)
    perspective: float = 0.0
    coloured: bool = False
    effect: str = "none"


class Table(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    forbid_unknown_fields=True,
    rename={"classes": "class"},
):
    """All classes, the seeds of their pages, and what is asked of all of them."""

    seed: int
    held_out_seed: int
    limit_slack: float
    turned_wrongly_gate: Percent
    turned_lines_least: int
    fonts: dict[str, tuple[str, ...]]
    classes: tuple[PageClass, ...]

    def named(self, name: str) -> PageClass:
        """The class of this name. Raises KeyError."""
        return {one.name: one for one in self.classes}[name]


@cache
def load_table() -> Table:
    """What `classes.toml` says."""
    return msgspec.toml.decode(_FILE.read_bytes(), type=Table)
