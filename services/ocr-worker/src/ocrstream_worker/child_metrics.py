"""Metrics of the worker's child processes."""

from ocrstream_sandbox.observer import PoolObserver
from ocrstream_worker import metrics


class ChildMetrics(PoolObserver):
    """Counts the events of one pool of child processes."""

    def __init__(self, kind: metrics.Child) -> None:
        self._kind: metrics.Child = kind

    def batch_started(self, jobs: int) -> None:
        metrics.BATCH_IMAGES.labels(self._kind).observe(jobs)

    def batch_finished(self, busy_s: float) -> None:
        metrics.BUSY_SECONDS.labels(self._kind).inc(busy_s)

    def replaced(self) -> None:
        metrics.RESTARTS.labels(self._kind).inc()

    def recycled(self) -> None:
        metrics.RECYCLED.labels(self._kind).inc()

    def breaker_changed(self, is_open: bool) -> None:
        metrics.CRASH_LOOP.labels(self._kind).set(is_open)

    def starvation_changed(self, kills: int) -> None:
        metrics.PROCESS_STARVED.labels(self._kind).set(kills)
