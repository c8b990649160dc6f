"""Decides which lane is polled next: the first, except for a tenth of the images."""

from collections.abc import Sequence

_CYCLE = 10


class LaneOrder:
    """The order in which lanes are polled, image by image."""

    def __init__(self, topics: Sequence[str]) -> None:
        self._topics = tuple(topics)
        self._turn = 0
        self._preferred = 1

    def next(self) -> tuple[str, ...]:
        """The topics in the order in which to poll them for the next image."""
        self._turn = (self._turn + 1) % _CYCLE
        if self._turn or len(self._topics) == 1:
            return self._topics
        # Every tenth image: the other lanes come first, by turns.
        preferred = self._topics[self._preferred]
        self._preferred = self._preferred % (len(self._topics) - 1) + 1
        return (preferred, *(topic for topic in self._topics if topic != preferred))
