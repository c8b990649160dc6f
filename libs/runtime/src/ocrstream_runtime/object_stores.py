"""Reads `s3://`, `gs://` and `az://` references: objects of allowed stores, up to a size.

Credentials, region and endpoint come from the environment variables of the stores' own tools
(`AWS_*`, `GOOGLE_*`, `AZURE_*`).
"""

import re
from collections.abc import Iterable, Mapping
from typing import NamedTuple

import obstore
from obstore.exceptions import BaseError, PermissionDeniedError, UnauthenticatedError
from obstore.store import AzureStore, GCSStore, S3Store

from ocrstream_runtime.errors import FetchError, FetchFailure
from ocrstream_runtime.references import read_limited

Store = S3Store | GCSStore | AzureStore

_STORES: Mapping[str, type[Store]] = {"s3": S3Store, "gs": GCSStore, "az": AzureStore}
SCHEMES = tuple(_STORES)
_LOCATION = re.compile(
    r"(?P<scheme>[a-z0-9]+)://(?P<bucket>[A-Za-z0-9][A-Za-z0-9._-]*)(?:/(?P<key>.*))?"
)
_CHUNK_BYTES = 1024 * 1024


class ObjectLocation(NamedTuple):
    """An object, or a prefix of keys; `bucket` may be a container of Azure."""

    scheme: str
    bucket: str
    key: str

    def __str__(self) -> str:
        return f"{self.scheme}://{self.bucket}/{self.key}"

    def contains(self, other: "ObjectLocation") -> bool:
        """Returns whether the object lies beneath this prefix."""
        return self[:2] == other[:2] and (not self.key or other.key.startswith(f"{self.key}/"))


def parse_stores(text: str) -> tuple[ObjectLocation, ...]:
    """Parses locations like `s3://bucket` or `gs://bucket/folder`, separated by commas.

    Raises ValueError.
    """
    return tuple(
        _parse_location(part.strip().rstrip("/")) for part in text.split(",") if part.strip()
    )


def open_stores(
    locations: Iterable[ObjectLocation], *, retries: int = 0
) -> dict[tuple[str, str], Store]:
    """Returns a client for each scheme and bucket, without a request to the store.

    A client retries a temporary failure `retries` times. Raises ValueError if a variable that a
    store needs is missing in the environment.
    """
    stores: dict[tuple[str, str], Store] = {}
    for scheme, bucket in {(location.scheme, location.bucket) for location in locations}:
        try:
            stores[scheme, bucket] = _STORES[scheme](bucket, retry_config={"max_retries": retries})
        except BaseError as error:
            raise ValueError(f"{scheme}://{bucket} is not usable: {_first_line(error)}") from error
    return stores


class AllowedStores:
    """Reads objects beneath `locations`. A key is literal: `%` has no special meaning."""

    def __init__(
        self, locations: Iterable[ObjectLocation], *, max_bytes: int, retries: int = 0
    ) -> None:
        self._locations = tuple(locations)
        self._max_bytes = max_bytes
        self._stores = open_stores(self._locations, retries=retries)

    async def read(self, reference: str) -> bytes:
        """Returns the object's content.

        Raises FetchError, without a request if it is not allowed.
        """
        location = self._require_allowed(reference)
        try:
            found = await obstore.get_async(self._stores[location[:2]], location.key)
            return await read_limited(
                str(location), found.meta["size"], found.stream(_CHUNK_BYTES), self._max_bytes
            )
        except FileNotFoundError as error:
            raise FetchError(FetchFailure.NOT_FOUND, f"{location} does not exist") from error
        except (PermissionDeniedError, UnauthenticatedError) as error:
            raise FetchError(
                FetchFailure.REFUSED,
                f"{location}: the store refuses access; check the service's credentials"
                f" ({_first_line(error)})",
            ) from error
        except (BaseError, OSError) as error:
            raise FetchError(
                FetchFailure.UNREACHABLE, f"{location} could not be read: {_first_line(error)}"
            ) from error

    def _require_allowed(self, reference: str) -> ObjectLocation:
        try:
            location = _parse_location(reference)
        except ValueError as error:
            raise FetchError(FetchFailure.REFUSED, str(error)) from error
        if not location.key:
            raise FetchError(FetchFailure.REFUSED, f"{location} does not name an object")
        if not any(allowed.contains(location) for allowed in self._locations):
            known = ", ".join(str(allowed) for allowed in self._locations) or "none"
            raise FetchError(
                FetchFailure.REFUSED,
                f"{location} is outside the allowed stores ({known}); to allow"
                f" it, add {location.scheme}://{location.bucket} or a folder of it to"
                " OCRSTREAM_OBJECT_STORES (comma-separated) and restart the service",
            )
        return location


def _parse_location(text: str) -> ObjectLocation:
    parts = _LOCATION.fullmatch(text)
    if parts is None or parts["scheme"] not in _STORES:
        kinds = ", ".join(f"{scheme}://" for scheme in _STORES)
        raise ValueError(f"{text!r} is not a bucket and key after one of {kinds}")
    key = parts["key"] or ""
    # A store's client would normalize such a key, and read another object than the checked one.
    if key and {"", ".", ".."} & set(key.split("/")):
        raise ValueError(f"{text!r} has an empty part, '.' or '..' in its key")
    return ObjectLocation(parts["scheme"], parts["bucket"], key)


def _first_line(error: Exception) -> str:
    """Returns the error without the client's internal state and without signatures of URLs."""
    return re.sub(r"\?\S*", "", str(error).partition("\n")[0])
