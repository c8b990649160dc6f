"""The port that every kind of reference stands behind, and the register of them by scheme."""

import asyncio
import re
from collections.abc import Mapping
from typing import Protocol

from ocrstream_runtime.references import Trouble, UnreadableFile
from ocrstream_schemas.events import Reason
from ocrstream_worker.errors import PermanentImageError, TransientImageError

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):")


class Fetcher(Protocol):
    """What an adapter implements."""

    async def fetch(self, reference: str) -> bytes:
        """The file's bytes, no more than are allowed; any number of calls at the same time.

        What must not be read is refused before anybody is asked for it. Raises PermanentImageError
        (not_found, refused, too_large) and, for trouble that may pass, TransientImageError.
        """
        ...


class FetcherRegistry:
    """A fetcher itself: the one of the reference's scheme, for `timeout_s` at most."""

    def __init__(self, fetchers: Mapping[str, Fetcher], timeout_s: float) -> None:
        self._fetchers = fetchers
        self._timeout_s = timeout_s

    async def fetch(self, reference: str) -> bytes:
        """As `Fetcher` says."""
        fetcher = self._of_scheme(reference)
        try:
            async with asyncio.timeout(self._timeout_s):
                return await fetcher.fetch(reference)
        except TimeoutError as error:
            raise TransientImageError(
                Reason.TIMEOUT,
                f"the file was not there within {self._timeout_s:g} s (OCRSTREAM_FETCH_TIMEOUT_S)",
            ) from error

    def _of_scheme(self, reference: str) -> Fetcher:
        found = _SCHEME.match(reference)
        scheme = found[1].lower() if found else ""
        if scheme in self._fetchers:
            return self._fetchers[scheme]
        known = ", ".join(f"{one}://" for one in self._fetchers)
        what = f"begins with {scheme}:, which is not read" if scheme else "is no URL"
        raise PermanentImageError(
            Reason.REFUSED,
            f"the reference {what}; there are {known}; a path is file:///folder/a.png",
        )


def image_error(error: UnreadableFile) -> PermanentImageError | TransientImageError:
    """What an unreadable file means for its image."""
    if error.trouble is Trouble.UNREACHABLE:
        return TransientImageError(Reason.TIMEOUT, str(error))
    return PermanentImageError(Reason(error.trouble.value), str(error))
