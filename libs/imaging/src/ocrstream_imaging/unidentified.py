"""Says why Pillow did not open a file, which Pillow itself leaves out."""

import struct
from collections.abc import Sequence
from io import BytesIO

from PIL import Image

from ocrstream_imaging.errors import UndecodableError

_HEAD_BYTES = 64
_HEIC_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx")
# The errors by which Pillow's readers reject a file; the same as in `Image.open`.
_REJECTIONS = (SyntaxError, IndexError, TypeError, struct.error)


def unidentified_error(content: bytes, formats: Sequence[str]) -> UndecodableError:
    """The error of a file that Pillow cannot identify as one of the formats."""
    head = content[:_HEAD_BYTES]
    supported = f"not an image in one of the formats {', '.join(formats)}"
    if head[4:8] == b"ftyp" and any(brand in head[8:] for brand in _HEIC_BRANDS):
        return UndecodableError(f"{supported}: it is HEIC; convert it to JPEG or PNG")
    if b"%PDF-" in head:
        return UndecodableError(
            f"{supported}: it is a PDF, which must be uploaded, so that its pages become images"
        )
    for name in formats:
        factory, accept = Image.OPEN[name]
        if accept is None or accept(head[:16]) is not True:
            continue
        try:
            factory(BytesIO(content), "")
        except _REJECTIONS as error:
            return UndecodableError(f"broken or unsupported {name}: {error}")
    return UndecodableError(supported)
