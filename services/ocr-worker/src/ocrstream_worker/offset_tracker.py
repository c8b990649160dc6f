"""Which records of a partition are done, and up to where its offset may be committed."""


class OffsetTracker:
    """Records of one partition, taken in order, done in any order."""

    def __init__(self) -> None:
        # In the order of the offsets, as they were taken.
        self._unfinished: dict[int, None] = {}
        self._next: int | None = None
        self._committed: int | None = None

    @property
    def unfinished(self) -> int:
        """How many records are taken and not done."""
        return len(self._unfinished)

    @property
    def ahead(self) -> int:
        """How many offsets lie between the watermark and what is taken next."""
        return 0 if self._next is None else self._next - next(iter(self._unfinished), self._next)

    def take(self, offset: int) -> None:
        """A record has been read; it is not done."""
        self._unfinished[offset] = None
        self._next = offset + 1

    def done(self, offset: int) -> None:
        """All that follows from the record is in the broker's hands."""
        del self._unfinished[offset]

    @property
    def watermark(self) -> int | None:
        """The lowest unfinished offset, or the one after the last; None if none was taken."""
        return next(iter(self._unfinished), self._next)

    def to_commit(self) -> int | None:
        """The watermark, or None if it is committed."""
        return None if self.watermark == self._committed else self.watermark

    def committed(self, offset: int) -> None:
        """The broker has the commit."""
        self._committed = offset
