"""Joins fragments that stand right below each other into stacks."""

import statistics
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from ocrstream_layout.areas import Area, bounding_area, visible_pairs
from ocrstream_layout.fragments import Fragment

_TOUCH = 0.1  # share of the narrower fragment's width from which two are neighbours
_BELOW = 0.5  # the same, from which one may continue the other
_LEADING = 1.2  # widest gap between two lines of a stack, in line heights
_BREAK = 0.7  # line heights by which a gap that splits a stack exceeds the usual one
_SAME_SIZE = 1.6


@dataclass(slots=True, eq=False)
class Stack(Area):
    """Fragments of one column, each right below the one before it.

    `measure`: the width of the column, which only the longest tenth of its lines exceed.
    """

    fragments: list[Fragment]
    measure: float


def build_stacks(fragments: Sequence[Fragment], line_height: float) -> list[Stack]:
    """Joins all fragments into stacks; `fragments` is sorted from the top.

    Two fragments are in one stack if each is the other's only neighbour on that side. So a headline
    across columns is in the stack of none of them.
    """
    links = _next_below(fragments)
    below = Counter(upper for upper, _ in links)
    above = Counter(lower for _, lower in links)
    after = {
        upper: lower
        for (upper, lower), shared in links.items()
        if below[upper] == 1
        and above[lower] == 1
        and shared >= _BELOW
        and _continues(fragments[upper], fragments[lower], line_height)
    }
    built: list[Stack] = []
    for first in sorted(set(range(len(fragments))) - set(after.values())):
        chain = [first]
        while chain[-1] in after:
            chain.append(after[chain[-1]])
        built.extend(map(_stack, _regular([fragments[at] for at in chain], line_height)))
    return built


def _regular(chain: list[Fragment], line_height: float) -> list[list[Fragment]]:
    """Splits the chain where a gap is much wider than usual in it."""
    gaps = [lower.top - upper.bottom for upper, lower in pairwise(chain)]
    if not gaps:
        return [chain]
    widest = statistics.median_low(gaps) + _BREAK * line_height
    breaks = [0, *(at + 1 for at, gap in enumerate(gaps) if gap > widest), len(chain)]
    return [chain[begin:end] for begin, end in pairwise(breaks)]


def _next_below(fragments: Sequence[Fragment]) -> dict[tuple[int, int], float]:
    """Finds which fragment stands below which, and the share of the narrower one's width.

    Beside a short line, the line below sees the line above, too; that pair does not count.
    """
    seen: dict[tuple[int, int], float] = {}
    above: dict[int, list[int]] = {}
    for upper, lower, shared in visible_pairs([(one.start, one.end) for one in fragments]):
        share = shared / min(fragments[upper].width, fragments[lower].width)
        if share >= _TOUCH:
            seen[upper, lower] = share
            above.setdefault(lower, []).append(upper)
    return {
        (upper, lower): share
        for (upper, lower), share in seen.items()
        if not any((upper, between) in seen for between in above[lower])
    }


def _continues(upper: Fragment, lower: Fragment, line_height: float) -> bool:
    if upper.perpendicular or lower.perpendicular:
        return False
    smaller, larger = sorted((upper.height, lower.height))
    gap = lower.top - upper.bottom
    return larger <= _SAME_SIZE * smaller and gap <= _LEADING * max(smaller, line_height)


def _stack(fragments: list[Fragment]) -> Stack:
    area = bounding_area(fragments)
    widths = sorted(one.width for one in fragments)
    measure = widths[-1 - len(widths) // 10]
    return Stack(area.start, area.end, area.top, area.bottom, fragments, measure)
