"""Tracks which records of a partition are done, and the offset that may be committed."""


class OffsetTracker:
    """Records of one partition: started in order, finished in any order."""

    def __init__(self) -> None:
        # Sorted by offset, because records are started in order.
        self._unfinished: dict[int, None] = {}
        self._next: int | None = None
        self._committed: int | None = None

    @property
    def unfinished(self) -> int:
        """The number of records started and not finished."""
        return len(self._unfinished)

    @property
    def uncommitted(self) -> int:
        """The number of offsets between the watermark and the next record."""
        return 0 if self._next is None else self._next - next(iter(self._unfinished), self._next)

    def start(self, offset: int) -> None:
        """A record was read."""
        self._unfinished[offset] = None
        self._next = offset + 1

    def finish(self, offset: int) -> None:
        """All events that follow from the record are published."""
        del self._unfinished[offset]

    @property
    def watermark(self) -> int | None:
        """The lowest unfinished offset, or the one after the last; None before the first."""
        return next(iter(self._unfinished), self._next)

    def committable(self) -> int | None:
        """The watermark, or None if it is committed already."""
        return None if self.watermark == self._committed else self.watermark

    def mark_committed(self, offset: int) -> None:
        """The broker has the commit."""
        self._committed = offset
