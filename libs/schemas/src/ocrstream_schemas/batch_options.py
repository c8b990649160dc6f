"""The batch options that the system itself uses; all others belong to the producer.

Ingest refuses an invalid value, the recorder ignores it and logs that; both validate by this
module.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import msgspec

from ocrstream_schemas.errors import InvalidOptionError
from ocrstream_schemas.topics import LANES

DEADLINE = "deadline"
WEBHOOK_URL = "webhook_url"
LANE = "lane"
BOXES = "boxes"
REUSE = "reuse"

IMAGE_OPTIONS = (LANE, BOXES, REUSE)
"""Options that control how an image is read; a batch's value applies to each of its images that has
no value of its own."""
BOX_UNITS = ("line", "word")
DEFAULT_LANE = "default"

WEBHOOK_URL_MAX_LENGTH = 2048
# HTTP servers listen on these; the other ports below 1024 belong to mail, shells and databases.
_LOW_PORTS = frozenset({80, 443})
_FIRST_HIGH_PORT = 1024


class WebhookUrl(NamedTuple):
    """The receiver of a batch's completions;

    only `origin` may be logged, the rest may be secret.
    """

    url: str
    origin: str


def deadline_of(options: Mapping[str, Any] | None) -> datetime | None:
    """Returns the time, in UTC, at which the system cancels the batch; None if it has no deadline.

    The value is RFC 3339; without an offset it is UTC. Raises InvalidOptionError.
    """
    value = (options or {}).get(DEADLINE)
    if value is None:
        return None
    try:
        moment = msgspec.convert(value, datetime)
    except msgspec.ValidationError as error:
        raise InvalidOptionError(
            f"{DEADLINE} is not a time of RFC 3339, like 2030-01-31T18:00:00Z"
        ) from error
    # A year at the edge of the calendar cannot be converted to another time zone.
    if not 1 < moment.year < 9999:
        raise InvalidOptionError(f"{DEADLINE} is out of range")
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def webhook_of(options: Mapping[str, Any] | None) -> WebhookUrl | None:
    """Returns the receiver of the batch's completions, if it has one. Raises InvalidOptionError."""
    value = (options or {}).get(WEBHOOK_URL)
    if value is None:
        return None
    if not isinstance(value, str):
        raise InvalidOptionError(f"{WEBHOOK_URL} is not a string")
    return parse_webhook_url(value)


def lane_of(options: Mapping[str, Any] | None) -> str | None:
    """Returns the lane of the images, None for the default lane. Raises InvalidOptionError."""
    value = (options or {}).get(LANE)
    if value is None or value == DEFAULT_LANE:
        return None
    if value not in LANES:
        raise InvalidOptionError(f"{LANE} must be one of {', '.join((DEFAULT_LANE, *LANES))}")
    return value


def check_options(options: Mapping[str, Any] | None) -> None:
    """Checks the options that the system itself uses. Raises InvalidOptionError."""
    if not options:
        return
    deadline_of(options)
    webhook_of(options)
    lane_of(options)
    if options.get(BOXES) not in (None, *BOX_UNITS):
        raise InvalidOptionError(f"{BOXES} must be {' or '.join(BOX_UNITS)}")
    if not isinstance(options.get(REUSE), bool | None):
        raise InvalidOptionError(f"{REUSE} must be true or false")


def parse_webhook_url(url: str) -> WebhookUrl:
    """Checks a webhook's URL, except for its host. Raises InvalidOptionError."""
    if len(url) > WEBHOOK_URL_MAX_LENGTH:
        raise InvalidOptionError(
            f"{WEBHOOK_URL} is longer than {WEBHOOK_URL_MAX_LENGTH:,} characters"
        )
    # URL parsers strip, encode or interpret these characters differently.
    if not url.isascii() or not url.isprintable() or set(url) & set(' "<>\\^`{|}'):
        raise InvalidOptionError(f"{WEBHOOK_URL} contains a character that must be percent-encoded")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise InvalidOptionError(f"{WEBHOOK_URL} is not a URL") from error
    if parts.scheme not in {"http", "https"}:
        raise InvalidOptionError(f"{WEBHOOK_URL} must begin with https:// or http://")
    if not parts.hostname:
        raise InvalidOptionError(f"{WEBHOOK_URL} has no host")
    if "@" in parts.netloc:
        raise InvalidOptionError(
            f"{WEBHOOK_URL} contains a user or password, which every reader of the batch could see"
        )
    if port is not None and port not in _LOW_PORTS and port < _FIRST_HIGH_PORT:
        raise InvalidOptionError(f"{WEBHOOK_URL} has a port below 1024 other than 80 and 443")
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    origin = f"{parts.scheme}://{host}" + ("" if port is None else f":{port}")
    return WebhookUrl(url, origin)
