"""The events of a child pool, for metrics."""


class PoolObserver:
    """The pool calls it at each event. This base class ignores them all."""

    def batch_started(self, jobs: int) -> None:
        """A child started a batch of `jobs` jobs."""

    def batch_finished(self, busy_s: float) -> None:
        """A child finished a batch after `busy_s` seconds."""

    def replaced(self) -> None:
        """The pool replaces a child that crashed, hung or was starved of CPU."""

    def recycled(self) -> None:
        """A new child took over from one that needed recycling."""

    def breaker_changed(self, is_open: bool) -> None:
        """The crash-loop breaker opened or closed."""

    def starvation_changed(self, kills: int) -> None:
        """How many children in a row were killed because they got too little CPU."""
