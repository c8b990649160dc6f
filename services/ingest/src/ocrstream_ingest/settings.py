"""Ingest's settings."""

from pathlib import Path
from typing import Annotated

from pydantic import AliasChoices, Field, field_validator

from ocrstream_ingest.storage_keys import MAX_KEY_LENGTH
from ocrstream_runtime.origins import web_origin
from ocrstream_runtime.settings import ServiceSettings
from ocrstream_schemas.fields import PATH_MAX_LENGTH

_MIB = 1024 * 1024


class IngestSettings(ServiceSettings):
    """All settings of ingest."""

    object_root: Path = Path(".local/objects")
    """Folder in which ingest stores uploads; the workers must see it at the same path."""
    image_roots: str = ""
    """Folders beneath which ingest lists `file://` prefixes, separated by colons."""
    listed_stores: str = ""
    """Prefixes that ingest lists with its credentials, like `s3://scans/`, separated by commas."""
    recorder_url: Annotated[str, Field(validation_alias=AliasChoices("RECORDER_URL"))] = ""
    """URL of the recorder's API; a cancel queries it for the batch's run, and links point to it."""

    allowed_origins: str = ""
    """Origins of web pages that may call this API (CORS), like `https://host`, by commas."""

    max_upload_bytes: Annotated[int, Field(ge=1)] = 64 * _MIB
    """Maximum size of an uploaded file, in bytes."""
    max_request_bytes: Annotated[int, Field(ge=1)] = 512 * _MIB
    """Maximum size of an upload's body, in bytes."""
    max_json_bytes: Annotated[int, Field(ge=1)] = 32 * _MIB
    """Maximum size of a JSON body, in bytes; an NDJSON body may have any size."""
    max_requests: Annotated[int, Field(ge=1)] = 256
    """Maximum number of concurrent submissions; ingest answers further ones with 429."""
    body_timeout_s: Annotated[float, Field(gt=0, le=3600)] = 30.0
    """How long a client may pause within a body; a body of limited size must also arrive at
    1 KiB/s. Time in which ingest gets no CPU does not count."""
    publish_timeout_s: Annotated[float, Field(gt=0, le=300)] = 15.0
    """How long the broker may take to acknowledge a request's events. Time in which ingest gets no
    CPU does not count."""
    idempotency_keep_s: Annotated[float, Field(ge=60)] = 24 * 3600.0
    """How long ingest keeps an `Idempotency-Key`."""

    max_queued_images: Annotated[int, Field(ge=1)] = 10_000_000
    """Maximum number of images that wait in a lane; ingest answers 503 above it."""
    worker_group_id: Annotated[str, Field(min_length=1, max_length=255)] = "ocr-worker"
    """The workers' consumer group, whose lag is the number of images that wait."""

    max_document_pages: Annotated[int, Field(ge=1, le=10_000)] = 500
    """Maximum number of pages that the PDF and TIFF files of an upload may have together."""
    max_page_pixels: Annotated[int, Field(ge=1)] = 50_000_000
    """Maximum size of a page, in pixels. Ingest renders a larger page of a PDF at a lower
    resolution, of 36 dpi or more, and its result carries a warning."""
    max_document_bytes: Annotated[int, Field(ge=1)] = 1024 * _MIB
    """Maximum size of the images of all pages of an upload's documents together, in bytes."""
    document_dpi: Annotated[int, Field(ge=36, le=1200)] = 200
    """Resolution at which ingest renders the pages of a PDF, in dots per inch."""
    document_timeout_s: Annotated[float, Field(gt=0, le=3600)] = 120.0
    """How long it may take to split a document into pages. Time in which the child process waits
    for a CPU does not count."""
    document_memory_bytes: Annotated[int, Field(ge=256 * _MIB)] = 1024 * _MIB
    """Maximum data memory of the child process that splits a document, in bytes."""
    documents_at_once: Annotated[int, Field(ge=1, le=64)] = 2
    """Maximum number of documents that ingest splits concurrently."""

    @field_validator("object_root")
    @classmethod
    def _require_room_for_keys(cls, root: Path) -> Path:
        room = PATH_MAX_LENGTH - len(root.resolve().as_uri())
        if room < MAX_KEY_LENGTH:
            raise ValueError(
                f"is too long: a reference has at most {PATH_MAX_LENGTH} characters, of which a"
                f" storage key takes up to {MAX_KEY_LENGTH}; choose a path that is"
                f" {MAX_KEY_LENGTH - room} characters shorter"
            )
        return root

    @field_validator("allowed_origins")
    @classmethod
    def _normalize_origins(cls, origins: str) -> str:
        return ",".join(web_origin(origin) for origin in origins.split(",") if origin.strip())

    @property
    def origins(self) -> tuple[str, ...]:
        """The origins of web pages that may call the API."""
        return tuple(origin for origin in self.allowed_origins.split(",") if origin)

    @property
    def roots(self) -> tuple[Path, ...]:
        """The folders beneath which ingest lists prefixes."""
        return tuple(Path(root) for root in self.image_roots.split(":") if root)

    @property
    def stores(self) -> tuple[str, ...]:
        """The prefixes of object stores that ingest lists."""
        return tuple(store.strip() for store in self.listed_stores.split(",") if store.strip())
