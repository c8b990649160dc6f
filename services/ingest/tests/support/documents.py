"""PDF and TIFF files for tests, made here."""

import struct
import zlib
from io import BytesIO

from PIL import Image


def pdf(
    pages: int, *, size: tuple[float, float] = (72, 72), content: bytes = b"", compressed: int = 0
) -> bytes:
    """A PDF of equal pages; `compressed`: how many zero bytes each content stream inflates to."""
    stream, filters = content, b""
    if compressed:
        packer = zlib.compressobj(9)
        block = bytes(1 << 20)
        stream = b"".join(packer.compress(block) for _ in range(compressed >> 20)) + packer.flush()
        filters = b"/Filter /FlateDecode "
    kids = b" ".join(b"%d 0 R" % (4 + number) for number in range(pages))
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Count %d /Kids [%s] >>" % (pages, kids),
        b"<< %s/Length %d >>\nstream\n%s\nendstream" % (filters, len(stream), stream),
        *(
            b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 %g %g] /Contents 3 0 R >>" % size
            for _ in range(pages)
        ),
    ]
    out = BytesIO()
    out.write(b"%PDF-1.7\n")
    offsets: list[int] = []
    for number, content_of in enumerate(objects, 1):
        offsets.append(out.tell())
        out.write(b"%d 0 obj\n%s\nendobj\n" % (number, content_of))
    start = out.tell()
    out.write(b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1))
    for offset in offsets:
        out.write(b"%010d 00000 n \n" % offset)
    out.write(b"trailer\n<< /Size %d /Root 1 0 R >>\n" % (len(objects) + 1))
    out.write(b"startxref\n%d\n%%%%EOF\n" % start)
    return out.getvalue()


def tiff(frames: int, size: tuple[int, int] = (20, 10)) -> bytes:
    """A TIFF of frames of different greys."""
    images = [Image.new("L", size, 10 + number) for number in range(frames)]
    out = BytesIO()
    images[0].save(out, "TIFF", save_all=True, append_images=images[1:])
    return out.getvalue()


def endless_tiff() -> bytes:
    """A TIFF whose only frame says that it is followed by itself."""
    entries = [(256, 4, 1, 1), (257, 4, 1, 1), (258, 3, 1, 8), (259, 3, 1, 1), (262, 3, 1, 1)]
    entries += [(273, 4, 1, 0), (277, 3, 1, 1), (278, 4, 1, 1), (279, 4, 1, 1)]
    packed = b"".join(struct.pack("<HHII", *entry) for entry in entries)
    return b"II*\0" + struct.pack("<IH", 8, len(entries)) + packed + struct.pack("<I", 8)
