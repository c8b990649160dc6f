"""What all answers have in common.

What an answer has many of is a dataclass: a model checks each one, which takes several times as
long as making it, and what they are made of is the database's and this service's own.
"""

from typing import Any, Generic, TypeVar

from pydantic import BaseModel, ConfigDict

ItemT = TypeVar("ItemT")


def with_example(**fields: Any) -> ConfigDict:
    """A model's configuration: what it looks like, for the OpenAPI document."""
    return ConfigDict(json_schema_extra={"examples": [fields]})


class Page(BaseModel, Generic[ItemT]):
    """Some items of a list; `next_cursor` asks for those that follow, null at the end."""

    items: list[ItemT]
    next_cursor: str | None
