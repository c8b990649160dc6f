"""Where images are read that are to be shown: allowed folders and object stores."""

import asyncio
from enum import StrEnum

from ocrstream_runtime import object_stores
from ocrstream_runtime.errors import FetchError
from ocrstream_runtime.local_files import AllowedFolders
from ocrstream_runtime.object_stores import AllowedStores


class Trouble(StrEnum):
    """Why there is no picture; only UNREACHABLE may pass."""

    NOT_FOUND = "not_found"
    REFUSED = "refused"
    TOO_LARGE = "too_large"
    UNDECODABLE = "undecodable"
    UNREACHABLE = "unreachable"
    ELSEWHERE = "elsewhere"
    """It is where workers read, and the recorder does not."""


class NoPicture(Exception):
    """The image cannot be shown; the message says why."""

    def __init__(self, why: str, trouble: Trouble) -> None:
        super().__init__(why)
        self.trouble = trouble


class ImageSource:
    """Reads files beneath `folders`, and objects of `stores` for `fetch_timeout_s` at most."""

    def __init__(
        self, folders: AllowedFolders, stores: AllowedStores, *, fetch_timeout_s: float
    ) -> None:
        self._folders = folders
        self._stores = stores
        self._fetch_timeout_s = fetch_timeout_s

    def read(self, reference: str) -> bytes:
        """The image's file. Raises NoPicture. Blocks; for any thread that runs no event loop."""
        try:
            if is_stored(reference):
                return asyncio.run(self._fetch(reference))
            if _scheme(reference) == "file":
                return self._folders.read(reference)
        except FetchError as error:
            raise NoPicture(str(error), Trouble(error.failure.value)) from error
        raise NoPicture(
            f"the recorder does not read {_scheme(reference)}:// references", Trouble.ELSEWHERE
        )

    async def _fetch(self, reference: str) -> bytes:
        try:
            async with asyncio.timeout(self._fetch_timeout_s):
                return await self._stores.read(reference)
        except TimeoutError as error:
            raise NoPicture(
                f"the image was not there within {self._fetch_timeout_s:g} s"
                " (OCRSTREAM_FETCH_TIMEOUT_S)",
                Trouble.UNREACHABLE,
            ) from error


NO_IMAGES = ImageSource(
    AllowedFolders((), max_bytes=0), AllowedStores((), max_bytes=0), fetch_timeout_s=0
)


def is_stored(reference: str) -> bool:
    """Whether the image is an object of a store."""
    return _scheme(reference) in object_stores.SCHEMES


def _scheme(reference: str) -> str:
    return reference.partition(":")[0].lower()
