"""Finds changes of the contract that break programs written for an older version.

Programs that know only the old contract write the topics that the system receives, and stored
records follow it, so the new contract must accept everything that the old one accepted. Programs
that know only the old contract read the topics that the system sends, so the system must send
nothing that the old contract refuses. A removed field breaks both.
"""

from collections.abc import Iterator
from typing import Any

Document = dict[str, Any]
Schema = dict[str, Any]

# Keywords that refuse values: the first refuse more the greater they are, the others the smaller.
_LEAST = ("minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties")
_MOST = ("maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties")
_ANNOTATIONS = ("title", "description", "default", "examples", "format", "$schema", "$defs")
_READ = (*_LEAST, *_MOST, *_ANNOTATIONS, "type", "enum", "const", "anyOf", "oneOf", "$ref")
_KNOWN = frozenset(
    (
        *(*_READ, "properties", "required", "items", "discriminator"),
        *("additionalProperties", "propertyNames", "pattern"),
    )
)


def breaking_changes(old: Document, new: Document) -> list[str]:
    """Returns the breaking changes between two AsyncAPI documents, one line each."""
    return sorted(set(_breaks(old, new)))


def _breaks(old: Document, new: Document) -> Iterator[str]:
    for operation in old["operations"].keys() - new["operations"].keys():
        yield f"{operation}: the operation is removed"
    for topic, channel in old["channels"].items():
        if topic in new["channels"]:
            yield from _channel_breaks(
                topic, channel, new["channels"][topic], sent=_sent(old, topic)
            )
        else:
            yield f"{topic}: the topic is removed"
    for name in old["components"]["messages"].keys() & new["components"]["messages"].keys():
        yield from _message_breaks(old, new, name)


def _channel_breaks(
    topic: str, before: dict[str, Any], after: dict[str, Any], *, sent: bool
) -> Iterator[str]:
    if _max_bytes(after) < _max_bytes(before):
        yield f"{topic}: the maximum size of its records is smaller"
    for message in before["messages"].keys() - after["messages"].keys():
        yield f"{topic}: {message} is removed"
    if sent:
        for message in after["messages"].keys() - before["messages"].keys():
            yield f"{topic}: the system sends {message}, which readers do not know"


def _message_breaks(old: Document, new: Document, name: str) -> Iterator[str]:
    directions = {_sent(old, topic) for topic in _topics(old, name)}
    for part in ("payload", "headers"):
        before = old["components"]["messages"][name][part]
        after = new["components"]["messages"][name][part]
        yield from _removed_fields(old, new, before, after, name)
        if False in directions:
            yield from _refused(old, new, before, after, name)
        if True in directions:
            yield from (
                f"{change} (sent to readers of the old contract)"
                for change in _refused(new, old, after, before, name)
            )


def _topics(document: Document, message: str) -> list[str]:
    channels = document["channels"].items()
    return [name for name, channel in channels if message in channel["messages"]]


def _sent(document: Document, topic: str) -> bool:
    # The system sends dead letters, too, although no operation names them.
    return f"receive.{topic}" not in document["operations"]


def _max_bytes(channel: dict[str, Any]) -> int:
    return channel["bindings"]["kafka"]["topicConfiguration"]["max.message.bytes"]


def _resolved(document: Document, schema: Schema) -> Schema:
    while "$ref" in schema:
        found: Any = document
        for part in schema["$ref"].removeprefix("#/").split("/"):
            found = found[part]
        schema = found
    return schema


def _removed_fields(
    old: Document, new: Document, before: Schema, after: Schema, where: str
) -> Iterator[str]:
    """Yields the fields that the new schema lacks."""
    for one, other in _pairs(old, new, before, after):
        fields, others = one.get("properties", {}), other.get("properties", {})
        for name, field in fields.items():
            if name in others:
                yield from _removed_fields(old, new, field, others[name], f"{where}.{name}")
            else:
                yield f"{where}.{name}: the field is removed"
        if "items" in one and "items" in other:
            yield from _removed_fields(old, new, one["items"], other["items"], f"{where}[]")


def _pairs(
    old: Document, new: Document, before: Schema, after: Schema
) -> Iterator[tuple[Schema, Schema]]:
    """Yields pairs of alternatives of both schemas that have a type in common."""
    for one in _alternatives(old, before):
        for other in _alternatives(new, after):
            if one.get("type") == other.get("type"):
                yield one, other


def _alternatives(document: Document, schema: Schema) -> list[Schema]:
    schema = _resolved(document, schema)
    for keyword in ("anyOf", "oneOf"):
        if keyword in schema:
            return [one for part in schema[keyword] for one in _alternatives(document, part)]
    return [schema]


def _refused(
    wide: Document, narrow: Document, accepted: Schema, by: Schema, where: str
) -> Iterator[str]:
    """Yields where `by`, of `narrow`, refuses a value that `accepted`, of `wide`, accepts."""
    others = _alternatives(narrow, by)
    for one in _alternatives(wide, accepted):
        refusals = [list(_refused_plain(wide, narrow, one, other, where)) for other in others]
        if all(refusals):
            # The alternative with the fewest differences explains the refusal best.
            yield from min(refusals, key=lambda lines: ("now it must be" in lines[0], len(lines)))


def _refused_plain(
    wide: Document, narrow: Document, one: Schema, other: Schema, where: str
) -> Iterator[str]:
    unknown = (one.keys() | other.keys()) - _KNOWN
    if unknown:
        raise ValueError(f"{where}: cannot compare the keywords {', '.join(sorted(unknown))}")
    types = _types(one), _types(other)
    if types[1] and not (types[0] and types[0] <= _with_integers(types[1])):
        yield f"{where}: was {_either(types[0])}, now it must be {_either(types[1])}"
        return
    values = _values(one), _values(other)
    if values[1] is not None:
        lost = [value for value in values[0] or ["any other"] if value not in values[1]]
        yield from (f"{where}: {value!r} is no longer a value" for value in lost)
    for keyword in _LEAST:
        if keyword in other and one.get(keyword, float("-inf")) < other[keyword]:
            yield f"{where}: {keyword} is {other[keyword]}, was {one.get(keyword, 'none')}"
    for keyword in _MOST:
        if keyword in other and one.get(keyword, float("inf")) > other[keyword]:
            yield f"{where}: {keyword} is {other[keyword]}, was {one.get(keyword, 'none')}"
    # Two patterns cannot be compared, so any change of a pattern is a breaking change.
    if "pattern" in other and one.get("pattern") != other["pattern"]:
        yield f"{where}: pattern is {other['pattern']}, was {one.get('pattern', 'none')}"
    for name in sorted({*other.get("required", [])} - {*one.get("required", [])}):
        yield f"{where}.{name}: is required now"
    fields, others = one.get("properties", {}), other.get("properties", {})
    for name in fields.keys() & others.keys():
        yield from _refused(wide, narrow, fields[name], others[name], f"{where}.{name}")
    yield from _refused_within(wide, narrow, one, other, where)


def _refused_within(
    wide: Document, narrow: Document, one: Schema, other: Schema, where: str
) -> Iterator[str]:
    """Compares the items of lists, and the names and values of open objects."""
    if "propertyNames" in other:
        before = one.get("propertyNames", {"type": "string"})
        yield from _refused(wide, narrow, before, other["propertyNames"], f"{where}.(name)")
    if "items" in other:
        yield from _refused(wide, narrow, one.get("items", {}), other["items"], f"{where}[]")
    further = one.get("additionalProperties", True), other.get("additionalProperties", True)
    if further[1] is False and further[0] is not False:
        yield f"{where}: further fields are refused now"
    elif isinstance(further[1], dict) and further[0] is not False:
        before = further[0] if isinstance(further[0], dict) else {}
        yield from _refused(wide, narrow, before, further[1], f"{where}.*")


def _types(schema: Schema) -> set[str]:
    types = schema.get("type", [])
    return {types} if isinstance(types, str) else set(types)


def _with_integers(types: set[str]) -> set[str]:
    return types | {"integer"} if "number" in types else types


def _values(schema: Schema) -> list[Any] | None:
    return [schema["const"]] if "const" in schema else schema.get("enum")


def _either(types: set[str]) -> str:
    return " or ".join(sorted(types)) or "anything"
