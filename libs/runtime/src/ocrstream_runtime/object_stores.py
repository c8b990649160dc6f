"""`s3://`, `gs://` and `az://` references: objects of the stores that are allowed, up to a size.

Credentials, region, endpoint and the like come from the environment, under the names of the
stores' own tools (`AWS_*`, `GOOGLE_*`, `AZURE_*`).
"""

import re
from collections.abc import Iterable, Mapping
from typing import NamedTuple

import obstore
from obstore.exceptions import BaseError, PermissionDeniedError, UnauthenticatedError
from obstore.store import AzureStore, GCSStore, S3Store

from ocrstream_runtime.references import Trouble, UnreadableFile, collect

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


def open_stores(places: Iterable[Place], *, retries: int = 0) -> dict[tuple[str, str], Store]:
    """The stores by scheme and bucket; nothing is asked of them yet.

    `retries`: how often the client itself asks again for what may pass. Raises ValueError if the
    environment leaves out what a store needs.
    """
    stores: dict[tuple[str, str], Store] = {}
    for scheme, bucket in {(place.scheme, place.bucket) for place in places}:
        try:
            stores[scheme, bucket] = _KINDS[scheme](bucket, retry_config={"max_retries": retries})
        except BaseError as error:
            raise ValueError(f"{scheme}://{bucket} cannot be used: {_first_line(error)}") from error
    return stores


class AllowedStores:
    """Reads objects beneath `places`. A key is taken literally: `%` means itself."""

    def __init__(self, places: Iterable[Place], *, max_bytes: int, retries: int = 0) -> None:
        self._places = tuple(places)
        self._max_bytes = max_bytes
        self._stores = open_stores(self._places, retries=retries)

    async def read(self, reference: str) -> bytes:
        """The whole object. Raises UnreadableFile; what is not allowed is asked of nobody."""
        place = self._allowed_place(reference)
        try:
            found = await obstore.get_async(self._stores[place[:2]], place.key)
            return await collect(
                str(place), found.meta["size"], found.stream(_CHUNK_BYTES), self._max_bytes
            )
        except FileNotFoundError as error:
            raise UnreadableFile(Trouble.NOT_FOUND, f"{place} does not exist") from error
        except (PermissionDeniedError, UnauthenticatedError) as error:
            raise UnreadableFile(
                Trouble.REFUSED,
                f"{place}: the store refuses it to the service; see its credentials"
                f" ({_first_line(error)})",
            ) from error
        except (BaseError, OSError) as error:
            raise UnreadableFile(
                Trouble.UNREACHABLE, f"{place} could not be read: {_first_line(error)}"
            ) from error

    def _allowed_place(self, reference: str) -> Place:
        try:
            place = _place(reference)
        except ValueError as error:
            raise UnreadableFile(Trouble.REFUSED, str(error)) from error
        if not place.key:
            raise UnreadableFile(Trouble.REFUSED, f"{place} names no object")
        if not any(allowed.holds(place) for allowed in self._places):
            known = ", ".join(str(allowed) for allowed in self._places) or "none"
            raise UnreadableFile(
                Trouble.REFUSED,
                f"{place} is outside the stores that references may point into ({known}); to allow"
                f" it, add {place.scheme}://{place.bucket} or a folder of it to"
                " OCRSTREAM_OBJECT_STORES (comma-separated) and restart the service",
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
