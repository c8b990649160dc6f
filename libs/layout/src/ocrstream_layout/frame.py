"""The frame: the page turned upright, and mirrored where lines begin at the right."""

import math
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

from ocrstream_layout.medians import SIGNIFICANT_ERRORS, estimate_median
from ocrstream_layout.polygons import FULL, QUARTER, Point, Quad

# Lines of one direction differ by this much where paper is bent or seen in perspective.
_SPREAD = 15_00
# The longest piece has this weight in the vote.
_FULL_WEIGHT = 1 << 16


@dataclass(frozen=True)
class Frame:
    """Coordinates of an upright page: x grows along the lines, y from line to line.

    `direction`: where the text's right side is, in hundredths of a degree. `mirrored`: lines begin
    at the right.
    """

    direction: int
    mirrored: bool

    def to_frame(self, point: Point) -> Point:
        """The point's coordinates in the frame."""
        x, y = point
        quarters, rest = divmod(self.direction, QUARTER)
        # Right angles are exact, so a page turned by them gives the same numbers.
        for _ in range(quarters):
            x, y = y, -x
        if rest:
            angle = math.radians(rest / 100)
            cos, sin = math.cos(angle), math.sin(angle)
            x, y = x * cos + y * sin, y * cos - x * sin
        return (-x if self.mirrored else x), y

    def slope(self, direction: int) -> float:
        """How much text of a direction, or of its opposite, falls along the frame's lines."""
        slope = math.tan(math.radians((direction - self.direction) / 100))
        return -slope if self.mirrored else slope

    def angle_to(self, direction: int) -> int:
        """The angle between a direction and the frame's, 0 to 18000 hundredths of a degree."""
        difference = (direction - self.direction) % FULL
        return min(difference, FULL - difference)


def page_direction(quads: Sequence[Quad]) -> int:
    """The direction of most text, in hundredths of a degree: a vote weighted by length.

    The window of 15 degrees to either side with the most text wins. The page's direction is the
    weighted median in it, or the right angle if that is within the error. Weights are integers, so
    the order of summation does not matter.
    """
    votes = [one for one in quads if not one.has_ambiguous_direction] or list(quads)
    longest = max((one.length for one in votes), default=0.0)
    if longest <= 0:
        return 0
    weighted = sorted(
        (one.direction, 1 + round(_FULL_WEIGHT * one.length / longest)) for one in votes
    )
    # Three rounds of the circle, so that no window crosses its end.
    directions = [direction + turn for turn in (0, FULL, 2 * FULL) for direction, _ in weighted]
    sums = list(accumulate((weight for _, weight in weighted * 3), initial=0))

    def window(direction: int) -> tuple[int, int, int, int]:
        low = bisect_left(directions, direction - _SPREAD)
        high = bisect_left(directions, direction + _SPREAD + 1)
        upright = -min(direction % FULL, FULL - direction % FULL)
        return sums[high] - sums[low], upright, low, high

    _, _, low, high = max(map(window, sorted(set(directions[len(weighted) : 2 * len(weighted)]))))
    found = estimate_median(
        [(directions[at], weighted[at % len(weighted)][1]) for at in range(low, high)]
    )
    quarter = round(found.value / QUARTER) * QUARTER
    if abs(found.value - quarter) <= SIGNIFICANT_ERRORS * found.error:
        return quarter % FULL
    return round(found.value) % FULL
