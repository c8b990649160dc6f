"""Plain text and Markdown."""

import re
from collections.abc import Iterator

from ocrstream_recorder.export.lines import lines_of, text_of
from ocrstream_recorder.export.model import ExportImage, Heading

# Characters that begin or end markup anywhere in a line, in CommonMark and common extensions
# (tables, strikethrough, mathematics, footnotes, bare links and mentions).
_MARKUP = re.compile(r"[\\`*_\[\]{}<>&~|$^:@#=!]|(?<=www)\.", re.IGNORECASE)
# The start of a line that makes a list or underlines a heading.
_LINE_MARKUP = re.compile(r"^(\d*)([-+.)])")


class PlainText:
    """The lines; several images each have a name above them, as `head` shows several files."""

    def __init__(self) -> None:
        self._single = False
        self._images = 0

    def begin(self, heading: Heading) -> Iterator[bytes]:
        """Nothing."""
        self._single = heading.single
        yield from ()

    def add(self, image: ExportImage) -> Iterator[bytes]:
        """Its lines, or in brackets the reason why it has none."""
        lines = [text_of(line) for line in lines_of(image)]
        if image.failure is not None:
            lines = [f"[{_on_one_line(image.failure)}]"]
        if not self._single:
            lines.insert(0, f"==> {_on_one_line(image.title)} <==")
            if self._images:
                lines.insert(0, "")
        self._images += 1
        yield "".join(f"{line}\n" for line in lines).encode()

    def end(self) -> Iterator[bytes]:
        """Nothing."""
        yield from ()


class Markdown:
    """CommonMark: a heading and a paragraph for each image; recognised text is never markup."""

    def __init__(self) -> None:
        self._single = False

    def begin(self, heading: Heading) -> Iterator[bytes]:
        """The title."""
        self._single = heading.single
        if not heading.single:
            yield f"# {escape_markdown(heading.title)}\n".encode()

    def add(self, image: ExportImage) -> Iterator[bytes]:
        """Its lines, or in italics the reason why it has none."""
        level = "#" if self._single else "\n##"
        if image.failure is None:
            # A backslash at a line's end keeps the break.
            paragraph = "\\\n".join(
                escape_markdown(text_of(line)) or "\\" for line in lines_of(image)
            )
        else:
            paragraph = f"*{escape_markdown(image.failure)}*"
        yield f"{level} {escape_markdown(image.title)}\n\n{paragraph}\n".encode()

    def end(self) -> Iterator[bytes]:
        """Nothing."""
        yield from ()


def escape_markdown(text: str) -> str:
    """The text on one line, in a form that renders as the text itself."""
    escaped = _MARKUP.sub(r"\\\g<0>", _on_one_line(text))
    return _LINE_MARKUP.sub(r"\1\\\2", escaped)


def _on_one_line(text: str) -> str:
    return " ".join(text.split())
