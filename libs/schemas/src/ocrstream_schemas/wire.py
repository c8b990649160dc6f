"""Recognizes encodings of a record's value other than JSON in UTF-8."""

import codecs

_UTF16_BOMS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
# The first character of an object in UTF-16 without a byte order mark; the next is ASCII, too.
_UTF16_OBJECTS = (b"{\0", b"\0{\0")
_REGISTRY_HEADER_BYTES = 5


def json_text(value: bytes) -> bytes:
    """Removes the byte order mark that some producers write before UTF-8."""
    return value.removeprefix(codecs.BOM_UTF8)


def encoding_error(value: bytes) -> str | None:
    """Returns what is wrong with the encoding of a value that is not JSON, None if unknown."""
    if value.startswith((*_UTF16_BOMS, *_UTF16_OBJECTS)):
        return "the value is UTF-16; send UTF-8"
    if value.startswith(b"\0") and len(value) > _REGISTRY_HEADER_BYTES:
        schema_id = int.from_bytes(value[1:_REGISTRY_HEADER_BYTES])
        return (
            f"the value begins with a schema registry's header (byte 0, schema id {schema_id});"
            " send plain JSON, without a registry's serializer"
        )
    return None
