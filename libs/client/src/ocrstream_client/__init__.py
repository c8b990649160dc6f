"""Ocrstream's Python client."""

from ocrstream_client.addresses import Addresses, find_addresses
from ocrstream_client.async_client import AsyncBatch, AsyncClient
from ocrstream_client.client import Batch, Client
from ocrstream_client.errors import (
    ImagesFailedError,
    NotSubmittableError,
    OcrstreamError,
    RefusedError,
    UnreachableError,
    WaitTimeoutError,
)
from ocrstream_client.models import (
    BatchStatus,
    DeadLetter,
    FailureGroup,
    Image,
    NotDone,
    Readiness,
    RefusedFile,
    Reprocessing,
    ResultVersion,
    ResultVersions,
    SearchHit,
    Selected,
    TextBox,
    Worker,
)

__all__ = [
    "Addresses",
    "AsyncBatch",
    "AsyncClient",
    "Batch",
    "BatchStatus",
    "Client",
    "DeadLetter",
    "FailureGroup",
    "Image",
    "ImagesFailedError",
    "NotDone",
    "NotSubmittableError",
    "OcrstreamError",
    "Readiness",
    "RefusedError",
    "RefusedFile",
    "Reprocessing",
    "ResultVersion",
    "ResultVersions",
    "SearchHit",
    "Selected",
    "TextBox",
    "UnreachableError",
    "WaitTimeoutError",
    "Worker",
    "find_addresses",
]
