"""Derives the JSON Schemas of the events from their models."""

import inspect
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any, get_args, get_type_hints

import msgspec

from ocrstream_schemas import events
from ocrstream_schemas.events import AnyEvent, Event, ImageSubmitted

DIALECT = "https://json-schema.org/draft/2020-12/schema"

EVENTS: tuple[type[Event], ...] = get_args(AnyEvent)

Schema = dict[str, Any]

_NULL: Schema = {"type": "null"}


def components(ref_template: str) -> dict[str, Schema]:
    """Returns the schema of every event and of its parts, by name.

    The schemas are valid in draft 7 and in 2020-12. Producers should send times as
    `format: date-time`; readers also accept a time without an offset, which means UTC.
    """
    _, found = msgspec.json.schema_components(EVENTS, ref_template=ref_template)
    for name, schema in found.items():
        schema.pop("title", None)
        if "description" in schema:
            schema["description"] = inspect.cleandoc(schema["description"])
        _mark_times(getattr(events, name), schema)
        _plain_tuples(schema)
    # `images.submitted` carries no other event, so its records need no type.
    found[ImageSubmitted.__name__]["required"].remove("type")
    for schema in found.values():
        _allow_nulls(schema)
    return dict(sorted(found.items()))


def documents() -> dict[str, Schema]:
    """Returns a self-contained JSON Schema for each event, by its name."""
    all_of_them = components("#/$defs/{name}")
    made: dict[str, Schema] = {}
    for event in EVENTS:
        schema = all_of_them[event.__name__]
        defs = {name: all_of_them[name] for name in sorted(_needed(schema, all_of_them))}
        document = {"$schema": DIALECT, "title": event.__name__, **schema}
        made[event.__name__] = {**document, "$defs": defs} if defs else document
    return made


def _needed(schema: Any, all_of_them: Mapping[str, Schema]) -> set[str]:
    needed: set[str] = set()
    for node in _objects(schema):
        reference = node.get("$ref")
        if reference is not None:
            name = reference.rpartition("/")[2]
            needed |= {name, *_needed(all_of_them[name], all_of_them)}
    return needed


def _objects(node: Any) -> Iterator[Schema]:
    if isinstance(node, dict):
        yield node
        for child in node.values():
            yield from _objects(child)
    elif isinstance(node, list):
        for child in node:
            yield from _objects(child)


def _mark_times(model: type, schema: Schema) -> None:
    hints = get_type_hints(model) if "properties" in schema else {}
    for name, hint in hints.items():
        if datetime in (hint, *get_args(hint)):
            for node in _objects(schema["properties"][name]):
                if node.get("type") == "string":
                    node["format"] = "date-time"


def _allow_nulls(schema: Schema) -> None:
    # A null field gets its default, so the model's own type does not include null.
    fields = schema.get("properties", {})
    for name in fields.keys() - schema.get("required", []):
        field = fields[name]
        if _NULL not in field.get("anyOf", []):
            typed = {keyword: field[keyword] for keyword in field if keyword != "default"}
            default = {keyword: field[keyword] for keyword in field if keyword == "default"}
            fields[name] = {"anyOf": [typed, _NULL], **default}


def _plain_tuples(schema: Schema) -> None:
    # AsyncAPI's tools read draft 7, which lacks `prefixItems`; all items have the same type.
    for node in list(_objects(schema)):
        items = node.pop("prefixItems", None)
        if items is not None:
            if any(item != items[0] for item in items):
                raise ValueError(f"a tuple of several types has no schema in draft 7: {items}")
            node["items"] = items[0]
