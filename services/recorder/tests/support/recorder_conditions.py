"""Conditions of any shape, how a person would write them, and what they say of an image."""

import operator
from collections.abc import Callable, Mapping
from typing import Any

from hypothesis import strategies as st

from ocrstream_recorder.reprocessing.rules import (
    DURATIONS,
    FIELDS,
    NAMES,
    VERSIONS,
    WORDS,
    AllOf,
    AnyOf,
    Comparison,
    Condition,
)

_OPERATORS = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "=": operator.eq,
    "!=": operator.ne,
}

_VERSIONS = [(), (1,), (2,), (3, 9), (3, 10), (3, 10, 1), (10**30,)]


@st.composite
def _comparisons(draw: st.DrawFn) -> Comparison:
    field = draw(st.sampled_from(FIELDS))
    if field in WORDS:
        told: Any = draw(st.sampled_from(["=", "!="]))
        return Comparison(field, told, draw(st.sampled_from(WORDS[field])))
    if field in NAMES:
        told = draw(st.sampled_from(["=", "!="]))
        return Comparison(field, told, draw(st.sampled_from(["rapidocr", "unknown", "my-e.2"])))
    told = draw(st.sampled_from(sorted(_OPERATORS)))
    if field in VERSIONS:
        return Comparison(field, told, draw(st.sampled_from(_VERSIONS)))
    value = draw(st.sampled_from([0.0, 0.25, 0.5, 0.75, 1.0, 2.0, 3.0, 86_400.0]))
    return Comparison(field, told, value)


def joined(
    kind: Callable[[tuple[Condition, ...]], Condition], parts: st.SearchStrategy[Condition]
) -> st.SearchStrategy[Condition]:
    """Two or three parts, joined."""
    return st.lists(parts, min_size=2, max_size=3).map(lambda some: kind(tuple(some)))


def conditions() -> st.SearchStrategy[Condition]:
    """Conditions; none is nested too deeply."""
    return st.recursive(
        _comparisons(), lambda parts: joined(AllOf, parts) | joined(AnyOf, parts), max_leaves=8
    )


def written(condition: Condition, space: str = " ") -> str:
    """The condition as text; all that is within another stands in parentheses."""
    match condition:
        case Comparison(field, operator_, value):
            if isinstance(value, tuple):
                told = ".".join(map(str, value)) or "0.0"
            else:
                told = f"{value:.4f}" if isinstance(value, float) else value
            unit = "s" if field in DURATIONS else ""
            return f"{field}{space}{operator_}{space}{told}{unit}"
        case AllOf(parts) | AnyOf(parts):
            word = "and" if isinstance(condition, AllOf) else "or"
            # Beside a parenthesis a word needs no space.
            return f"{space}{word}{space}".join(f"({written(part, space)})" for part in parts)


def holds(condition: Condition, image: Mapping[str, Any]) -> bool:
    """Whether it holds for an image, of which None is what it does not have."""
    match condition:
        case Comparison(field, told, value):
            has = image[field]
            if field == "warning" and has is not None:
                return (value in has) is (told == "=")
            return has is not None and bool(_OPERATORS[told](has, value))
        case AllOf(parts):
            return all(holds(part, image) for part in parts)
        case AnyOf(parts):
            return any(holds(part, image) for part in parts)
