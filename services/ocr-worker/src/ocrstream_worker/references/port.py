"""The port of the fetchers, and their registry by scheme."""

import re
from collections.abc import Mapping
from typing import Protocol

from ocrstream_runtime.errors import FetchError, FetchFailure
from ocrstream_runtime.starvation_aware_timeout import StarvationAwareTimeout
from ocrstream_schemas.events import Reason
from ocrstream_worker.errors import PermanentImageError, TransientImageError

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):")


class Fetcher(Protocol):
    """Fetches the file of a reference."""

    async def fetch(self, reference: str) -> bytes:
        """Returns the file's bytes, up to the allowed size. Calls may overlap.

        A forbidden reference is refused before any request. Raises PermanentImageError (not_found,
        refused, too_large), and TransientImageError for a failure that a retry may avoid.
        """
        ...


class FetcherRegistry:
    """Fetches with the fetcher of the reference's scheme, for `timeout_s` at most."""

    def __init__(self, fetchers: Mapping[str, Fetcher], timeout_s: float) -> None:
        self._fetchers = fetchers
        self._timeout_s = timeout_s

    async def fetch(self, reference: str) -> bytes:
        """See `Fetcher.fetch`."""
        fetcher = self._fetcher_for(reference)
        try:
            async with StarvationAwareTimeout(self._timeout_s):
                return await fetcher.fetch(reference)
        except TimeoutError as error:
            raise TransientImageError(
                Reason.TIMEOUT,
                f"the file was not fetched in {self._timeout_s:g} s (OCRSTREAM_FETCH_TIMEOUT_S)",
            ) from error

    def _fetcher_for(self, reference: str) -> Fetcher:
        match = _SCHEME.match(reference)
        scheme = match[1].lower() if match else ""
        if scheme in self._fetchers:
            return self._fetchers[scheme]
        known = ", ".join(f"{one}://" for one in self._fetchers)
        problem = f"begins with {scheme}:, which is not supported" if scheme else "is no URL"
        raise PermanentImageError(
            Reason.REFUSED,
            f"the reference {problem}; supported are {known}; a path is file:///folder/a.png",
        )


def to_image_error(error: FetchError) -> PermanentImageError | TransientImageError:
    """The error of the image whose file cannot be read."""
    if error.failure is FetchFailure.UNREACHABLE:
        return TransientImageError(Reason.TIMEOUT, str(error))
    return PermanentImageError(Reason(error.failure.value), str(error))
