"""Text and numbers in XML."""

from collections.abc import Sequence

# XML forbids these even as references; the replacement character stands in for them.
_FORBIDDEN = [
    *(code for code in range(0x20) if code not in {0x9, 0xA, 0xD}),
    *range(0xD800, 0xE000),
    0xFFFE,
    0xFFFF,
]
_ESCAPES: dict[int, str] = {
    **dict.fromkeys(_FORBIDDEN, "\ufffd"),
    **{ord(mark): f"&#{ord(mark)};" for mark in "\t\n\r\"'&<>"},
}


def escape(text: str) -> str:
    """The text for an element or a quoted attribute; tabs and line breaks are preserved."""
    return text.translate(_ESCAPES)


def number(value: float, places: int = 2) -> str:
    """A number without an exponent, to `places` decimal places; pixels to hundredths."""
    text = f"{value:.{places}f}".rstrip("0").rstrip(".")
    return "0" if text == "-0" else text


def attributes(**values: str | float) -> str:
    """Attributes with a space before each."""
    return "".join(
        f' {name}="{escape(value) if isinstance(value, str) else number(value)}"'
        for name, value in values.items()
    )


def points(polygon: Sequence[tuple[float, float]]) -> str:
    """`x,y x,y …`."""
    return " ".join(f"{number(x)},{number(y)}" for x, y in polygon)
