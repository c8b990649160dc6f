"""Pages of lists."""

from collections.abc import Callable, Sequence
from typing import TypeVar

from ocrstream_recorder.api.cursors import encode_cursor
from ocrstream_recorder.api.models import Page

RowT = TypeVar("RowT")
ItemT = TypeVar("ItemT")


def page_of(
    rows: Sequence[RowT],
    limit: int,
    position: Callable[[RowT], object],
    item: Callable[[RowT], ItemT],
) -> Page[ItemT]:
    """The first `limit` rows as items; of `rows` there is one more if others follow them.

    The next page begins after the `position` of the last row shown.
    """
    shown = rows[:limit]
    following = encode_cursor(position(shown[-1])) if len(rows) > limit else None
    return Page(items=[item(row) for row in shown], next_cursor=following)
