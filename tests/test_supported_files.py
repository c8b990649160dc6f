"""The dashboard and the command line submit files of the same kinds."""

import re
from pathlib import Path

from ocrstream_client.file_search import DOCUMENT_SUFFIXES, SUFFIXES

SELECTION = Path(__file__).parents[1] / "services/recorder/dashboard/src/submit/fileSelection.ts"


def test_both_know_the_same_kinds() -> None:
    (listed,) = re.findall(r'"([a-z0-9 ]+)"\.split\(" "\)', SELECTION.read_text(encoding="utf-8"))
    assert {f".{kind}" for kind in listed.split()} == SUFFIXES | DOCUMENT_SUFFIXES
