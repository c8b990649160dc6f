"""What all answers have in common."""

from typing import Generic, TypeVar

from pydantic import BaseModel

ItemT = TypeVar("ItemT", bound=BaseModel)


class Page(BaseModel, Generic[ItemT]):
    """Some items of a list; `next_cursor` asks for those that follow, null at the end."""

    items: list[ItemT]
    next_cursor: str | None
