"""Rereads as they are asked for, and old and new readings as the API shows them."""

from datetime import datetime
from typing import Annotated, Literal, Self
from uuid import uuid4

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    JsonValue,
    StringConstraints,
    model_validator,
)

from ocrstream_recorder.api.image_models import Provenance, TextBox
from ocrstream_recorder.reprocessing.rules import FIELDS, MAX_LENGTH, parse_condition
from ocrstream_schemas.batch_options import LANE, InvalidOption, lane_of


def _no_nul(text: str) -> str:
    if "\0" in text:
        raise ValueError("holds the character NUL")
    return text


def _condition(text: str) -> str:
    parse_condition(_no_nul(text))
    return text


def _lane(name: str) -> str:
    try:
        lane_of({LANE: name})
    except InvalidOption as error:
        raise ValueError(str(error)) from error
    return name


Identifier = Annotated[
    str, StringConstraints(min_length=1, max_length=255), AfterValidator(_no_nul)
]
_EXAMPLE: dict[str, JsonValue] = {"batch_id": "3f0c", "where": "confidence < 0.8 and lane != gpu"}


class Selection(BaseModel):
    """Images of a batch or, with `all`, of all; those that hold `where`, else every one."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [_EXAMPLE]})

    batch_id: Identifier | None = None
    all: Literal[True] | None = None
    where: Annotated[
        str | None,
        Field(
            max_length=MAX_LENGTH,
            description=f"Comparisons of {', '.join(FIELDS[:-1])} or {FIELDS[-1]}, joined with and,"
            " or, ( and )",
        ),
        AfterValidator(lambda text: text if text is None else _condition(text)),
    ] = None

    @model_validator(mode="after")
    def _one_or_all(self) -> Self:
        if (self.batch_id is None) == (self.all is None):
            raise ValueError("give either batch_id, or all: true")
        return self


class RereadRequest(Selection):
    """Images to be read again; the same `request_id` does it once, left out it is a new one.

    `lane` left out: each on the lane that it was read on.
    """

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{**_EXAMPLE, "lane": "gpu"}]}
    )

    request_id: Identifier = Field(default_factory=lambda: str(uuid4()))
    lane: Annotated[
        str | None, AfterValidator(lambda name: name if name is None else _lane(name))
    ] = None


class SelectionCount(BaseModel):
    """How many images a reread would send now, and how many boxes they have."""

    images: int
    boxes: int


class Reread(BaseModel):
    """A reread, and how far it is."""

    request_id: str
    batch_id: str | None
    """None: of all images."""
    where: str | None
    lane: str | None
    state: Literal["sending", "sent"]
    """`sent`: all images that are to be read again are on their way, or done."""
    requested_at: datetime
    images: int
    """Sent so far, with `boxes` boxes that were kept."""
    boxes: int
    read_images: int
    """Of those the images that were read, and those that failed or were cancelled."""
    failed_images: int


class Reading(BaseModel):
    """A result of an image, whole."""

    chain_id: str | None
    run: int
    status: str | None
    reason: str | None
    error: str | None
    submitted_at: datetime | None
    provenance: Provenance | None
    text_boxes: list[TextBox]


class Readings(BaseModel):
    """What an image said when it was asked to be read again, and what it says after that."""

    image_path: str
    index: int | None
    source_name: str | None
    page: int | None
    request_id: str
    requested_at: datetime
    old: Reading
    new: Reading | None
    """None: it has not been read again yet."""
