"""Reads the images that the recorder shows, from allowed folders and object stores."""

import asyncio

from ocrstream_recorder.errors import RecorderError
from ocrstream_runtime import object_stores
from ocrstream_runtime.errors import FetchError, FetchFailure
from ocrstream_runtime.local_files import AllowedFolders
from ocrstream_runtime.object_stores import AllowedStores


class NoPictureError(RecorderError):
    """The recorder cannot show the image; the message says why."""

    def __init__(self, why: str, failure: FetchFailure) -> None:
        super().__init__(why)
        self.failure = failure


class ImageSource:
    """Reads files below `folders` and objects of `stores`, these for `fetch_timeout_s` at most."""

    def __init__(
        self, folders: AllowedFolders, stores: AllowedStores, *, fetch_timeout_s: float
    ) -> None:
        self._folders = folders
        self._stores = stores
        self._fetch_timeout_s = fetch_timeout_s

    def read(self, reference: str) -> bytes:
        """The content of the image file. Raises NoPictureError. Blocks: not for an event loop."""
        try:
            if is_in_store(reference):
                return asyncio.run(self._fetch(reference))
            if _scheme(reference) == "file":
                return self._folders.read(reference)
        except FetchError as error:
            raise NoPictureError(str(error), error.failure) from error
        raise NoPictureError(
            f"the recorder does not read {_scheme(reference)}:// references",
            FetchFailure.ELSEWHERE,
        )

    async def _fetch(self, reference: str) -> bytes:
        try:
            async with asyncio.timeout(self._fetch_timeout_s):
                return await self._stores.read(reference)
        except TimeoutError as error:
            raise NoPictureError(
                f"the image was not there within {self._fetch_timeout_s:g} s"
                " (OCRSTREAM_FETCH_TIMEOUT_S)",
                FetchFailure.UNREACHABLE,
            ) from error


NO_IMAGES = ImageSource(
    AllowedFolders((), max_bytes=0), AllowedStores((), max_bytes=0), fetch_timeout_s=0
)


def is_in_store(reference: str) -> bool:
    """Whether the reference names an object of a store."""
    return _scheme(reference) in object_stores.SCHEMES


def _scheme(reference: str) -> str:
    return reference.partition(":")[0].lower()
