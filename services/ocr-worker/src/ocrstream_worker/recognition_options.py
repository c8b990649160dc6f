"""Validates the options of a submission that say how its image is recognised."""

from typing import get_args

from ocrstream_schemas.events import BoxUnit, ImageSubmitted, Reason
from ocrstream_worker.engines.port import RecognitionOptions
from ocrstream_worker.errors import PermanentImageError

_UNITS: tuple[str, ...] = get_args(BoxUnit)


def recognition_options(image: ImageSubmitted) -> RecognitionOptions:
    """The part of the image's `options` that the engine uses; ignores all others.

    Raises PermanentImageError for an invalid value.
    """
    match (image.options or {}).get("boxes"):
        case None:
            return RecognitionOptions()
        case "line" | "word" as boxes:
            return RecognitionOptions(boxes=boxes)
        case other:
            raise PermanentImageError(
                Reason.REFUSED, f"options.boxes must be {' or '.join(_UNITS)}, not {other!r:.100}"
            )
