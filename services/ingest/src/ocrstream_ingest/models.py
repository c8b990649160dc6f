"""Requests and answers of ingest's API. Lengths and ranges are those of the event contract; so is
that null stands for a field that is left out.
"""

from typing import Annotated, Any, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic_core import PydanticUseDefault

from ocrstream_schemas.batch_options import check_options

MAX_REFERENCES = 10_000
MAX_FILES = 200
REFERENCE_PATTERN = r"^[A-Za-z][A-Za-z0-9+.-]*://"

INDEX_MAX = 2**31 - 1


def storable(text: str) -> str:
    """The text itself; raises ValueError if the database cannot keep it."""
    if "\0" in text or any("\ud800" <= character <= "\udfff" for character in text):
        raise ValueError("holds NUL or half a surrogate pair, which cannot be stored")
    return text


def _actionable(options: dict[str, Any] | None) -> dict[str, Any] | None:
    check_options(options)
    return options


def _default_if_null(value: object) -> object:
    """The value; of null, as in the events, the field's default."""
    if value is None:
        raise PydanticUseDefault
    return value


Text = Annotated[str, AfterValidator(storable)]
Identifier = Annotated[Text, Field(min_length=1, max_length=255)]
Reference = Annotated[
    Text,
    Field(
        min_length=1,
        max_length=255,
        pattern=REFERENCE_PATTERN,
        description="A URL that the workers can read, at most 255 characters",
        examples=["file:///data/scans/0001.png"],
    ),
]
Name = Annotated[Text, Field(max_length=255)]
SourceName = Annotated[Text, Field(max_length=1024)]
Initiator = Annotated[Text, Field(max_length=100)]
Index = Annotated[int, Field(ge=0, le=INDEX_MAX)]
Count = Annotated[int, Field(ge=0, le=INDEX_MAX)]
PositiveCount = Annotated[int, Field(ge=1, le=INDEX_MAX)]
Flag = Annotated[bool, BeforeValidator(_default_if_null, json_schema_input_type=bool | None)]
Glob = Annotated[Text, Field(min_length=1, max_length=255)]
Options = Annotated[dict[str, Any] | None, AfterValidator(_actionable)]


class ImageReference(BaseModel):
    """An image that is somewhere already.

    Without an index it has its place in the list, or none if the request names its batch itself.
    """

    model_config = ConfigDict(extra="forbid")

    image_path: Reference
    index: Index | None = None
    public_path: Annotated[Text, Field(min_length=1, max_length=255)] | None = None
    source_name: SourceName | None = None
    options: Options = None


class BatchDescription(BaseModel):
    """What is told of a batch; the same `batch_id` again changes nothing that is the same."""

    model_config = ConfigDict(extra="forbid")

    batch_id: Identifier | None = None
    batch_name: Name | None = None
    batch_total: Annotated[
        Count | None, Field(description="Images in all, if this request is not the whole batch")
    ] = None
    chunk_size: PositiveCount | None = None
    initiated_by: Initiator | None = None
    total_tasks: Annotated[
        PositiveCount | None,
        Field(description="Tasks of each image's chain, if other stages follow OCR"),
    ] = None
    options: Annotated[
        Options,
        Field(
            description="Kept with the batch. `lane` (default, urgent, gpu), `boxes` (line, word)"
            " and `reuse` hold for its images. `deadline` (RFC 3339) cancels what is not done by"
            " then; `webhook_url` is told of its end, if the recorder has a secret to sign with",
            examples=[{"lane": "urgent", "deadline": "2030-01-31T18:00:00Z"}],
        ),
    ] = None


class BatchRequest(BatchDescription):
    """A batch of references."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "batch_name": "scans of May",
                    "images": [{"image_path": "file:///data/scans/0001.png"}],
                }
            ]
        },
    )

    images: Annotated[
        list[ImageReference],
        Field(
            max_length=MAX_REFERENCES,
            description="None only tell the `batch_total` of a batch whose images came before",
        ),
    ]

    @field_validator("images")
    @classmethod
    def _some_or_a_total(
        cls, images: list[ImageReference], told: ValidationInfo
    ) -> list[ImageReference]:
        if not images and None in {told.data.get("batch_id"), told.data.get("batch_total")}:
            raise ValueError("name at least one, or else batch_id and batch_total")
        return images


class ListingRequest(BatchDescription):
    """A batch of what is found beneath a prefix, in the order of the names."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"prefix": "s3://scans/2026/05/", "glob": "*.png"}]},
    )

    prefix: Annotated[
        Reference, Field(description="`s3://bucket/path/` or `file:///folder/`, as ingest allows")
    ]
    glob: Annotated[
        Glob,
        BeforeValidator(_default_if_null, json_schema_input_type=Glob | None),
        Field(
            description="Which names beneath the prefix are taken; `*` and `?` match `/`, too",
        ),
    ] = "*"


class UploadForm(BatchDescription):
    """The fields of an upload, beside its `files`."""

    first_index: Annotated[
        Index | None,
        Field(description="Index of the first file; without it and batch_id it is 0"),
    ] = None
    index_pages: Annotated[
        Flag,
        Field(
            description="Whether each page of a document takes the next index, and what follows"
            " goes on behind it, so that the next request's `first_index` is one more than the"
            " greatest of this answer. Otherwise every file takes one index, and a document's"
            " first page has it"
        ),
    ] = False
    batch_open: Annotated[
        Flag,
        Field(
            description="Whether more of this batch follows, how much is not known yet: its total"
            " is unknown, and it does not end, until a request tells it"
        ),
    ] = False

    @model_validator(mode="after")
    def _knows_or_not(self) -> Self:
        if self.batch_open and (self.batch_id is None or self.batch_total is not None):
            raise ValueError("batch_open needs a batch_id and goes with no batch_total")
        return self


class UploadBody(UploadForm):
    """The whole form, as the OpenAPI document tells it; the files themselves are streamed."""

    files: Annotated[
        list[bytes],
        Field(
            min_length=1,
            max_length=MAX_FILES,
            description="Images, PDF or TIFF; a document becomes one image a page",
        ),
    ]


class RetryRequest(BaseModel):
    """Which images are read again: those that failed or were revoked."""

    model_config = ConfigDict(extra="forbid")

    include_no_text: Annotated[
        Flag, Field(strict=True, description="Those without any text, too")
    ] = False
    initiated_by: Initiator | None = None


class CancelRequest(BaseModel):
    """Who cancels a batch."""

    model_config = ConfigDict(extra="forbid")

    initiated_by: Initiator | None = None


class Links(BaseModel):
    """Where to read on, at the recorder; null if ingest was not told where that is."""

    batch: str | None
    images: str | None


class BatchAccepted(BaseModel):
    """The broker has the batch and all images of the request."""

    batch_id: str
    total_images: int | None
    """None: more follows, how much is not known yet."""
    accepted_images: int
    links: Links


class UploadedImage(BaseModel):
    """An upload, where it was stored and what it is called from now on."""

    index: int | None
    image_path: str
    chain_id: str
    source_name: str | None
    page: int | None
    """The page of a document, from 1."""


class UploadAccepted(BatchAccepted):
    """The files are stored, and the broker has their references."""

    images: list[UploadedImage]


class CancelAccepted(BaseModel):
    """The broker has the cancel; `run` is the run that it ends."""

    batch_id: str
    run: int
    links: Links


class RetryAccepted(BaseModel):
    """The broker has the request for another run."""

    batch_id: str
    request_id: str
    links: Links
