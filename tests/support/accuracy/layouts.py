"""How pages are laid out, by name."""

from collections.abc import Callable

from accuracy import forms, running_text
from accuracy.sheet import Style
from accuracy.texts import Text
from accuracy.truth import Drawing

Layout = Callable[[Style, Text], Drawing]

LAYOUTS: dict[str, Layout] = {
    layout.__name__: layout
    for layout in (
        running_text.paragraphs,
        running_text.long_lines,
        running_text.crop,
        running_text.tight_crop,
        running_text.a4_150,
        running_text.a4_300,
        running_text.two_columns,
        running_text.three_columns,
        running_text.half_turned,
        running_text.quarter_turned,
        running_text.vertical,
        forms.receipt,
        forms.strip,
        forms.table,
        forms.plan,
    )
}
