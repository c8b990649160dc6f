"""The reference page of both HTTP APIs, from their OpenAPI documents."""

import json
from collections.abc import Iterable
from typing import Any, NamedTuple

import dashboard_types

_SERVICES = {
    "ingest": "Ingest, `INGEST_URL`",
    "recorder": "Recorder, `RECORDER_URL`",
}
_NAMES = {"integer": "whole number", "boolean": "true, false", "string": "text"}
_HEAD = """# HTTP reference

<!-- Written by `make docs` from the code. -->

Every path of both services. `/docs` of a service shows the same with examples and sends requests;
`/openapi.json` describes it for programs. [The read API](read-api.md) explains lists, times, errors
and boxes. A path refuses a query parameter that is not listed here with a 422.
"""


class _Row(NamedTuple):
    """A parameter or a field of a body; `schema` is its JSON Schema."""

    name: str
    place: str
    schema: Any
    required: bool
    meaning: str | None


def page() -> str:
    """The whole page, in Markdown."""
    documents = {name: json.loads(text) for name, text in dashboard_types.documents().items()}
    parts = [_HEAD]
    for service, title in _SERVICES.items():
        parts.append(f"## {title}\n")
        parts += _operations(documents[service])
    return "\n".join(parts)


def _operations(document: dict[str, Any]) -> Iterable[str]:
    schemas = document["components"]["schemas"]
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            yield f"### `{method.upper()} {path}`\n"
            yield f"{_one_line(operation.get('description') or operation['summary'])}\n"
            rows = [
                _Row(one["name"], one["in"], one["schema"], one["required"], one.get("description"))
                for one in operation.get("parameters", ())
            ]
            rows += _body_fields(operation, schemas)
            if rows:
                yield "| parameter | in | values | meaning |\n|---|---|---|---|"
                yield "\n".join(_line(row, schemas) for row in rows) + "\n"
            answers = [
                f"{status} {_one_line(answer['description']).removeprefix('Successful Response')}"
                for status, answer in operation["responses"].items()
            ]
            yield f"Answers: {'; '.join(one.strip() for one in answers)}.\n"


def _body_fields(operation: dict[str, Any], schemas: dict[str, Any]) -> list[_Row]:
    """The fields of each kind of body that an operation accepts."""
    rows: list[_Row] = []
    seen: set[str] = set()
    for media_type, content in operation.get("requestBody", {}).get("content", {}).items():
        for kind in content["schema"].get("anyOf", [content["schema"]]):
            model = _resolved(kind, schemas)
            if "properties" not in model:
                rows.append(_Row(media_type, "body", model, True, model.get("description")))
            for name, field in model.get("properties", {}).items():
                if name not in seen:
                    seen.add(name)
                    required = name in model.get("required", ())
                    rows.append(_Row(name, "body", field, required, field.get("description")))
    return rows


def _line(row: _Row, schemas: dict[str, Any]) -> str:
    values = _values(row.schema, schemas)
    default = row.schema.get("default")
    if row.required:
        values += ", needed"
    elif default not in (None, "", [], {}):
        values += f"; default {json.dumps(default)}"
    meaning = _one_line(row.meaning or "").replace("|", "&#124;")
    return f"| `{row.name}` | {row.place} | {values} | {meaning} |"


def _values(schema: Any, schemas: dict[str, Any]) -> str:
    schema = _resolved(schema, schemas)
    if "anyOf" in schema:
        kinds = [_values(one, schemas) for one in schema["anyOf"] if one.get("type") != "null"]
        return " or ".join(dict.fromkeys(kinds))
    if "enum" in schema:
        return ", ".join(f"`{one}`" for one in schema["enum"])
    if "const" in schema:
        return f"`{schema['const']}`"
    kind = schema.get("format") or schema.get("type", "any JSON")
    if kind == "array":
        return f"list of {_values(schema['items'], schemas)}"
    text: str = _NAMES.get(kind) or kind
    least, most = schema.get("minimum"), schema.get("maximum")
    if least is not None and most is not None:
        text += f", {least:,} to {most:,}"
    elif least is not None:
        text += f", from {least:,}"
    if "maxLength" in schema:
        text += f", at most {schema['maxLength']:,} characters"
    return text


def _resolved(schema: Any, schemas: dict[str, Any]) -> dict[str, Any]:
    return schemas[schema["$ref"].rsplit("/", 1)[1]] if "$ref" in schema else schema


def _one_line(text: str) -> str:
    return " ".join(text.split())
