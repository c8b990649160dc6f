"""Ocrstream's Python client."""

from ocrstream_client.addresses import Addresses, find_addresses
from ocrstream_client.answers import (
    BatchStatus,
    DeadLetter,
    Image,
    NotDone,
    Reprocessing,
    ResultVersion,
    ResultVersions,
    SearchHit,
    Selected,
    TextBox,
    Worker,
)
from ocrstream_client.async_client import AsyncBatch, AsyncClient
from ocrstream_client.client import Batch, Client
from ocrstream_client.errors import (
    NotAllRead,
    NotEnded,
    NotSubmittable,
    OcrstreamError,
    Refused,
    Unreachable,
)

__all__ = [
    "Addresses",
    "AsyncBatch",
    "AsyncClient",
    "Batch",
    "BatchStatus",
    "Client",
    "DeadLetter",
    "Image",
    "NotAllRead",
    "NotDone",
    "NotEnded",
    "NotSubmittable",
    "OcrstreamError",
    "Refused",
    "Reprocessing",
    "ResultVersion",
    "ResultVersions",
    "SearchHit",
    "Selected",
    "TextBox",
    "Unreachable",
    "Worker",
    "find_addresses",
]
