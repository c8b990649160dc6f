"""What the provenance of a row of ocr_executions says, in SQL.

An index on an expression serves the queries that say it in the same words.
"""

from ocrstream_recorder.rules.provenance import READER_ENTRY, UNKNOWN_ENGINE

ENGINE = f"coalesce(provenance ->> 'engine', '{UNKNOWN_ENGINE}')"
WARNED = "(provenance -> 'warnings') IS NOT NULL"
"""Whether it has a warning: none are left out of what is stored."""

ORDERED = "coalesce((provenance ->> 'ordered')::boolean, false)"
"""Whether its boxes are stored in reading order."""

WARNINGS = """
CASE WHEN provenance IS NOT NULL THEN
    coalesce(jsonb_path_query_array((provenance -> 'warnings')::jsonb, '$[*].code'), '[]')
END
"""
"""The codes of its warnings, an array of JSON; NULL if nothing is known of it."""


def _numbers(version: str) -> str:
    """The numbers that a version begins with, without zeros at the end, as an array: these are
    compared number by number. What others wrote may be of any length: more than a
    hundred characters of it do not count.
    """
    begin = f"substring(left({version}, 100) from '^v?([0-9]+([.][0-9]+)*)')"
    return f"string_to_array(regexp_replace({begin}, '^0+([.]0+)*$|([.]0+)+$', ''), '.')::numeric[]"


_NAME = "provenance ->> 'engine'"
_VERSIONS = "provenance -> 'versions'"
VERSION = _numbers(f"coalesce({_VERSIONS} ->> ({_NAME}), {_VERSIONS} ->> ('python-' || ({_NAME})))")
"""Of the engine's package, which is called as the engine, or `python-` and that."""
READER = f"coalesce({_numbers(f'({_VERSIONS} ->> {READER_ENTRY!r})')}, ARRAY[1]::numeric[])"
