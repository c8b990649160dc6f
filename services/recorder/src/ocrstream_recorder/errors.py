"""The recorder's exceptions."""


class RecorderError(Exception):
    """The base of all exceptions of this package."""


class DatabaseUnavailableError(RecorderError):
    """The database does not do it now; the same may succeed once it, or its schema, is mended."""


class SessionLostError(DatabaseUnavailableError):
    """The session ended amid a call; what takes the server or this process less may pass."""


class IdleInTransactionError(SessionLostError):
    """The server ended the session, since this process computed for too long in a transaction."""


class DataRefusedError(RecorderError):
    """The database refuses a value, now and always."""


class OffsetsMovedError(RecorderError):
    """Another owner of the partition has written these records already."""


class ConcurrentChangeError(RecorderError):
    """Rows went away or changed owner while the poll was written; write it again."""


class PollAbandonedError(RecorderError):
    """Some of the poll is not written: release is requested, or the database refuses most of it."""


class CannotSkipError(RecorderError):
    """Nothing was changed; the message says why."""


class WrongRevisionError(RecorderError):
    """The database is not at the revision that this version of the recorder works with."""


class CannotTakeOverError(RecorderError):
    """Something in the database stands against its being taken over; nothing was changed."""

    def __init__(self, obstacles: list[str]) -> None:
        super().__init__(
            "this database cannot be taken over as it is; nothing was changed:\n- "
            + "\n- ".join(obstacles)
        )


class DeadLetterDeletedError(RecorderError):
    """Kafka has deleted it."""


class DeadLettersUnavailableError(RecorderError):
    """Kafka does not answer now; the same may succeed later."""


class NotRedrivenError(RecorderError):
    """A dead letter cannot be redriven; the message says why, and what to do."""


class ConditionError(RecorderError, ValueError):
    """No condition; the message points at the character, counted from 0 in `position`."""

    def __init__(self, text: str, position: int, why: str) -> None:
        shown = "".join(one if one.isprintable() else " " for one in text)
        super().__init__(f"{why}, at character {position + 1}:\n{shown}\n{' ' * position}^")
        self.position = position


class DeliveryFailedError(RecorderError):
    """The receiver does not have the message, or does not say so.

    `final`: no other attempt will help. `retry_after_s` is what the receiver asked to wait.
    """

    def __init__(
        self, error: str, *, final: bool = False, retry_after_s: float | None = None
    ) -> None:
        super().__init__(error)
        self.final = final
        self.retry_after_s = retry_after_s


class RegistryStaleError(RecorderError):
    """The recorder has not read the heartbeats lately; the message says why."""


class LagUnknownError(RecorderError):
    """Kafka is unavailable; the message says why."""


class TooManyListenersError(RecorderError):
    """As many clients listen as may listen at once."""


class NotWatchingError(RecorderError):
    """The database is unavailable, or the watcher has stopped."""


class PdfTooLargeError(RecorderError):
    """The document is larger than the offsets in a PDF can address, 10 GB."""


class TooManyExportsError(RecorderError):
    """As many exports are running as may run at once."""


class TooLargeToShowError(RecorderError):
    """The picture would be larger than the API sends."""
