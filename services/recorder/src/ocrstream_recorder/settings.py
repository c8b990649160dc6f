"""The recorder's settings."""

from typing import Annotated
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import Field, SecretStr, field_validator

from ocrstream_runtime.settings import ServiceSettings


class DatabaseSettings(ServiceSettings):
    """What it takes to reach the database."""

    database_url: Annotated[SecretStr, Field(validation_alias="DATABASE_URL")]
    """PostgreSQL, as `postgresql://user:password@host:port/database`."""

    @field_validator("database_url")
    @classmethod
    def _is_postgresql(cls, url: SecretStr) -> SecretStr:
        if url.get_secret_value().partition("://")[0] not in {"postgresql", "postgres"}:
            raise ValueError("must begin with postgresql://")
        return url


class RecorderSettings(DatabaseSettings):
    """All settings of the recorder."""

    group_id: Annotated[str, Field(min_length=1, max_length=255)] = "recorder"
    """Consumer group that all replicas of the recorder share."""
    db_timezone: str = "UTC"
    """Zone of the tables' times; of use only for a database taken over from another system."""
    poll_records: Annotated[int, Field(ge=1, le=20_000)] = 2_000
    """The most records that are written in one transaction."""
    dead_letter_limit: Annotated[int, Field(ge=1, le=100_000)] = 100
    """By how many the dead letters of a partition may outnumber its good ones until it is held."""
    read_connections: Annotated[int, Field(ge=1, le=100)] = 5
    """The most database connections that the read API uses; recording takes two more."""

    @field_validator("db_timezone")
    @classmethod
    def _is_known(cls, name: str) -> str:
        try:
            ZoneInfo(name)
        except (ZoneInfoNotFoundError, ValueError) as error:
            raise ValueError("is no time zone of the IANA database, like Europe/Berlin") from error
        return name
