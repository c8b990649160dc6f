"""Options of a batch that the system itself acts on; all others are whoever's who set them.

Ingest refuses a bad one, the recorder ignores it and says so: both judge by this module.
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
"""Those that say how an image is read: given for a batch, they hold for each image of it that says
nothing else."""
BOX_UNITS = ("line", "word")
DEFAULT_LANE = "default"

WEBHOOK_URL_MAX_LENGTH = 2048
# Receivers of HTTP live here; mail, shells and databases below 1024 do not.
_LOW_PORTS = frozenset({80, 443})
_FIRST_HIGH_PORT = 1024


class WebhookUrl(NamedTuple):
    """Where a batch's completions are sent to; `origin` may be shown, the rest may hold secrets."""

    url: str
    origin: str


def deadline_of(options: Mapping[str, Any] | None) -> datetime | None:
    """The instant, in UTC, that the batch is cancelled at if it has not ended; None: never.

    RFC 3339; without an offset it is UTC. Raises InvalidOptionError for anything else.
    """
    told = (options or {}).get(DEADLINE)
    if told is None:
        return None
    try:
        moment = msgspec.convert(told, datetime)
    except msgspec.ValidationError as error:
        raise InvalidOptionError(
            f"{DEADLINE} is no instant of RFC 3339, like 2030-01-31T18:00:00Z"
        ) from error
    # A year at the edge of the calendar cannot be moved to another time zone.
    if not 1 < moment.year < 9999:
        raise InvalidOptionError(f"{DEADLINE} is out of range")
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def webhook_of(options: Mapping[str, Any] | None) -> WebhookUrl | None:
    """Where to send the batch's completions; None: nowhere. Raises InvalidOptionError."""
    told = (options or {}).get(WEBHOOK_URL)
    if told is None:
        return None
    if not isinstance(told, str):
        raise InvalidOptionError(f"{WEBHOOK_URL} is no text")
    return parse_webhook_url(told)


def lane_of(options: Mapping[str, Any] | None) -> str | None:
    """The lane that images go to, None for the default one. Raises InvalidOptionError."""
    told = (options or {}).get(LANE)
    if told is None or told == DEFAULT_LANE:
        return None
    if told not in LANES:
        raise InvalidOptionError(f"{LANE} must be one of {', '.join((DEFAULT_LANE, *LANES))}")
    return told


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
    # What a parser would strip, encode or read otherwise than the next one.
    if not url.isascii() or not url.isprintable() or set(url) & set(' "<>\\^`{|}'):
        raise InvalidOptionError(f"{WEBHOOK_URL} holds a character that must be percent-encoded")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise InvalidOptionError(f"{WEBHOOK_URL} is no URL") from error
    if parts.scheme not in {"http", "https"}:
        raise InvalidOptionError(f"{WEBHOOK_URL} must begin with https:// or http://")
    if not parts.hostname:
        raise InvalidOptionError(f"{WEBHOOK_URL} names no host")
    if "@" in parts.netloc:
        raise InvalidOptionError(
            f"{WEBHOOK_URL} holds a user or password, which everybody who reads the batch would see"
        )
    if port is not None and port not in _LOW_PORTS and port < _FIRST_HIGH_PORT:
        raise InvalidOptionError(
            f"{WEBHOOK_URL} has a port other than 80, 443 and those from 1024 on"
        )
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    origin = f"{parts.scheme}://{host}" + ("" if port is None else f":{port}")
    return WebhookUrl(url, origin)
