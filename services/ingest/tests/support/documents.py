"""PDF and TIFF files for tests, made here."""

import struct
import zlib
from collections.abc import Sequence
from hashlib import md5
from io import BytesIO

from PIL import Image, ImageChops

_PASSWORD_PADDING = bytes.fromhex(
    "28bf4e5e4e758a4164004e56fffa01082e2e00b6d0683e802f0ca9fe6453697a"
)


def pdf(
    pages: int, *, size: tuple[float, float] = (72, 72), content: bytes = b"", compressed: int = 0
) -> bytes:
    """A PDF of equal pages; `compressed`: how many zero bytes each content stream inflates to."""
    stream, filters = content, b""
    if compressed:
        packer = zlib.compressobj(9)
        block = bytes(1 << 20)
        stream = b"".join(packer.compress(block) for _ in range(compressed >> 20)) + packer.flush()
        filters = b"/Filter /FlateDecode"
    kids = b" ".join(b"%d 0 R" % (4 + number) for number in range(pages))
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Count %d /Kids [%s] >>" % (pages, kids),
        _stream(filters, stream),
        *(
            b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 %g %g] /Contents 3 0 R >>" % size
            for _ in range(pages)
        ),
    ]
    return _numbered(objects)


def annotated_pdf(*annotations: bytes) -> bytes:
    """A PDF of one page of 300 x 300 points with annotations, the first one at the top.

    Each has a box of 100 x 30 points, 40 below the one before it; see `annotation_box`. Widgets are
    fields of the page's form. An annotation may use the appearances `6 0 R`, which is black, and
    `7 0 R`, which is empty.
    """
    first = 8
    references = [b"%d 0 R" % (first + number) for number in range(len(annotations))]
    fields = [
        reference
        for reference, annotation in zip(references, annotations, strict=True)
        if b"/Widget" in annotation
    ]
    appearance = b"/Type /XObject /Subtype /Form /BBox [0 0 100 30]"
    return _numbered(
        [
            b"<< /Type /Catalog /Pages 2 0 R /AcroForm << /Fields [%s] /DA (/Helv 12 Tf 0 g)"
            b" /DR << /Font << /Helv 5 0 R >> >> >> >>" % b" ".join(fields),
            b"<< /Type /Pages /Count 1 /Kids [3 0 R] >>",
            b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 300 300] /Contents 4 0 R /Annots [%s] >>"
            % b" ".join(references),
            _stream(b"", b""),
            b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>",
            _stream(appearance, b"0 g 0 0 100 30 re f"),
            _stream(appearance, b""),
            *(
                b"<< /Type /Annot /Rect [100 %d 200 %d] %s >>"
                % (260 - 40 * number, 290 - 40 * number, annotation)
                for number, annotation in enumerate(annotations)
            ),
        ]
    )


def encrypted_pdf(password: str) -> bytes:
    """A PDF of one black page that the password opens: RC4 of 40 bits (PDF 1.7, 7.6)."""
    identity, permissions = bytes(16), b"\xfc\xff\xff\xff"
    padded = (password.encode() + _PASSWORD_PADDING)[:32]
    owner = _rc4(md5(padded, usedforsecurity=False).digest()[:5], padded)
    key = md5(padded + owner + permissions + identity, usedforsecurity=False).digest()[:5]
    user = _rc4(key, _PASSWORD_PADDING)
    number, generation = b"\x04\0\0", b"\0\0"
    stream_key = md5(key + number + generation, usedforsecurity=False).digest()[:10]
    return _numbered(
        [
            b"<< /Type /Catalog /Pages 2 0 R >>",
            b"<< /Type /Pages /Count 1 /Kids [3 0 R] >>",
            b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 72 72] /Contents 4 0 R >>",
            _stream(b"", _rc4(stream_key, b"0 g 0 0 72 72 re f")),
            b"<< /Filter /Standard /V 1 /R 2 /P -4 /O <%s> /U <%s> >>"
            % (owner.hex().encode(), user.hex().encode()),
        ],
        b"/Encrypt 5 0 R /ID [<%s> <%s>]" % (identity.hex().encode(), identity.hex().encode()),
    )


def jbig2_pdf(image: Image.Image) -> bytes:
    """A PDF whose page is a black and white image in JBIG2, coded like a fax (T.88, 6.2.6)."""
    file = BytesIO()
    # Pillow codes white as the fax's black.
    inverted = ImageChops.invert(image.convert("L")).convert("1")
    inverted.save(file, "TIFF", compression="group4")
    with Image.open(BytesIO(file.getvalue())) as saved:
        tags = saved.tag_v2  # pyright: ignore[reportAttributeAccessIssue]
        assert len(tags[273]) == 1
        fax = file.getvalue()[tags[273][0] : tags[273][0] + tags[279][0]]
    size = struct.pack(">II", *image.size)
    page_information = size + bytes(8) + struct.pack(">BH", 0, 0)
    region = size + bytes(8) + b"\0" + b"\x01" + fax
    segments = b"".join(
        struct.pack(">IBBBI", number, kind, 0, 1, len(data)) + data
        for number, (kind, data) in enumerate(((48, page_information), (38, region)))
    )
    return _numbered(
        [
            b"<< /Type /Catalog /Pages 2 0 R >>",
            b"<< /Type /Pages /Count 1 /Kids [3 0 R] >>",
            b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 72 72] /Contents 4 0 R %s >>"
            % b"/Resources 6 0 R",
            _stream(b"", b"72 0 0 72 0 0 cm /I Do"),
            _stream(
                b"/Type /XObject /Subtype /Image /Width %d /Height %d /ColorSpace /DeviceGray"
                b" /BitsPerComponent 1 /Filter /JBIG2Decode" % image.size,
                segments,
            ),
            b"<< /XObject << /I 5 0 R >> >>",
        ]
    )


def _rc4(key: bytes, data: bytes) -> bytes:
    state = list(range(256))
    j = 0
    for i in range(256):
        j = (j + state[i] + key[i % len(key)]) % 256
        state[i], state[j] = state[j], state[i]
    out = bytearray()
    j = 0
    for count, byte in enumerate(data, 1):
        i = count % 256
        j = (j + state[i]) % 256
        state[i], state[j] = state[j], state[i]
        out.append(byte ^ state[(state[i] + state[j]) % 256])
    return bytes(out)


def annotation_box(number: int, dpi: int) -> tuple[int, int, int, int]:
    """The box of an annotation of `annotated_pdf`, in pixels: left, top, right, bottom."""
    points = (100, 10 + 40 * number, 200, 40 + 40 * number)
    left, top, right, bottom = (round(value * dpi / 72) for value in points)
    return left, top, right, bottom


def _stream(entries: bytes, content: bytes) -> bytes:
    return b"<< %s /Length %d >>\nstream\n%s\nendstream" % (entries, len(content), content)


def _numbered(objects: Sequence[bytes], trailer: bytes = b"") -> bytes:
    """A PDF of these objects, numbered from 1; the first one is its catalog."""
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
    out.write(b"trailer\n<< /Size %d /Root 1 0 R %s >>\n" % (len(objects) + 1, trailer))
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
