"""Retries requests that are safe to repeat."""

from typing import Any

from ocrstream_client.errors import RefusedError, UnreachableError
from ocrstream_client.transport import HttpRequest, Pause, Plan, Upload

TEMPORARY_STATUSES = frozenset({409, 429, 502, 503, 504})
"""Statuses of a service that may accept the same request a moment later."""

_MAX_ATTEMPTS = 5
_MAX_BACKOFF_S = 30.0


def retry(effect: HttpRequest | Upload) -> Plan[Any]:
    """Retries a request, which must be safe to repeat, after a temporary failure."""
    for attempt in range(1, _MAX_ATTEMPTS + 1):
        pause_s = 0.5 * 2**attempt
        try:
            return (yield effect)
        except UnreachableError:
            if attempt == _MAX_ATTEMPTS:
                raise
        except RefusedError as error:
            if error.status not in TEMPORARY_STATUSES or attempt == _MAX_ATTEMPTS:
                raise
            pause_s = min(max(pause_s, error.retry_after_s or 0), _MAX_BACKOFF_S)
        yield Pause(pause_s)
    raise AssertionError("the last attempt returns or raises")
