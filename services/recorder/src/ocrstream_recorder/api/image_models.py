"""Results of images as the API shows them."""

from datetime import datetime
from typing import Annotated

from pydantic import BaseModel, Field

Point = Annotated[list[float], Field(min_length=2, max_length=2)]


class TextBox(BaseModel):
    """A piece of text; `bbox` is its polygon in pixels of the original image."""

    text: str
    confidence: Annotated[float, Field(ge=0, le=1)]
    bbox: Annotated[list[Point], Field(min_length=4, max_length=4)]


class Image(BaseModel):
    """The newest result of an image path."""

    image_path: str
    public_path: str | None
    chain_id: str | None
    run: int
    status: str | None
    reason: str | None
    error: str | None
    submitted_at: datetime | None
    created_at: datetime
    updated_at: datetime
    text_boxes: list[TextBox]
