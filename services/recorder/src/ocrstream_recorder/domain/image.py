"""The OCR result of an image path: a register that the greatest result holds."""

from datetime import datetime

import msgspec

from ocrstream_recorder.domain.canonical import digest
from ocrstream_recorder.domain.status import ImageStatus
from ocrstream_schemas.events import Reason, TextBox


class ImageState(msgspec.Struct, frozen=True):
    """The result that holds a path, whole. `boxes` is None when loaded: only the digest is needed.

    `value_digest` is that of status, error and boxes.
    """

    image_path: str
    submitted_at: datetime
    run: int
    chain_id: str
    status: ImageStatus
    value_digest: bytes
    error: str | None = None
    reason: Reason | None = None
    public_path: str | None = None
    boxes: tuple[TextBox, ...] | None = None

    @property
    def key(self) -> tuple[datetime, int, str, bool, bytes]:
        """What decides between two results: the greatest holds."""
        return (
            self.submitted_at,
            self.run,
            self.chain_id,
            self.status is ImageStatus.SUCCESS,
            self.value_digest,
        )

    def join(self, other: "ImageState") -> "ImageState":
        """The result that holds after both; row and boxes are one's or the other's, never mixed."""
        return self if self.key >= other.key else other


def value_digest(status: ImageStatus, error: str | None, boxes: tuple[TextBox, ...]) -> bytes:
    """The digest of a result's content."""
    return digest([status, error, boxes])
