"""Extracts the identifying fields of an invalid record."""

from typing import Any, NamedTuple, cast

import msgspec

from ocrstream_schemas.fields import Identifier, Index, Name, Path, Run
from ocrstream_schemas.ids import RecordRef, derive_chain_id
from ocrstream_schemas.topics import is_images_topic
from ocrstream_schemas.wire import json_text


class Salvaged(msgspec.Struct, frozen=True, kw_only=True):
    """The fields of an invalid record that identify its image; each field is valid by itself."""

    chain_id: str
    run: int = 1
    batch_id: str | None = None
    index: int | None = None
    image_path: str | None = None
    task_id: str | None = None
    task_name: str | None = None


class SalvagedRecord(NamedTuple):
    """The image and the batch that an invalid record names, each None if it names no valid one."""

    image: Salvaged | None
    batch_id: str | None


def salvage(topic: str, value: bytes | None, ref: RecordRef) -> SalvagedRecord:
    """Returns the identifying fields of an invalid record; parses its value once."""
    fields = _fields(value)
    batch_id = _valid(fields, "batch_id", Identifier)
    index = _valid(fields, "index", Index)
    image_path = _valid(fields, "image_path", Path)
    chain_id = _valid(fields, "chain_id", Identifier)
    if chain_id is None and is_images_topic(topic) and image_path and not fields.get("chain_id"):
        chain_id = derive_chain_id(batch_id, index, image_path, ref, value or b"")
    if chain_id is None:
        return SalvagedRecord(None, batch_id)
    image = Salvaged(
        chain_id=chain_id,
        run=_valid(fields, "run", Run) or 1,
        batch_id=batch_id,
        index=index,
        image_path=image_path,
        task_id=_valid(fields, "task_id", Identifier),
        task_name=_valid(fields, "task_name", Name),
    )
    return SalvagedRecord(image, batch_id)


def _fields(value: bytes | None) -> dict[str, Any]:
    try:
        content = msgspec.json.decode(json_text(value or b""))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return {}
    return cast("dict[str, Any]", content) if isinstance(content, dict) else {}


def _valid(fields: dict[str, Any], name: str, kind: Any) -> Any:
    value = fields.get(name)
    if isinstance(value, str) and "\0" in value:
        return None
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError:
        return None
