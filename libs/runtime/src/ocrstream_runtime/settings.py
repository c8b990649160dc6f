"""Settings that every service has, read from the environment."""

import sys
from typing import Annotated, Literal, NoReturn, TypeVar

from pydantic import AliasChoices, Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict, SettingsError

ENV_PREFIX = "OCRSTREAM_"


class ServiceSettings(BaseSettings):
    """Base of a service's settings; a field `x` is read from `OCRSTREAM_X`.

    Those that the whole stack shares (`KAFKA_BOOTSTRAP_SERVERS` here) have no prefix.
    """

    model_config = SettingsConfigDict(
        env_prefix=ENV_PREFIX,
        frozen=True,
        hide_input_in_errors=True,
        use_attribute_docstrings=True,
    )

    kafka_bootstrap_servers: Annotated[
        str, Field(min_length=1, validation_alias=AliasChoices("KAFKA_BOOTSTRAP_SERVERS"))
    ] = "127.0.0.1:9092"
    """Comma-separated `host:port` of some brokers of the cluster."""
    http_host: str = "127.0.0.1"
    """Address that HTTP is served on."""
    http_port: Annotated[int, Field(ge=0, le=65535)] = 0
    """Port that HTTP is served on; 0 takes a free one and logs it."""
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    """The least that is logged."""
    shutdown_timeout_s: Annotated[float, Field(gt=0, le=600)] = 20.0
    """How long a stop may take to finish or give back what the service holds."""


SettingsT = TypeVar("SettingsT", bound=ServiceSettings)


def load_settings(kind: type[SettingsT]) -> SettingsT:
    """The settings from the environment; on a bad one exits with 2 and says which and why."""
    try:
        return kind()
    except ValidationError as error:
        _exit(
            [
                f"{_variable(kind, str(problem['loc'][0]))}: {problem['msg']}"
                if problem["loc"]
                else problem["msg"]
                for problem in error.errors(include_input=False, include_url=False)
            ]
        )
    except SettingsError as error:
        _exit([str(error)])


def _variable(kind: type[ServiceSettings], location: str) -> str:
    # A field with an alias is reported by the alias, which is the variable.
    return ENV_PREFIX + location.upper() if location in kind.model_fields else location


def _exit(problems: list[str]) -> NoReturn:
    for problem in problems:
        print(f"Bad setting in the environment: {problem}", file=sys.stderr)  # noqa: T201
    sys.exit(2)
