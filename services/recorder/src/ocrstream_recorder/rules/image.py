"""The OCR result of an image path: a register that the greatest result holds."""

from datetime import datetime
from typing import NamedTuple

import msgspec

from ocrstream_recorder.rules.lattice import digest
from ocrstream_recorder.rules.status import ImageStatus
from ocrstream_schemas.events import Reason, TextBox


class RegisterKey(NamedTuple):
    """What decides between two results of a path: the greatest holds it.

    One with provenance is above one without: so a row that an older recorder wrote without it is
    completed when its record is folded again.
    """

    submitted_at: datetime
    run: int
    chain_id: str
    succeeded: bool
    has_provenance: bool
    value_digest: bytes


class ImageState(msgspec.Struct, frozen=True):
    """The result that holds a path, whole. `value_digest` is that of all that is not in the key."""

    image_path: str
    submitted_at: datetime
    run: int
    chain_id: str
    status: ImageStatus
    value_digest: bytes
    error: str | None = None
    reason: Reason | None = None
    public_path: str | None = None
    boxes: tuple[TextBox, ...] = ()
    provenance: msgspec.Raw | None = None
    warnings: tuple[str, ...] = ()
    """The codes in the provenance, each once."""

    @property
    def key(self) -> RegisterKey:
        """What decides whether it holds its path."""
        return RegisterKey(
            self.submitted_at,
            self.run,
            self.chain_id,
            self.status is ImageStatus.SUCCESS,
            self.provenance is not None,
            self.value_digest,
        )

    def join(self, other: "ImageState") -> "ImageState":
        """The result that holds after both; row and boxes are one's or the other's, never mixed."""
        return self if self.key >= other.key else other


def value_digest(
    error: str | None,
    reason: Reason | None,
    public_path: str | None,
    boxes: tuple[TextBox, ...],
    provenance: msgspec.Raw | None,
) -> bytes:
    """The digest of a result's content.

    Without provenance it is what rows had before there was one.
    """
    content: list[object] = [error, reason, public_path, boxes]
    return digest(content if provenance is None else [*content, provenance])
