"""Joins neighbouring cells into rows, unless a gutter between columns separates them."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from ocrstream_layout.areas import Area, Neighbours, bounding_area, find_neighbours
from ocrstream_layout.fragments import Fragment
from ocrstream_layout.gutters import Gutters
from ocrstream_layout.stacks import Stack

_LEVEL = 0.35  # greatest distance of the centers of a row's cells, in heights of the lower cell
_LEVEL_SHARE = 0.65  # share of level neighbours from which two stacks belong to a table


@dataclass(slots=True, eq=False)
class Row(Area):
    """Text that is read from its start to its end: a line of prose, or the cells of a table's row.

    `next_line_y`: the center of the next line in its stack, if the row is a line and has one.
    """

    fragments: list[Fragment]
    next_line_y: float


def build_rows(
    fragments: Sequence[Fragment], stacks: Sequence[Stack], line_height: float
) -> list[Row]:
    """Joins all fragments into rows, sorted from the top.

    Fragments are read across by default. Columns are the exception: adjacent stacks of prose, or
    stacks whose lines are not level.
    """
    ordered = sorted(fragments, key=lambda one: (one.start, *one.sort_key, one.pieces[0].index))
    stack_of = {id(one): number for number, stack in enumerate(stacks) for one in stack.fragments}
    owners = [stack_of[id(one)] for one in ordered]
    pairs = find_neighbours(ordered)
    between = sorted({(owners[pair.first], owners[pair.second]) for pair in pairs})
    gutters = Gutters(((stacks[one], stacks[other]) for one, other in between), line_height)
    level = _level_stacks(pairs, owners)
    after: dict[int, int] = {}
    taken: set[int] = set()
    for pair in sorted(pairs, key=lambda one: (one.offset, one.first, one.second)):
        first, second = ordered[pair.first], ordered[pair.second]
        if pair.offset > _LEVEL or pair.first in after or pair.second in taken:
            continue
        if (
            first.perpendicular
            or second.perpendicular
            or (owners[pair.first], owners[pair.second]) not in level
        ):
            continue
        if gutters.separates(first, second):
            continue
        after[pair.first] = pair.second
        taken.add(pair.second)
    built: list[Row] = []
    for start in sorted(set(range(len(ordered))) - taken):
        chain = [start]
        while chain[-1] in after:
            chain.append(after[chain[-1]])
        cells = [ordered[at] for at in chain]
        area = bounding_area(cells)
        built.append(Row(area.start, area.end, area.top, area.bottom, cells, area.top))
    _set_next_lines(built, stacks)
    return sorted(built, key=lambda one: (*one.sort_key, one.fragments[0].pieces[0].index))


def _set_next_lines(rows: Iterable[Row], stacks: Iterable[Stack]) -> None:
    lines = {id(row.fragments[0]): row for row in rows if len(row.fragments) == 1}
    for stack in stacks:
        for upper, lower in pairwise(stack.fragments):
            if id(upper) in lines and id(lower) in lines:
                lines[id(upper)].next_line_y = lower.center_y


def _level_stacks(pairs: Iterable[Neighbours], owners: Sequence[int]) -> set[tuple[int, int]]:
    """The pairs of stacks whose neighbouring lines are mostly level."""
    all_pairs: dict[tuple[int, int], int] = {}
    level: dict[tuple[int, int], int] = {}
    for pair in pairs:
        stack_pair = owners[pair.first], owners[pair.second]
        all_pairs[stack_pair] = all_pairs.get(stack_pair, 0) + 1
        level[stack_pair] = level.get(stack_pair, 0) + (pair.offset <= _LEVEL)
    return {
        stack_pair
        for stack_pair, count in all_pairs.items()
        if level[stack_pair] >= _LEVEL_SHARE * count
    }
