"""How many records the next transaction may write, so that the server leaves it its session.

The server ends a session whose transaction waits too long for the next statement. How long this
process computes between two statements grows with the records, and with what else the machine has
to do. So the size follows what the last transactions took.
"""

_PART = 0.25
"""Of the server's patience between two statements, what a whole transaction may take."""


class TransactionSize:
    """The size of one kind of transaction in this process."""

    def __init__(self, most: int, idle_timeout_s: float) -> None:
        """`most` records at first; the server waits `idle_timeout_s` for a statement."""
        self.most = most
        self.next = most
        """The most records that the next transaction may write: from 1 to `most`."""
        self._longest_s = _PART * idle_timeout_s

    def committed(self, records: int, took_s: float) -> None:
        """A transaction wrote so many, and took so long from its first lock to COMMIT."""
        aim_s = self._longest_s / 2
        if took_s > self._longest_s:
            self._shrink_to(int(records * aim_s / took_s))
        elif took_s <= aim_s:
            # A small one does not show how long much larger ones take.
            self.next = max(self.next, min(self.most, 2 * records))

    def failed(self, records: int) -> None:
        """A transaction that was to write so many was ended before its COMMIT."""
        self._shrink_to(records // 2)

    def _shrink_to(self, records: int) -> None:
        self.next = max(1, min(self.next, records))
