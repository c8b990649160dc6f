"""Parameters that many paths take."""

import re
from datetime import datetime
from typing import Annotated

from fastapi import Query
from pydantic import AfterValidator, AwareDatetime, BeforeValidator

_FIRST_YEAR, _LAST_YEAR = 1970, 9998
_DATE = re.compile(r"\d{4}-\d\d-\d\d")


def storable(text: str) -> str:
    """The text; ValueError if the database cannot hold it."""
    if "\0" in text:
        raise ValueError("must not hold NUL")
    return text


def _written_out(moment: str) -> str:
    # A bare number would be taken for seconds since 1970.
    if not _DATE.match(moment):
        raise ValueError("must be a date and a time with its zone, like 2026-05-01T12:00:00Z")
    return moment


def _of_tables(moment: datetime) -> datetime:
    # Far enough from what a datetime can tell that every zone can tell it.
    if not _FIRST_YEAR <= moment.year <= _LAST_YEAR:
        raise ValueError(f"must be of the years {_FIRST_YEAR} to {_LAST_YEAR}")
    return moment


Limit = Annotated[int, Query(ge=1, le=1000, description="The most items to answer")]
Cursor = Annotated[
    str | None, Query(max_length=200, description="`next_cursor` of the answer before")
]
Text = Annotated[str | None, Query(max_length=255), AfterValidator(storable)]
Moment = Annotated[AwareDatetime, BeforeValidator(_written_out), AfterValidator(_of_tables)]
