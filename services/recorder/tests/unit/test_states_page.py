"""docs/states.md tells of every status, and explains every arrow that it draws."""

import re
from pathlib import Path

import pytest

from ocrstream_recorder.rules.status import ProcessStatus

PAGE = Path(__file__).parents[4] / "docs" / "states.md"
_ARROW = re.compile(r"^ +(\[\*\]|[A-Z]+) --> ([A-Z]+): ([A-Z])$", re.M)
_ROW = re.compile(r"^\| ([A-Z]) \| [^|]+ \|", re.M)

# A task does not know how much of it is done; a batch has no attempts of its own.
STATUSES = {
    "Task": set(ProcessStatus) - {ProcessStatus.RUNNING},
    "Chain": set(ProcessStatus),
    "Batch": set(ProcessStatus) - {ProcessStatus.RETRY},
}


def sections() -> dict[str, str]:
    parts = re.split(r"^## (\w+)$", PAGE.read_text(encoding="utf-8"), flags=re.M)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


@pytest.mark.parametrize("what", STATUSES)
def test_every_status_is_drawn_and_every_letter_explained(what: str) -> None:
    section = sections()[what]
    arrows = _ARROW.findall(section)
    assert len(arrows) == section.count("-->")
    drawn = {status for start, end, _ in arrows for status in (start, end)} - {"[*]"}
    assert drawn == STATUSES[what]
    assert {letter for _, _, letter in arrows} == set(_ROW.findall(section))
