"""Which boxes were read on which true lines, by where they lie."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from accuracy.geometry import Quad
from accuracy.overlaps import areas, shared_areas

# A box that covers so much of a further line has read that one as well.
_COVERED = 0.5
# A box with less of itself on any line lies beside them all.
_ON_A_LINE = 0.1


@dataclass(frozen=True)
class Match:
    """Lines and the boxes on them, by number. Mostly one of each.

    Lines stand in reading order. The boxes of one line stand in its direction, of several as they
    were given. A line that nobody read has no boxes, a box beside all lines has no lines.
    """

    lines: tuple[int, ...]
    boxes: tuple[int, ...]


def match_lines(lines: Sequence[Quad], boxes: Sequence[Quad]) -> list[Match]:
    """Every line and every box, in exactly one match."""
    shared = shared_areas(boxes, lines)
    line_of = _Sets(len(lines))
    first: dict[int, int] = {}
    box_areas, line_areas = areas(boxes), areas(lines)
    for box in range(len(boxes)):
        if not lines or shared[box].max() <= _ON_A_LINE * min(
            box_areas[box], line_areas[int(shared[box].argmax())]
        ):
            continue
        first[box] = int(shared[box].argmax())
        for also in np.flatnonzero(shared[box] > _COVERED * line_areas):
            line_of.join(first[box], int(also))
    boxes_of: dict[int, list[int]] = {}
    for box, line in first.items():
        boxes_of.setdefault(line_of.find(line), []).append(box)
    matches = [
        Match(tuple(members), tuple(_in_order(lines, boxes, members, boxes_of.get(root, []))))
        for root, members in line_of.groups().items()
    ]
    return matches + [Match((), (box,)) for box in range(len(boxes)) if box not in first]


def _in_order(
    lines: Sequence[Quad], boxes: Sequence[Quad], members: list[int], found: list[int]
) -> list[int]:
    if len(members) > 1:
        return found
    quad = lines[members[0]]
    along = quad[1] - quad[0]
    if np.linalg.norm(quad[3] - quad[0]) > np.linalg.norm(along):
        along = quad[3] - quad[0]
    return sorted(found, key=lambda box: float(boxes[box].mean(axis=0) @ along))


class _Sets:
    """Disjoint sets of numbers; the least of each names it."""

    def __init__(self, count: int) -> None:
        self._parents = list(range(count))

    def find(self, one: int) -> int:
        while self._parents[one] != one:
            one = self._parents[one]
        return one

    def join(self, one: int, other: int) -> None:
        least, most = sorted((self.find(one), self.find(other)))
        self._parents[most] = least

    def groups(self) -> dict[int, list[int]]:
        found: dict[int, list[int]] = {}
        for one in range(len(self._parents)):
            found.setdefault(self.find(one), []).append(one)
        return found
