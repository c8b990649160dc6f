"""Request and response models of ingest's API.

Lengths and ranges are those of the event contract. As in the contract, null means that the field is
missing.
"""

from typing import Annotated, Any, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic_core import PydanticUseDefault

from ocrstream_schemas.batch_options import check_options
from ocrstream_schemas.events import Reason
from ocrstream_schemas.fields import MAX_BATCH_IMAGES

MAX_REFERENCES = 10_000
MAX_FILES = 200
REFERENCE_PATTERN = r"^[A-Za-z][A-Za-z0-9+.-]*://"

INDEX_MAX = 2**31 - 1


def require_storable(text: str) -> str:
    """Returns the text. Raises ValueError if PostgreSQL cannot store it."""
    if "\0" in text or any("\ud800" <= character <= "\udfff" for character in text):
        raise ValueError("contains NUL or an unpaired surrogate, which the database cannot store")
    return text


def _require_valid_options(options: dict[str, Any] | None) -> dict[str, Any] | None:
    check_options(options)
    return options


def _default_if_null(value: object) -> object:
    """Returns the value, or the field's default for null."""
    if value is None:
        raise PydanticUseDefault
    return value


Text = Annotated[str, AfterValidator(require_storable)]
Identifier = Annotated[Text, Field(min_length=1, max_length=255)]
Reference = Annotated[
    Text,
    Field(
        min_length=1,
        max_length=255,
        pattern=REFERENCE_PATTERN,
        description="A URL that the workers can read; at most 255 characters",
        examples=["file:///data/scans/0001.png"],
    ),
]
Name = Annotated[Text, Field(max_length=255)]
SourceName = Annotated[Text, Field(max_length=1024)]
Initiator = Annotated[Text, Field(max_length=100)]
Index = Annotated[int, Field(ge=0, le=INDEX_MAX)]
BatchTotal = Annotated[int, Field(ge=0, le=MAX_BATCH_IMAGES)]
PositiveCount = Annotated[int, Field(ge=1, le=INDEX_MAX)]
Flag = Annotated[bool, BeforeValidator(_default_if_null, json_schema_input_type=bool | None)]
Glob = Annotated[Text, Field(min_length=1, max_length=255)]
Options = Annotated[dict[str, Any] | None, AfterValidator(_require_valid_options)]


class RefusedImage(BaseModel):
    """Why an image has no file: it fails with this reason and error, and no worker reads it."""

    model_config = ConfigDict(extra="forbid")

    reason: Reason
    error: Text


class ImageReference(BaseModel):
    """A reference to an image that is already stored somewhere.

    An image without an index gets its position in the list, or no index if the request has a
    `batch_id`.
    """

    model_config = ConfigDict(extra="forbid")

    image_path: Reference
    index: Index | None = None
    public_path: Annotated[Text, Field(min_length=1, max_length=255)] | None = None
    source_name: SourceName | None = None
    options: Options = None
    refused: Annotated[
        RefusedImage | None,
        Field(
            description="Counts the image as failed, so that its batch ends without its file."
            " `image_path` must still be unique, like `refused:///batch/7`"
        ),
    ] = None


class BatchDescription(BaseModel):
    """Describes a batch; a repeat with the same `batch_id` and values changes nothing."""

    model_config = ConfigDict(extra="forbid")

    batch_id: Identifier | None = None
    batch_name: Name | None = None
    batch_total: Annotated[
        BatchTotal | None,
        Field(description="How many images the whole batch has, if this request is only a part"),
    ] = None
    chunk_size: PositiveCount | None = None
    initiated_by: Initiator | None = None
    total_tasks: Annotated[
        PositiveCount | None,
        Field(description="How many tasks each image's chain has, if other stages follow OCR"),
    ] = None
    options: Annotated[
        Options,
        Field(
            description="Stored with the batch. `lane` (default, urgent, gpu), `boxes` (line, word)"
            " and `reuse` apply to its images. At the `deadline` (RFC 3339) the system cancels"
            " unfinished images. The recorder calls `webhook_url` when the batch ends, if it has a"
            " secret to sign with",
            examples=[{"lane": "urgent", "deadline": "2030-01-31T18:00:00Z"}],
        ),
    ] = None


class BatchRequest(BatchDescription):
    """A batch of image references."""

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
            description="An empty list only sets the `batch_total` of a batch submitted before",
        ),
    ]

    @field_validator("images")
    @classmethod
    def _require_images_or_total(
        cls, images: list[ImageReference], fields: ValidationInfo
    ) -> list[ImageReference]:
        if not images and None in {fields.data.get("batch_id"), fields.data.get("batch_total")}:
            raise ValueError("needs at least one image, or else a batch_id and a batch_total")
        return images


class ListingRequest(BatchDescription):
    """A batch of the images that ingest finds beneath a prefix, ordered by name."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"prefix": "s3://scans/2026/05/", "glob": "*.png"}]},
    )

    prefix: Annotated[
        Reference,
        Field(description="`s3://bucket/path/` or `file:///folder/`; ingest must allow it"),
    ]
    glob: Annotated[
        Glob,
        BeforeValidator(_default_if_null, json_schema_input_type=Glob | None),
        Field(
            description="Pattern for the names beneath the prefix; `*` and `?` also match `/`",
        ),
    ] = "*"


class UploadForm(BatchDescription):
    """The fields of an upload, except its `files`."""

    first_index: Annotated[
        Index | None,
        Field(description="Index of the first file; 0 if both it and `batch_id` are missing"),
    ] = None
    index_pages: Annotated[
        Flag,
        Field(
            description="Whether each page of a document takes the next index. If true, the next"
            " request's `first_index` is the greatest index of this response plus one. If false,"
            " each file takes one index, which the first page of a document gets"
        ),
    ] = False
    batch_open: Annotated[
        Flag,
        Field(
            description="Whether further requests add an unknown number of images to this batch."
            " If true, the batch has no total and does not end until a request gives its total"
        ),
    ] = False

    pdf_password: Annotated[
        SecretStr | None,
        Field(
            max_length=1024,
            description="The password of the PDFs that one protects; ingest does not store it",
        ),
    ] = None

    @field_validator("pdf_password")
    @classmethod
    def _require_password_of_pdf(cls, password: SecretStr | None) -> SecretStr | None:
        # pdfium would ignore what follows NUL.
        if password is not None:
            require_storable(password.get_secret_value())
        return password

    @model_validator(mode="after")
    def _check_batch_open(self) -> Self:
        if self.batch_open and (self.batch_id is None or self.batch_total is not None):
            raise ValueError("batch_open requires a batch_id and excludes batch_total")
        return self


class UploadBody(UploadForm):
    """The whole form of an upload; ingest streams the files."""

    files: Annotated[
        list[bytes],
        Field(
            min_length=1,
            max_length=MAX_FILES,
            description="Images, PDF or TIFF; each page of a document becomes an image",
        ),
    ]


class RetryRequest(BaseModel):
    """Retries the failed and revoked images of a batch."""

    model_config = ConfigDict(extra="forbid")

    include_no_text: Annotated[
        Flag, Field(strict=True, description="Whether to retry images without text, too")
    ] = False
    initiated_by: Initiator | None = None


class CancelRequest(BaseModel):
    """Cancels a batch; `initiated_by` says who does."""

    model_config = ConfigDict(extra="forbid")

    initiated_by: Initiator | None = None


class Links(BaseModel):
    """URLs of the batch in the recorder's API; null if ingest does not know the recorder."""

    batch: str | None
    images: str | None


class BatchAccepted(BaseModel):
    """The broker acknowledged the batch and all images of the request."""

    batch_id: str
    total_images: int | None
    """None if further requests add an unknown number of images."""
    accepted_images: int
    links: Links


class UploadedImage(BaseModel):
    """An uploaded image: its reference and the ids that it has from now on."""

    index: int | None
    image_path: str
    chain_id: str
    source_name: str | None
    page: int | None
    """The page of a document, from 1; None for an image file."""
    refused: RefusedImage | None
    """Why ingest does not store the file; the image has failed."""


class UploadAccepted(BatchAccepted):
    """The files are stored, and the broker acknowledged their references."""

    images: list[UploadedImage]


class CancelAccepted(BaseModel):
    """The broker acknowledged the cancellation of `run`."""

    batch_id: str
    run: int
    links: Links


class RetryAccepted(BaseModel):
    """The broker acknowledged the request for another run."""

    batch_id: str
    request_id: str
    links: Links
