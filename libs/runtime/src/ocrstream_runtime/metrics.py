"""Metrics with labels whose values are declared.

Every series exists from the start, at zero, so that a rate includes the first increase, and an
alert can distinguish zero from missing. An undeclared value is a type error if the label's type is
a Literal or an enum, and a KeyError in any case.
"""

from collections.abc import Iterable
from itertools import product
from typing import Generic, TypeVar, TypeVarTuple

from prometheus_client import Counter, Gauge, Histogram

MetricT = TypeVar("MetricT", Counter, Gauge, Histogram)
Labels = TypeVarTuple("Labels")


class Family(Generic[MetricT, *Labels]):
    """The series of one metric; `values` lists the values of each label, in order."""

    def __init__(self, metric: MetricT, *values: Iterable[str]) -> None:
        self._series: dict[tuple[object, ...], MetricT] = {
            labels: metric.labels(*labels) for labels in product(*values)
        }

    def labels(self, *values: *Labels) -> MetricT:
        """Returns the series with these label values. Raises KeyError."""
        return self._series[values]
