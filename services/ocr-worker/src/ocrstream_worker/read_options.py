"""What an image's submission says about how it is to be read."""

from typing import get_args

from ocrstream_schemas.events import BoxUnit, ImageSubmitted, Reason
from ocrstream_worker.engines.port import ReadOptions
from ocrstream_worker.image_errors import ImageRejected

_UNITS: tuple[str, ...] = get_args(BoxUnit)


def read_options(image: ImageSubmitted) -> ReadOptions:
    """The part of the image's `options` that the engine needs; others do not matter here.

    Raises ImageRejected if one of them has a value that it cannot have.
    """
    match (image.options or {}).get("boxes"):
        case None:
            return ReadOptions()
        case "line" | "word" as boxes:
            return ReadOptions(boxes=boxes)
        case other:
            raise ImageRejected(
                Reason.REFUSED, f"options.boxes must be {' or '.join(_UNITS)}, not {other!r:.100}"
            )
