"""Reads the name of an uploaded file from the header Content-Disposition of its part.

Senders write names outside of ASCII as UTF-8, in a single-byte encoding, in the parameter
`filename*` (RFC 8187), or as encoded words (RFC 2047). A name only describes an image, so one
that breaks these rules is read as well as possible, and never refuses a file.
"""

import base64
import binascii
import re
from urllib.parse import unquote_to_bytes

from python_multipart.multipart import parse_options_header

from ocrstream_schemas.fields import SOURCE_NAME_MAX_LENGTH

# Python knows many more codecs, of which some are slow or no encodings of text.
_CHARSETS = frozenset(
    {"utf-8", "us-ascii", "iso-8859-1", "windows-1252", "euc-kr", "ks_c_5601-1987"}
    | {"shift_jis", "iso-2022-jp", "gb2312", "gbk", "gb18030", "big5"}
)
_PARAMETER = re.compile(rb';\s*([^=;\s"]+)\s*=\s*("(?:[^"\\]|\\.)*"|[^;]*)', re.DOTALL)
_ENCODED_WORD = re.compile(r"=\?([^?\s*]+)(?:\*[^?\s]*)?\?([BQ])\?([^?]*)\?=", re.IGNORECASE)
_BETWEEN_WORDS = re.compile(r"(?<=\?=)\s+(?==\?)")


def find_file_name(disposition: bytes) -> str | None:
    """Returns the name of the part's file: a relative path without `..`, or "" if it is empty.

    Returns None if the part has no file name, so that it is not a file.
    """
    name = _extended(disposition)
    if name is None:
        _, options = parse_options_header(disposition)
        plain = options.get(b"filename")
        if plain is None:
            return None
        name = _decode_words(_decode(plain))
    return _shorten(_relative(name.replace("\0", "")))


def _extended(disposition: bytes) -> str | None:
    """Returns the value of `filename*`, like `UTF-8'en'%C3%BC.png`; the parser omits it."""
    for parameter, quoted in _PARAMETER.findall(disposition):
        value = quoted.strip(b' \t"')
        if parameter.lower() == b"filename*" and value:
            charset, _, rest = value.partition(b"'")
            _, quote, text = rest.partition(b"'")
            if not quote:
                return _decode(unquote_to_bytes(value))
            return _decode(unquote_to_bytes(text), charset.decode("latin-1"))
    return None


def _decode_words(name: str) -> str:
    """Decodes encoded words, like `=?utf-8?B?w7wucG5n?=`; leaves an invalid one as it is."""
    return _ENCODED_WORD.sub(_decode_word, _BETWEEN_WORDS.sub("", name))


def _decode_word(word: re.Match[str]) -> str:
    charset, encoding, text = word.groups()
    try:
        if encoding in "Bb":
            content = base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
        else:
            content = binascii.a2b_qp(text, header=True)
    except ValueError:
        return word[0]
    return _decode(content, charset)


def _decode(name: bytes, charset: str = "utf-8") -> str:
    known = charset.lower() if charset.lower() in _CHARSETS else "utf-8"
    # Browsers read single bytes as Windows-1252, too; Latin-1 gives each byte a meaning.
    for encoding in (known, "windows-1252"):
        try:
            return name.decode(encoding)
        except UnicodeDecodeError:
            pass
    return name.decode("latin-1")


def _relative(name: str) -> str:
    """Returns a name that leads nowhere: of an absolute path, or one with `..`, the last part.

    The other parts would name folders of the sender.
    """
    first, *others = parts = name.replace("\\", "/").split("/")
    if ".." in parts or (others and (first == "" or first.endswith(":"))):
        return parts[-1] if parts[-1] not in {"", ".", ".."} else ""
    return "/".join(part for part in name.split("/") if part not in {"", "."})


def _shorten(path: str) -> str:
    """Returns the end of a path that is too long, because it says most."""
    if len(path) <= SOURCE_NAME_MAX_LENGTH:
        return path
    end = path[-SOURCE_NAME_MAX_LENGTH:]
    # A part that is cut could become `..`.
    return end.partition("/")[2] or end
