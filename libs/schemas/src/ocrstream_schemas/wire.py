"""A record's value as JSON text, and what it is when it is none."""

import codecs

_UTF16_BOMS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
# An object's first character in UTF-16 that names no byte order; the next one is ASCII as well.
_UTF16_OBJECTS = (b"{\0", b"\0{\0")
_REGISTRY_HEADER_BYTES = 5


def json_text(value: bytes) -> bytes:
    """The value without the byte order mark that some producers put before UTF-8."""
    return value.removeprefix(codecs.BOM_UTF8)


def encoding_error(value: bytes) -> str | None:
    """What is wrong with the encoding of a value that is no JSON; None if that is not known."""
    if value.startswith((*_UTF16_BOMS, *_UTF16_OBJECTS)):
        return "the value is UTF-16; send UTF-8"
    if value.startswith(b"\0") and len(value) > _REGISTRY_HEADER_BYTES:
        schema_id = int.from_bytes(value[1:_REGISTRY_HEADER_BYTES])
        return (
            f"the value begins with a schema registry's header (byte 0, schema id {schema_id});"
            " send plain JSON, without a registry's serializer"
        )
    return None
