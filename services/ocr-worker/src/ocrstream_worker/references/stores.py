"""`s3://`, `gs://` and `az://`: objects of the stores that are allowed."""

from collections.abc import Iterable

from ocrstream_runtime.object_stores import AllowedStores, Permit
from ocrstream_runtime.references import UnreadableFile
from ocrstream_worker.references.port import image_error


class ObjectStoreFetcher:
    """Reads objects beneath the `allowed` places."""

    def __init__(self, allowed: Iterable[Permit], *, max_bytes: int) -> None:
        # The client asks once: an image is tried again by its own rule, which lets others pass
        # meanwhile.
        self._stores = AllowedStores(allowed, max_bytes=max_bytes)

    async def fetch(self, reference: str) -> bytes:
        """As the port says."""
        try:
            return await self._stores.read(reference)
        except UnreadableFile as error:
            raise image_error(error) from error
