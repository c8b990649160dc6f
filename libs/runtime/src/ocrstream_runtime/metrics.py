"""Metrics with labels whose values are known beforehand.

Every series is there from the start, at zero: a rate then sees the first increase too, and an alert
can tell nothing from missing. A value that was not declared is a type error where its type is a
Literal or an enum, and a KeyError in any case.
"""

from collections.abc import Iterable
from itertools import product
from typing import Generic, TypeVar, TypeVarTuple

from prometheus_client import Counter, Gauge, Histogram

MetricT = TypeVar("MetricT", Counter, Gauge, Histogram)
Labels = TypeVarTuple("Labels")


class Family(Generic[MetricT, *Labels]):
    """The series of one metric; `values` gives for each label, in order, what it may be."""

    def __init__(self, metric: MetricT, *values: Iterable[str]) -> None:
        self._series: dict[tuple[object, ...], MetricT] = {
            labels: metric.labels(*labels) for labels in product(*values)
        }

    def labels(self, *values: *Labels) -> MetricT:
        """The series with these values."""
        return self._series[values]
