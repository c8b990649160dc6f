"""Ingest's settings."""

from pathlib import Path
from typing import Annotated

from pydantic import AliasChoices, Field, field_validator

from ocrstream_ingest.places import LONGEST_PLACE
from ocrstream_runtime.origins import web_origin
from ocrstream_runtime.settings import ServiceSettings
from ocrstream_schemas.fields import PATH_MAX_LENGTH

_MIB = 1024 * 1024


class IngestSettings(ServiceSettings):
    """All settings of ingest."""

    object_root: Path = Path(".local/objects")
    """Folder that uploads are kept in; the workers must be able to read it by the same path."""
    image_roots: str = ""
    """Folders beneath which a `file://` prefix may be listed, separated by colons."""
    listed_stores: str = ""
    """Prefixes that may be listed with ingest's credentials, like `s3://scans/`, by commas."""
    recorder_url: Annotated[str, Field(validation_alias=AliasChoices("RECORDER_URL"))] = ""
    """Where the recorder answers; a cancel asks it for the batch's run, links point to it."""

    allowed_origins: str = ""
    """Where pages may come from that use this API in browsers, as `https://host`, by commas."""

    max_upload_bytes: Annotated[int, Field(ge=1)] = 64 * _MIB
    """The largest file that may be uploaded, in bytes."""
    max_request_bytes: Annotated[int, Field(ge=1)] = 512 * _MIB
    """The largest body of an upload, in bytes."""
    max_json_bytes: Annotated[int, Field(ge=1)] = 32 * _MIB
    """The largest JSON body, in bytes; NDJSON may be of any length."""
    max_requests: Annotated[int, Field(ge=1)] = 256
    """How many submissions are taken at once; more are answered with 429."""
    body_timeout_s: Annotated[float, Field(gt=0, le=3600)] = 30.0
    """How long a request's body may stand still; one with an end must also bring 1 KiB/s. Time for
    which ingest has no core does not count."""
    publish_timeout_s: Annotated[float, Field(gt=0, le=300)] = 15.0
    """How long the broker may take to acknowledge a request's events. Time for which ingest has
    no core does not count."""
    idempotency_keep_s: Annotated[float, Field(ge=60)] = 24 * 3600.0
    """How long an `Idempotency-Key` is remembered."""

    max_queued_images: Annotated[int, Field(ge=1)] = 10_000_000
    """How many images may wait for the workers in a lane before submissions are refused."""
    worker_group_id: Annotated[str, Field(min_length=1, max_length=255)] = "ocr-worker"
    """The workers' consumer group, whose lag says how many images wait."""

    max_document_pages: Annotated[int, Field(ge=1, le=10_000)] = 500
    """The most pages that the PDF and TIFF files of one upload may have."""
    max_page_pixels: Annotated[int, Field(ge=1)] = 50_000_000
    """The largest page that is rendered, in pixels."""
    max_document_bytes: Annotated[int, Field(ge=1)] = 1024 * _MIB
    """The most bytes that all pages of an upload's documents may take as images."""
    document_dpi: Annotated[int, Field(ge=36, le=1200)] = 200
    """Resolution that pages of a PDF are rendered with, in dots per inch."""
    document_timeout_s: Annotated[float, Field(gt=0, le=3600)] = 120.0
    """How long it may take to split a document into its pages. Time for which the process that does
    it waits for a core does not count."""
    document_memory_bytes: Annotated[int, Field(ge=256 * _MIB)] = 1024 * _MIB
    """How much memory splitting a document may take for its data, in bytes."""
    documents_at_once: Annotated[int, Field(ge=1, le=64)] = 2
    """How many documents are split at once."""

    @field_validator("object_root")
    @classmethod
    def _leaves_room(cls, root: Path) -> Path:
        room = PATH_MAX_LENGTH - len(root.resolve().as_uri())
        if room < LONGEST_PLACE:
            raise ValueError(
                f"is too long: a reference has at most {PATH_MAX_LENGTH} characters, and a"
                f" file in it takes up to {LONGEST_PLACE}; take a folder {LONGEST_PLACE - room}"
                " characters shorter"
            )
        return root

    @field_validator("allowed_origins")
    @classmethod
    def _are_origins(cls, origins: str) -> str:
        return ",".join(web_origin(one) for one in origins.split(",") if one.strip())

    @property
    def origins(self) -> tuple[str, ...]:
        """All origins of pages that may use the API."""
        return tuple(one for one in self.allowed_origins.split(",") if one)

    @property
    def roots(self) -> tuple[Path, ...]:
        """All folders that may be listed."""
        return tuple(Path(root) for root in self.image_roots.split(":") if root)

    @property
    def stores(self) -> tuple[str, ...]:
        """All prefixes of object stores that may be listed."""
        return tuple(store.strip() for store in self.listed_stores.split(",") if store.strip())
