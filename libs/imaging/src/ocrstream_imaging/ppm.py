"""Refuses the PPM files that Pillow would decode for minutes.

Pillow reads their headers, their text form, and binary samples with an unusual greatest level in
Python: a microsecond or more for each byte or sample, and a copy of a megabyte for each comment.
"""

from io import BytesIO

from PIL.PpmImagePlugin import PpmImageFile

from ocrstream_imaging.errors import UndecodableError

_MAX_HEADER_BYTES = 4096
_MAX_TEXT_BYTES = 16 << 20
_MAX_COMMENTS = 1000
_MAX_SCALED_SAMPLES = 20_000_000


def check_ppm(content: bytes) -> None:
    """Raises UndecodableError for a PPM file that takes too long; other files are not judged."""
    if not content.startswith(b"P"):
        return
    try:
        header = PpmImageFile(BytesIO(content[:_MAX_HEADER_BYTES]))
    except SyntaxError:
        return
    except ValueError as error:
        if len(content) <= _MAX_HEADER_BYTES:
            return
        raise UndecodableError(
            f"broken image: the first {_MAX_HEADER_BYTES:,} bytes have no complete PPM header"
        ) from error
    codec = header.tile[0].codec_name
    if codec == "ppm_plain":
        _check_at_most(_MAX_TEXT_BYTES, len(content), "bytes in text form")
        _check_at_most(_MAX_COMMENTS, content.count(b"#"), "comments in text form")
    elif codec == "ppm":
        samples = header.width * header.height * len(header.getbands())
        _check_at_most(_MAX_SCALED_SAMPLES, samples, "samples and a greatest level other than 255")


def _check_at_most(limit: int, count: int, what: str) -> None:
    if count > limit:
        raise UndecodableError(
            f"the PPM file has {count:,} {what}; at most {limit:,} are decoded. Save it as PNG"
        )
