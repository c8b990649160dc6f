"""`s3://`, `gs://` and `az://`: objects of the stores that are allowed.

Credentials, region, endpoint and the like come from the environment, under the names of the
stores' own tools (`AWS_*`, `GOOGLE_*`, `AZURE_*`).
"""

import re
from collections.abc import Iterable, Mapping
from typing import NamedTuple

import obstore
from obstore.exceptions import (
    BaseError,
    PermissionDeniedError,
    UnauthenticatedError,
)
from obstore.store import AzureStore, GCSStore, S3Store

from ocrstream_schemas.events import Reason
from ocrstream_worker.image_errors import ImageRejected, ImageUnreachable
from ocrstream_worker.references.port import collect

Store = S3Store | GCSStore | AzureStore

_KINDS: Mapping[str, type[Store]] = {"s3": S3Store, "gs": GCSStore, "az": AzureStore}
SCHEMES = tuple(_KINDS)
_PARTS = re.compile(
    r"(?P<scheme>[a-z0-9]+)://(?P<bucket>[A-Za-z0-9][A-Za-z0-9._-]*)(?:/(?P<key>.*))?"
)
_CHUNK_BYTES = 1024 * 1024


class Place(NamedTuple):
    """An object, or what the keys beneath a prefix begin with; a container of Azure is a bucket."""

    scheme: str
    bucket: str
    key: str

    def __str__(self) -> str:
        return f"{self.scheme}://{self.bucket}/{self.key}"

    def holds(self, other: "Place") -> bool:
        """Whether the object lies beneath this prefix."""
        return self[:2] == other[:2] and (not self.key or other.key.startswith(f"{self.key}/"))


def parse_stores(text: str) -> tuple[Place, ...]:
    """Places like `s3://bucket` or `gs://bucket/folder`, separated by commas. Raises ValueError."""
    return tuple(_place(part.strip().rstrip("/")) for part in text.split(",") if part.strip())


def open_stores(places: Iterable[Place]) -> dict[tuple[str, str], Store]:
    """The stores by scheme and bucket; nothing is asked of them yet.

    Raises ValueError if the environment leaves out what one needs.
    """
    stores: dict[tuple[str, str], Store] = {}
    for scheme, bucket in {(place.scheme, place.bucket) for place in places}:
        try:
            stores[scheme, bucket] = _KINDS[scheme](
                bucket,
                # An image is tried again by its own rule, which lets others pass meanwhile.
                retry_config={"max_retries": 0},
            )
        except BaseError as error:
            raise ValueError(f"{scheme}://{bucket} cannot be used: {_first_line(error)}") from error
    return stores


class ObjectStoreFetcher:
    """Reads objects beneath the `allowed` places. A key is taken literally: `%` means itself."""

    def __init__(self, allowed: tuple[Place, ...], *, max_bytes: int) -> None:
        self._allowed = allowed
        self._max_bytes = max_bytes
        self._stores = open_stores(allowed)

    async def fetch(self, reference: str) -> bytes:
        """As the port says."""
        place = self._allowed_place(reference)
        try:
            found = await obstore.get_async(self._stores[place[:2]], place.key)
            return await collect(
                str(place), found.meta["size"], found.stream(_CHUNK_BYTES), self._max_bytes
            )
        except FileNotFoundError as error:
            raise ImageRejected(Reason.NOT_FOUND, f"{place} does not exist") from error
        except (PermissionDeniedError, UnauthenticatedError) as error:
            raise ImageRejected(
                Reason.REFUSED,
                f"{place}: the store refuses it to the worker; see its credentials"
                f" ({_first_line(error)})",
            ) from error
        except (BaseError, OSError) as error:
            raise ImageUnreachable(
                Reason.TIMEOUT, f"{place} could not be read: {_first_line(error)}"
            ) from error

    def _allowed_place(self, reference: str) -> Place:
        try:
            place = _place(reference)
        except ValueError as error:
            raise ImageRejected(Reason.REFUSED, str(error)) from error
        if not place.key:
            raise ImageRejected(Reason.REFUSED, f"{place} names no object")
        if not any(allowed.holds(place) for allowed in self._allowed):
            known = ", ".join(str(allowed) for allowed in self._allowed) or "none"
            raise ImageRejected(
                Reason.REFUSED,
                f"{place} is outside the stores that references may point into ({known}); to allow"
                f" it, add {place.scheme}://{place.bucket} or a folder of it to"
                " OCRSTREAM_OBJECT_STORES (comma-separated) and restart the worker",
            )
        return place


def _place(text: str) -> Place:
    parts = _PARTS.fullmatch(text)
    if parts is None or parts["scheme"] not in _KINDS:
        kinds = ", ".join(f"{scheme}://" for scheme in _KINDS)
        raise ValueError(f"{text!r} is no bucket and key after one of {kinds}")
    key = parts["key"] or ""
    # What a store's client would fold or refuse, and so read another object than is checked.
    if key and {"", ".", ".."} & set(key.split("/")):
        raise ValueError(f"{text!r} has an empty part, '.' or '..' in its key")
    return Place(parts["scheme"], parts["bucket"], key)


def _first_line(error: Exception) -> str:
    """What went wrong, without the client's inner state and without what URLs are signed with."""
    return re.sub(r"\?\S*", "", str(error).partition("\n")[0])
