"""What an image's submission says about how it is to be read."""

from typing import get_args

from ocrstream_schemas.events import BoxUnit, ImageSubmitted, Reason
from ocrstream_worker.engines.port import RecognitionOptions
from ocrstream_worker.errors import PermanentImageError

_UNITS: tuple[str, ...] = get_args(BoxUnit)


def read_options(image: ImageSubmitted) -> RecognitionOptions:
    """The part of the image's `options` that the engine needs; others do not matter here.

    Raises PermanentImageError if one of them has a value that it cannot have.
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
