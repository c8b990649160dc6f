"""The exceptions of this library."""

from collections.abc import Iterable
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from aiokafka.errors import KafkaError


class OcrstreamRuntimeError(Exception):
    """Base of this library's exceptions."""


class NotReadyError(OcrstreamRuntimeError):
    """A health check failed; the message says what is missing."""


class StoppedError(OcrstreamRuntimeError):
    """The stop event was set before the awaited result was available."""


class ProblemError(OcrstreamRuntimeError):
    """Ends an HTTP request with a problem document (RFC 9457) that has `extra` members."""

    def __init__(
        self,
        status: int,
        title: str,
        detail: str,
        *,
        headers: dict[str, str] | None = None,
        **extra: Any,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.title = title
        self.detail = detail
        self.headers = headers
        self.extra = extra


class ClusterChangedError(OcrstreamRuntimeError):
    """Another Kafka cluster answers at the address of the known one."""

    def __init__(self, known: str, found: str) -> None:
        super().__init__(f"cluster {found} answers where {known} did")


class TopicsMissingError(OcrstreamRuntimeError):
    """The cluster lacks topics of the contract."""

    def __init__(self, missing: Iterable[str]) -> None:
        super().__init__(
            f"topics are missing ({', '.join(sorted(missing))}); create them with:"
            " python -m ocrstream_runtime.topics"
        )


class ClockRefusedError(OcrstreamRuntimeError, KafkaError):
    """Kafka refuses a record's timestamp, and accepts the record once the clock is right."""

    def __init__(self) -> None:
        clock = datetime.now(UTC).isoformat(timespec="seconds")
        super().__init__(f"Kafka refuses the time of this machine's clock, {clock}; set it right")

    def __str__(self) -> str:
        return str(self.args[0])


class RecordTooLargeError(OcrstreamRuntimeError, ValueError):
    """The record exceeds its topic's limit, and was not sent.

    It must not reach the broker: an idempotent producer that had one record refused can never write
    to that partition again.
    """


class AddressRefusedError(OcrstreamRuntimeError):
    """The host has an address that the service must not connect to."""


class UnknownHostError(OcrstreamRuntimeError):
    """The host has no address."""


class FetchFailure(StrEnum):
    """Why a service cannot use a referenced file; only UNREACHABLE is worth a retry."""

    NOT_FOUND = "not_found"
    REFUSED = "refused"
    TOO_LARGE = "too_large"
    UNREACHABLE = "unreachable"
    ELSEWHERE = "elsewhere"
    """The service does not read references of this scheme, although others may."""
    UNDECODABLE = "undecodable"


class FetchError(OcrstreamRuntimeError):
    """A referenced file is not readable; the message says why and what to do."""

    def __init__(self, failure: FetchFailure, message: str) -> None:
        super().__init__(message)
        self.failure = failure
