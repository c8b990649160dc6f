"""Ingest's settings."""

from pathlib import Path
from typing import Annotated

from pydantic import Field

from ocrstream_runtime.settings import ServiceSettings


class IngestSettings(ServiceSettings):
    """All settings of ingest."""

    object_root: Path = Path(".local/objects")
    """Folder that uploads are kept in; the workers must be able to read it by the same path."""
    max_upload_bytes: Annotated[int, Field(ge=1)] = 64 * 1024 * 1024
    """The largest file that may be uploaded, in bytes."""
    max_request_bytes: Annotated[int, Field(ge=1)] = 512 * 1024 * 1024
    """The largest request body, in bytes."""
    publish_timeout_s: Annotated[float, Field(gt=0, le=300)] = 15.0
    """How long the broker may take to acknowledge a request's events."""
