"""Descriptive fields: names, initiators, options. The value from the best source holds."""

from collections.abc import Iterable
from enum import IntEnum
from typing import Any, Generic, TypeVar

import msgspec

from ocrstream_recorder.rules.lattice import digest


class Source(IntEnum):
    """Who described something, the more trusted the greater."""

    LIFECYCLE = 0
    RESULT = 1
    SUBMISSION = 2
    ANNOUNCEMENT = 3


_SOURCES = len(Source)

FieldsT = TypeVar("FieldsT", bound=tuple[Any, ...])
"""A NamedTuple of descriptive fields."""


class Description(msgspec.Struct, Generic[FieldsT], frozen=True):
    """Descriptive fields, and of each the rank of whoever gave its value; 0: nobody did."""

    values: FieldsT
    ranks: tuple[int, ...]

    @classmethod
    def of(cls, fields: FieldsT, run: int, source: Source) -> "Description[FieldsT]":
        """What one event describes; None describes nothing. A higher run beats any source."""
        rank = _SOURCES * run + source
        return cls(fields, tuple([0 if value is None else rank for value in fields]))

    @classmethod
    def of_row(cls, fields: FieldsT, ranks: Iterable[int]) -> "Description[FieldsT]":
        """What a row keeps; of a field that nobody described it may hold a default."""
        kept = tuple(ranks)
        values = [value if rank else None for value, rank in zip(fields, kept, strict=True)]
        return cls(_like(fields, values), kept)

    def join(self, other: "Description[FieldsT]") -> "Description[FieldsT]":
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
            _like(self.values, [side.values[field] for field, side in enumerate(chosen)]),
            tuple([side.ranks[field] for field, side in enumerate(chosen)]),
        )


def _like(fields: FieldsT, values: list[Any]) -> FieldsT:
    return tuple.__new__(type(fields), values)


def _holds(mine: Any, my_rank: int, theirs: Any, their_rank: int) -> bool:
    if my_rank != their_rank:
        return my_rank > their_rank
    return mine == theirs or digest(mine) >= digest(theirs)
