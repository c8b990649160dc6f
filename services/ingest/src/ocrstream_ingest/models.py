"""Requests and answers of ingest's API. Lengths and ranges are those of the event contract."""

from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from ocrstream_schemas.batch_options import deadline_of, webhook_of

MAX_REFERENCES = 10_000
MAX_FILES = 200

_INT32_MAX = 2**31 - 1


def _storable(text: str) -> str:
    if "\0" in text or any("\ud800" <= character <= "\udfff" for character in text):
        raise ValueError("holds NUL or half a surrogate pair, which cannot be stored")
    return text


def _actionable(options: dict[str, Any] | None) -> dict[str, Any] | None:
    deadline_of(options)
    webhook_of(options)
    return options


Text = Annotated[str, AfterValidator(_storable)]
Identifier = Annotated[Text, Field(min_length=1, max_length=255)]
Reference = Annotated[
    Text,
    Field(
        min_length=1,
        max_length=255,
        pattern=r"^[A-Za-z][A-Za-z0-9+.-]*://",
        description="A URL that the workers can read, at most 255 characters",
        examples=["file:///data/scans/0001.png"],
    ),
]
Name = Annotated[Text, Field(max_length=255)]
SourceName = Annotated[Text, Field(max_length=1024)]
Index = Annotated[int, Field(ge=0, le=_INT32_MAX)]
Count = Annotated[int, Field(ge=0, le=_INT32_MAX)]


class ImageReference(BaseModel):
    """An image that is somewhere already.

    Without an index it has its place in the list, or none if the request names its batch itself.
    """

    model_config = ConfigDict(extra="forbid")

    image_path: Reference
    index: Index | None = None
    public_path: Annotated[Text, Field(min_length=1, max_length=255)] | None = None
    source_name: SourceName | None = None
    options: dict[str, Any] | None = None


class BatchRequest(BaseModel):
    """A batch of references; the same `batch_id` again changes nothing that is the same."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {
                    "batch_name": "scans of May",
                    "images": [{"image_path": "file:///data/scans/0001.png"}],
                }
            ]
        },
    )

    images: Annotated[list[ImageReference], Field(min_length=1, max_length=MAX_REFERENCES)]
    batch_id: Identifier | None = None
    batch_name: Name | None = None
    batch_total: Annotated[
        Count | None, Field(description="Images in all, if this request is not the whole batch")
    ] = None
    chunk_size: Annotated[int, Field(ge=1, le=_INT32_MAX)] | None = None
    initiated_by: Annotated[Text, Field(max_length=100)] | None = None
    options: Annotated[
        dict[str, Any] | None,
        AfterValidator(_actionable),
        Field(
            description="Kept with the batch. `deadline` (RFC 3339) cancels what is not done by"
            " then; `webhook_url` is told of its end, if the recorder has a secret to sign with",
            examples=[{"deadline": "2030-01-31T18:00:00Z"}],
        ),
    ] = None


class BatchAccepted(BaseModel):
    """The broker has the batch and all images of the request."""

    batch_id: str
    total_images: int
    accepted_images: int


class UploadedImage(BaseModel):
    """An upload, where it was stored and what it is called from now on."""

    index: int | None
    image_path: str
    chain_id: str
    source_name: str | None


class UploadAccepted(BaseModel):
    """The files are stored, and the broker has their references."""

    batch_id: str
    images: list[UploadedImage]
