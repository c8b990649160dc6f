"""TIFF files of any samples and byte order, which Pillow reads but does not all write."""

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

WHITE_IS_ZERO, BLACK_IS_ZERO, RGB, PALETTE, SEPARATED = 0, 1, 2, 3, 5
PREMULTIPLIED, ALPHA = 1, 2
ByteOrder = Literal["<", ">"]
_SAMPLE_FORMATS = {"b": 1, "u": 1, "i": 2, "f": 3}
_SHORT, _LONG = "H", "I"
_TYPES = {_SHORT: 3, _LONG: 4}


@dataclass(frozen=True)
class TiffPage:
    """Samples of shape (height, width) or (height, width, channels); those of `bool` take one bit.

    `extra`: what the last channel is beyond the colours.
    """

    samples: NDArray[Any]
    photometric: int = BLACK_IS_ZERO
    orientation: int = 1
    extra: int | None = None
    palette: NDArray[np.uint16] | None = None


def tiff_of(pages: Sequence[TiffPage], order: ByteOrder) -> bytes:
    """The file, in the byte order that struct calls `<` or `>`, not compressed."""
    file = bytearray((b"II" if order == "<" else b"MM") + struct.pack(f"{order}HI", 42, 0))
    link_at = 4
    for page in pages:
        data = _bytes_of(page.samples, order)
        values = _values(page, len(data), data_at=len(file))
        file += data + bytes(-len(data) % 2)
        entries = b""
        for tag, (kind, numbers) in sorted(values.items()):
            value = struct.pack(f"{order}{len(numbers)}{kind}", *numbers)
            entries += struct.pack(f"{order}HHI", tag, _TYPES[kind], len(numbers))
            if len(value) > 4:
                entries += struct.pack(f"{order}I", len(file))
                file += value
            else:
                entries += value.ljust(4, b"\0")
        struct.pack_into(f"{order}I", file, link_at, len(file))
        file += struct.pack(f"{order}H", len(values)) + entries
        link_at = len(file)
        file += bytes(4)
    return bytes(file)


def _bytes_of(samples: NDArray[Any], order: ByteOrder) -> bytes:
    if samples.dtype == np.bool_:
        return np.packbits(samples, axis=1).tobytes()
    return samples.astype(samples.dtype.newbyteorder(order)).tobytes()


def _values(page: TiffPage, size: int, data_at: int) -> dict[int, tuple[str, Sequence[int]]]:
    samples = page.samples
    height, width = samples.shape[:2]
    channels = samples.shape[2] if samples.ndim == 3 else 1
    bits = 1 if samples.dtype == np.bool_ else samples.dtype.itemsize * 8
    values: dict[int, tuple[str, Sequence[int]]] = {
        256: (_LONG, [width]),
        257: (_LONG, [height]),
        258: (_SHORT, [bits] * channels),
        259: (_SHORT, [1]),
        262: (_SHORT, [page.photometric]),
        273: (_LONG, [data_at]),
        274: (_SHORT, [page.orientation]),
        277: (_SHORT, [channels]),
        278: (_LONG, [height]),
        279: (_LONG, [size]),
        339: (_SHORT, [_SAMPLE_FORMATS[samples.dtype.kind]] * channels),
    }
    if page.extra is not None:
        values[338] = (_SHORT, [page.extra])
    if page.palette is not None:
        values[320] = (_SHORT, page.palette.ravel().tolist())
    return values
