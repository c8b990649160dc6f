"""The commands of docs/operations.md that need a Docker engine."""

import re

from compose import ROOT

_BLOCKS = ("up", "submit", "by reference", "scale", "gpu", "watched", "down")


def compose_commands() -> dict[str, str]:
    """The blocks of the page, in its order, each under a name of ours."""
    text = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
    found = re.findall(r"^```bash compose\n(.*?)^```", text, re.M | re.S)
    return dict(zip(_BLOCKS, found, strict=True))
