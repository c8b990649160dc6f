"""Descriptive fields: names, initiators, options. The value from the best source holds."""

from enum import IntEnum
from typing import Any

import msgspec

from ocrstream_recorder.rules.canonical import digest


class Source(IntEnum):
    """Who said it, the more trusted the greater."""

    LIFECYCLE = 0
    RESULT = 1
    SUBMISSION = 2
    ANNOUNCEMENT = 3


_SOURCES = len(Source)


class Description(msgspec.Struct, frozen=True):
    """Values of a fixed list of fields, each with the rank of who said it (0: nobody did)."""

    values: tuple[Any, ...]
    ranks: tuple[int, ...]

    @classmethod
    def of(cls, values: tuple[Any, ...], run: int, source: Source) -> "Description":
        """What one event says; None says nothing. A higher run beats any source."""
        rank = _SOURCES * run + source
        return cls(values, tuple([0 if value is None else rank for value in values]))

    def join(self, other: "Description") -> "Description":
        """Field by field the value of the greater rank, ties by the values' digests."""
        if self.ranks == other.ranks and self.values == other.values:
            return self
        chosen = [
            self if _holds(mine, my_rank, theirs, their_rank) else other
            for mine, my_rank, theirs, their_rank in zip(
                self.values, self.ranks, other.values, other.ranks, strict=True
            )
        ]
        return Description(
            tuple(side.values[field] for field, side in enumerate(chosen)),
            tuple(side.ranks[field] for field, side in enumerate(chosen)),
        )


def _holds(mine: Any, my_rank: int, theirs: Any, their_rank: int) -> bool:
    if my_rank != their_rank:
        return my_rank > their_rank
    return mine == theirs or digest(mine) >= digest(theirs)
