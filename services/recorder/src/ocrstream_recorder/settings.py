"""The recorder's settings."""

import base64
import binascii
from pathlib import Path
from typing import Annotated
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import Field, SecretStr, field_validator

from ocrstream_recorder.database.connections import TRANSACTION_IDLE_TIMEOUT_S
from ocrstream_runtime.guarded_http import parse_networks
from ocrstream_runtime.object_stores import open_stores, parse_stores
from ocrstream_runtime.origins import web_origin
from ocrstream_runtime.settings import ServiceSettings

_SECRET_PREFIX = "whsec_"  # noqa: S105 - what a secret begins with
_SECRET_MIN_BYTES, _SECRET_MAX_BYTES = 24, 64


def parse_webhook_secrets(text: str) -> tuple[bytes, ...]:
    """Keys of `whsec_…` secrets, separated by spaces. Raises ValueError, which repeats none."""
    keys: list[bytes] = []
    for secret in text.split():
        try:
            key = base64.b64decode(secret.removeprefix(_SECRET_PREFIX), validate=True)
        except binascii.Error:
            key = b""
        if not secret.startswith(_SECRET_PREFIX) or (
            not _SECRET_MIN_BYTES <= len(key) <= _SECRET_MAX_BYTES
        ):
            raise ValueError(
                f"must be {_SECRET_PREFIX} and {_SECRET_MIN_BYTES} to {_SECRET_MAX_BYTES} random"
                " bytes in base64; several are separated by spaces"
            )
        keys.append(key)
    return tuple(keys)


def _checked(url: SecretStr) -> SecretStr:
    if url.get_secret_value().partition("://")[0] not in {"postgresql", "postgres"}:
        raise ValueError("must begin with postgresql://")
    return url


class DatabaseSettings(ServiceSettings):
    """What all that use the database have in common."""

    database_url: Annotated[SecretStr, Field(validation_alias="DATABASE_URL")]
    """PostgreSQL, as `postgresql://user:password@host:port/database`."""
    db_timezone: str = "UTC"
    """Time zone of the tables' times; needed only for a database of another system."""

    @field_validator("database_url")
    @classmethod
    def _is_postgresql(cls, url: SecretStr) -> SecretStr:
        return _checked(url)

    @field_validator("db_timezone")
    @classmethod
    def _is_known(cls, name: str) -> str:
        try:
            ZoneInfo(name)
        except (ZoneInfoNotFoundError, ValueError) as error:
            raise ValueError("is no time zone of the IANA database, like Europe/Berlin") from error
        return name


class RecordingSettings(DatabaseSettings):
    """Settings of the process that records."""

    group_id: Annotated[str, Field(min_length=1, max_length=255)] = "recorder"
    """Consumer group that all replicas of the recorder share."""
    session_timeout_s: Annotated[float, Field(ge=6, le=300)] = 30.0
    """The broker regards a replica as dead after this time without a sign of life; others take over
    its partitions."""
    poll_records: Annotated[int, Field(ge=1, le=20_000)] = 2_000
    """The most records that the recorder writes in one transaction."""
    transaction_idle_timeout_s: Annotated[float, Field(ge=30, le=3600)] = TRANSACTION_IDLE_TIMEOUT_S
    """The time after which the database ends the session of a transaction that sends no further
    statement; the recorder makes polls smaller before they take a quarter of it."""
    dead_letter_limit: Annotated[int, Field(ge=1, le=100_000)] = 100
    """The recorder throttles a partition whose dead letters outnumber its good records by more
    than this."""
    webhook_secret: SecretStr = SecretStr("")
    """Keys that sign webhooks, `whsec_` and base64, separated by spaces; empty turns them off."""
    webhook_allowed_networks: str = ""
    """Comma-separated networks, like `10.1.0.0/16`, that webhooks may reach beside public ones."""
    webhook_timeout_s: Annotated[float, Field(gt=0, le=60)] = 10.0
    """How long a receiver of webhooks may take to answer."""
    webhook_give_up_after_s: Annotated[float, Field(gt=0, le=30 * 86_400)] = 86_400.0
    """How long the recorder retries a delivery to a webhook."""

    @field_validator("webhook_secret")
    @classmethod
    def _are_secrets(cls, secret: SecretStr) -> SecretStr:
        parse_webhook_secrets(secret.get_secret_value())
        return secret

    @field_validator("webhook_allowed_networks")
    @classmethod
    def _are_networks(cls, networks: str) -> str:
        parse_networks(networks)
        return networks


class ServingSettings(DatabaseSettings):
    """Settings of the process that answers."""

    read_connections: Annotated[int, Field(ge=1, le=100)] = 5
    """The most connections in each of two pools, one for the most requested paths, one for all
    others; the process opens six more."""
    read_database_url: SecretStr = SecretStr("")
    """The database of the read API, with a read-only user, or a standby; empty: DATABASE_URL."""
    read_timeout_s: Annotated[float, Field(gt=0, le=600)] = 5.0
    """The database cancels a query of the read API after this time."""
    image_roots: str = ""
    """Folders whose images exports and the dashboard may show, separated by colons."""
    object_root: Path = Path(".local/objects")
    """Folder in which ingest stores uploads; the recorder may always show them."""
    object_stores: str = ""
    """Buckets, or folders in them, whose images the recorder may show, separated by commas:
    `s3://scans,gs://bucket/folder`. Credentials and endpoints come from the environment, see
    [operations](operations.md#references)."""
    fetch_timeout_s: Annotated[float, Field(gt=0, le=3600)] = 20.0
    """The longest time in which the recorder fetches an image from a store."""
    max_image_bytes: Annotated[int, Field(ge=1)] = 64 * 1024 * 1024
    """The largest image file that the recorder shows, in bytes."""
    event_listeners: Annotated[int, Field(ge=1, le=10_000)] = 1_000
    """The most clients that may follow events of batches at once; others are refused."""
    worker_group_id: Annotated[str, Field(min_length=1, max_length=255)] = "ocr-worker"
    """The workers' consumer group, whose lag the API returns."""
    ingest_url: str = ""
    """URL at which browsers reach ingest, as `https://host`; empty: the dashboard cannot submit."""

    @property
    def roots(self) -> tuple[Path, ...]:
        """All folders whose images may be shown."""
        return (*(Path(root) for root in self.image_roots.split(":") if root), self.object_root)

    @field_validator("read_database_url")
    @classmethod
    def _is_postgresql_too(cls, url: SecretStr) -> SecretStr:
        return _checked(url) if url.get_secret_value() else url

    @field_validator("object_stores")
    @classmethod
    def _can_be_opened(cls, stores: str) -> str:
        open_stores(parse_stores(stores))
        return stores

    @field_validator("ingest_url")
    @classmethod
    def _is_origin(cls, url: str) -> str:
        return web_origin(url) if url else url
