"""Weighted medians, which are robust against outliers."""

import math
from collections.abc import Sequence
from typing import NamedTuple

Weighted = Sequence[tuple[float, float]]
"""Values with their weights."""

SIGNIFICANT_ERRORS = 3.0
"""A difference of this many standard errors is significant."""


class MedianEstimate(NamedTuple):
    value: float
    error: float


def weighted_median(weighted: Weighted) -> float:
    """The least value up to which half of the weight lies; needs at least one value."""
    half = math.fsum(weight for _, weight in weighted) / 2
    total = 0.0
    for value, weight in sorted(weighted):
        total += weight
        if total >= half:
            return value
    return max(value for value, _ in weighted)


def estimate_median(weighted: Weighted) -> MedianEstimate:
    """The weighted median and its standard error.

    The error is that of the median of normally distributed values: 1.253 standard deviations
    divided by the root of their count. A standard deviation is 1.483 times the median absolute
    deviation.
    """
    value = weighted_median(weighted)
    deviation = weighted_median([(abs(one - value), weight) for one, weight in weighted])
    return MedianEstimate(value, 1.253 * 1.483 * deviation / math.sqrt(len(weighted)))
