"""What was done over time, as the API shows it."""

from datetime import datetime

from pydantic import BaseModel

from ocrstream_recorder.api.models import with_example


class Bucket(BaseModel):
    """What ended in a part of time that begins at `begin`."""

    model_config = with_example(
        begin="2026-05-01T12:00:00Z",
        images=1200,
        completed_images=1190,
        failed_images=10,
        revoked_images=0,
        failed_by_reason={"no_text": 7, "not_found": 3},
        text_boxes=35700,
    )

    begin: datetime
    images: int
    completed_images: int
    failed_images: int
    revoked_images: int
    failed_by_reason: dict[str, int]
    text_boxes: int
    """Of the images whose result still holds its path."""
