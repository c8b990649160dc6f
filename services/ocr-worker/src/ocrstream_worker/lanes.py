"""In which order lanes are asked for images: the first before the others, which get a tenth."""

from collections.abc import Sequence

_TURNS = 10


class LaneOrder:
    """Decides, image by image, which lane is asked first."""

    def __init__(self, topics: Sequence[str]) -> None:
        self._topics = tuple(topics)
        self._turn = 0
        self._favoured = 1

    def next(self) -> tuple[str, ...]:
        """The topics in the order to ask them for the next image."""
        self._turn = (self._turn + 1) % _TURNS
        if self._turn or len(self._topics) == 1:
            return self._topics
        # The tenth image: the lower lanes take turns in being asked first.
        favoured = self._topics[self._favoured]
        self._favoured = self._favoured % (len(self._topics) - 1) + 1
        return (favoured, *(topic for topic in self._topics if topic != favoured))
