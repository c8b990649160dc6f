"""What in a new version of the contract would break those who hold to an old one.

Topics that the system receives are written by programs that know the old contract, and kept records
follow it: all that was accepted must be. Topics that it sends are read by programs that know the
old one: nothing may come that it refuses. A field that is gone breaks both.
"""

from collections.abc import Iterator
from typing import Any

Document = dict[str, Any]
Schema = dict[str, Any]

# Keywords by which a schema refuses; the greater, respectively the smaller, value refuses more.
_LEAST = ("minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties")
_MOST = ("maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties")
_TOLD_ONLY = ("title", "description", "default", "examples", "format", "$schema", "$defs")
_READ = (*_LEAST, *_MOST, *_TOLD_ONLY, "type", "enum", "const", "anyOf", "oneOf", "$ref")
_KNOWN = frozenset(
    (
        *(*_READ, "properties", "required", "items", "discriminator"),
        *("additionalProperties", "propertyNames", "pattern"),
    )
)


def breaks(old: Document, new: Document) -> list[str]:
    """Each breaking change from one AsyncAPI document of the contract to another, in one line."""
    return sorted(set(_breaks(old, new)))


def _breaks(old: Document, new: Document) -> Iterator[str]:
    for operation in old["operations"].keys() - new["operations"].keys():
        yield f"{operation}: the operation is gone"
    for topic, channel in old["channels"].items():
        if topic in new["channels"]:
            yield from _channel_breaks(
                topic, channel, new["channels"][topic], sent=_sent(old, topic)
            )
        else:
            yield f"{topic}: the topic is gone"
    for name in old["components"]["messages"].keys() & new["components"]["messages"].keys():
        yield from _message_breaks(old, new, name)


def _channel_breaks(
    topic: str, before: dict[str, Any], after: dict[str, Any], *, sent: bool
) -> Iterator[str]:
    if _max_bytes(after) < _max_bytes(before):
        yield f"{topic}: its records may be no longer as large as before"
    for message in before["messages"].keys() - after["messages"].keys():
        yield f"{topic}: {message} is gone"
    if sent:
        for message in after["messages"].keys() - before["messages"].keys():
            yield f"{topic}: {message} is sent, which its readers do not know"


def _message_breaks(old: Document, new: Document, name: str) -> Iterator[str]:
    directions = {_sent(old, topic) for topic in _topics(old, name)}
    for part in ("payload", "headers"):
        before = old["components"]["messages"][name][part]
        after = new["components"]["messages"][name][part]
        yield from _gone(old, new, before, after, name)
        if False in directions:
            yield from _refused(old, new, before, after, name)
        if True in directions:
            yield from (
                f"{told} (sent to readers of the old contract)"
                for told in _refused(new, old, after, before, name)
            )


def _topics(document: Document, message: str) -> list[str]:
    channels = document["channels"].items()
    return [name for name, channel in channels if message in channel["messages"]]


def _sent(document: Document, topic: str) -> bool:
    # Dead letters are sent, too, though no operation names them.
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


def _gone(old: Document, new: Document, before: Schema, after: Schema, where: str) -> Iterator[str]:
    """Fields that the old schema has and the new one does not: readers would miss what they say."""
    for one, other in _pairs(old, new, before, after):
        fields, others = one.get("properties", {}), other.get("properties", {})
        for name, field in fields.items():
            if name in others:
                yield from _gone(old, new, field, others[name], f"{where}.{name}")
            else:
                yield f"{where}.{name}: the field is gone"
        if "items" in one and "items" in other:
            yield from _gone(old, new, one["items"], other["items"], f"{where}[]")


def _pairs(
    old: Document, new: Document, before: Schema, after: Schema
) -> Iterator[tuple[Schema, Schema]]:
    """Alternatives of both that are of one type."""
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
    """Where a value that `accepted` (of document `wide`) allows is refused by `by`."""
    others = _alternatives(narrow, by)
    for one in _alternatives(wide, accepted):
        told = [list(_refused_plain(wide, narrow, one, other, where)) for other in others]
        if all(told):
            # Of several alternatives the nearest explains best.
            yield from min(told, key=lambda lines: ("now it must be" in lines[0], len(lines)))


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
    # Which of two patterns matches more is not told: any other one is a break.
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
    """The same for the items of a list, and the names and values of an open object."""
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
    told = schema.get("type", [])
    return {told} if isinstance(told, str) else set(told)


def _with_integers(types: set[str]) -> set[str]:
    return types | {"integer"} if "number" in types else types


def _values(schema: Schema) -> list[Any] | None:
    return [schema["const"]] if "const" in schema else schema.get("enum")


def _either(types: set[str]) -> str:
    return " or ".join(sorted(types)) or "anything"
