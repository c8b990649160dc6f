"""Which images somebody means: a condition over what is known of each, as a person writes it.

    condition   = conjunction { "or" conjunction }
    conjunction = term { "and" term }
    term        = "(" condition ")" | field operator value
    operator    = "<" | "<=" | ">" | ">=" | "=" | "!="

    confidence < 0.8 and lane != gpu
    (min_confidence < 0.5 or status = failed) and age > 30d
    engine = unknown or engine = rapidocr and version < 3.10.1

What an image does not have, a confidence without boxes or a reason when it was read, no comparison
holds for.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal, NamedTuple, cast

from ocrstream_recorder.errors import ConditionError
from ocrstream_recorder.rules.status import ImageStatus
from ocrstream_schemas.batch_options import DEFAULT_LANE
from ocrstream_schemas.events import Reason, WarningCode
from ocrstream_schemas.topics import LANES

MAX_LENGTH = 1_000
_MAX_DEPTH = 20
_GREATEST = 1e12

NUMBERS = ("confidence", "min_confidence", "boxes", "run")
"""Mean and least confidence of an image's boxes, how many these are, and the run that read it."""
DURATIONS = ("age",)
"""For how long it has been submitted, in seconds; written `30d`, `12h`, `90m`, `45s`."""
WORDS: Mapping[str, tuple[str, ...]] = {
    "status": tuple(ImageStatus),
    "reason": tuple(Reason),
    "lane": (DEFAULT_LANE, *LANES),
    "warning": tuple(WarningCode),
}
"""What became of it, why it was not read, the lane that it was read on, a warning that its result
carries, or with `!=` does not; each with its values.
"""
NAMES = ("engine",)
"""The engine that read it: any word; `unknown` where nothing tells."""
VERSIONS = ("version", "reader")
"""Of the engine's own package, and of the worker's way to read a page, which is 1 where nothing
tells; written `3.10.1`, numbers between dots.
"""
FIELDS = (*NUMBERS, *DURATIONS, *WORDS, *NAMES, *VERSIONS)

Version = tuple[int, ...]
Operator = Literal["<", "<=", ">", ">=", "=", "!="]
_EQUALITY = ("=", "!=")
UNITS_S: Mapping[str, int] = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}
_TOKEN = re.compile(
    r"(?P<number>\d+(?:\.\d+)*)(?P<unit>[A-Za-z]*)"
    r"|(?P<word>[A-Za-z_][\w.-]*)|(?P<operator><=|>=|!=|[<>=])|(?P<parenthesis>[()])",
    re.ASCII,
)


@dataclass(frozen=True)
class Comparison:
    """One of FIELDS against a value: seconds for durations, one of its values for a word.

    A version is its numbers without zeros at the end, so that 3.10 is above 3.9 and 3.0 is 3.
    """

    field: str
    operator: Operator
    value: "float | str | Version"


@dataclass(frozen=True)
class AllOf:
    """Holds if all of its parts, two at least, do."""

    parts: tuple["Condition", ...]


@dataclass(frozen=True)
class AnyOf:
    """Holds if one of its parts, two at least, does."""

    parts: tuple["Condition", ...]


Condition = Comparison | AllOf | AnyOf


def parse_condition(text: str) -> Condition:
    """The condition that `text` says; raises ConditionError."""
    if len(text) > MAX_LENGTH:
        raise ConditionError(
            text[:MAX_LENGTH], MAX_LENGTH, f"longer than {MAX_LENGTH:,} characters"
        )
    return _Parser(text).whole()


class _Token(NamedTuple):
    kind: str
    text: str
    position: int
    unit: str = ""


def _tokens(text: str) -> Iterable[_Token]:
    position = 0
    while position < len(text):
        if text[position].isspace():
            position += 1
            continue
        found = _TOKEN.match(text, position)
        if found is None:
            raise ConditionError(text, position, f"{text[position]!r} has no meaning here")
        if found["number"] is not None:
            yield _Token("number", found["number"], position, found["unit"])
        else:
            kind = cast("str", found.lastgroup)
            yield _Token(kind, found.group(), position)
        position = found.end()
    yield _Token("end", "", len(text))


def _is_number(token: _Token) -> bool:
    return token.kind == "number" and token.text.count(".") <= 1


def _version(text: str) -> Version:
    numbers = [int(number) for number in text.split(".")]
    while numbers and not numbers[-1]:
        numbers.pop()
    return tuple(numbers)


class _Parser:
    """One text, from its first token to its last."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._rest = list(reversed(list(_tokens(text))))
        self._depth = 0

    def whole(self) -> Condition:
        condition = self._condition()
        if self._next.kind != "end":
            raise self._bad(self._next, "expected and, or, or the end")
        return condition

    @property
    def _next(self) -> _Token:
        return self._rest[-1]

    def _condition(self) -> Condition:
        parts = [self._conjunction()]
        while self._take("or"):
            parts.append(self._conjunction())
        return AnyOf(tuple(parts)) if len(parts) > 1 else parts[0]

    def _conjunction(self) -> Condition:
        parts = [self._term()]
        while self._take("and"):
            parts.append(self._term())
        return AllOf(tuple(parts)) if len(parts) > 1 else parts[0]

    def _term(self) -> Condition:
        opening = self._next
        if not self._take("("):
            return self._comparison()
        self._depth += 1
        if self._depth > _MAX_DEPTH:
            raise self._bad(opening, f"more than {_MAX_DEPTH} parentheses within each other")
        condition = self._condition()
        if not self._take(")"):
            raise self._bad(self._next, "expected and, or, or ) for the ( before")
        self._depth -= 1
        return condition

    def _comparison(self) -> Comparison:
        field = self._rest.pop()
        if field.text not in FIELDS:
            raise self._bad(field, f"expected one of {', '.join(FIELDS)}")
        operator = self._rest.pop()
        if operator.kind != "operator":
            raise self._bad(operator, "expected one of < <= > >= = !=")
        if field.text in (*WORDS, *NAMES) and operator.text not in _EQUALITY:
            raise self._bad(operator, f"{field.text} can be = or !=, not {operator.text}")
        return Comparison(field.text, cast("Operator", operator.text), self._value(field.text))

    def _value(self, field: str) -> float | str | Version:
        token = self._rest.pop()
        if field in NAMES:
            if token.kind != "word":
                raise self._bad(token, f"{field} is a name, like rapidocr or unknown")
            return token.text
        if field in VERSIONS:
            if token.kind != "number" or token.unit:
                raise self._bad(token, f"{field} is numbers between dots, like 3.10.1 or 2")
            return _version(token.text)
        if field in WORDS:
            if token.text not in WORDS[field]:
                raise self._bad(token, f"{field} is one of {', '.join(WORDS[field])}")
            return token.text
        if field in DURATIONS:
            if not _is_number(token) or token.unit not in UNITS_S:
                raise self._bad(token, f"{field} is a time like 30d, 12h, 90m or 45s")
            value = float(token.text) * UNITS_S[token.unit]
        else:
            if not _is_number(token) or token.unit:
                raise self._bad(token, f"{field} is a number, like 0.8 or 3")
            value = float(token.text)
        if value > _GREATEST:
            raise self._bad(token, "too large a number")
        return value

    def _take(self, word: str) -> bool:
        if self._next.text.lower() != word:
            return False
        self._rest.pop()
        return True

    def _bad(self, token: _Token, why: str) -> ConditionError:
        return ConditionError(self._text, token.position, why)
