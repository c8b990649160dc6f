"""Fetches `s3://`, `gs://` and `az://` references from the allowed object stores."""

from collections.abc import Iterable

from ocrstream_runtime.errors import FetchError
from ocrstream_runtime.object_stores import AllowedStores, ObjectLocation
from ocrstream_worker.references.port import to_image_error


class ObjectStoreFetcher:
    """Reads objects beneath the `allowed` places."""

    def __init__(self, allowed: Iterable[ObjectLocation], *, max_bytes: int) -> None:
        # The client does not retry: the pipeline's retry policy does, and processes other images
        # meanwhile.
        self._stores = AllowedStores(allowed, max_bytes=max_bytes)

    async def fetch(self, reference: str) -> bytes:
        """See `Fetcher.fetch`."""
        try:
            return await self._stores.read(reference)
        except FetchError as error:
            raise to_image_error(error) from error
