"""Reads the settings that every service has from the environment."""

import sys
from typing import Annotated, Literal, NoReturn, TypeVar

from pydantic import AliasChoices, Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict, SettingsError

ENV_PREFIX = "OCRSTREAM_"


class ServiceSettings(BaseSettings):
    """Base of a service's settings; the variable `OCRSTREAM_X` sets the field `x`.

    Variables that the whole stack shares (here `KAFKA_BOOTSTRAP_SERVERS`) have no prefix.
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
    """Address on which the service serves HTTP."""
    http_port: Annotated[int, Field(ge=0, le=65535)] = 0
    """Port on which the service serves HTTP; with 0 it chooses a free one and logs it."""
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    """Minimum level of log messages."""
    shutdown_timeout_s: Annotated[float, Field(gt=0, le=600)] = 20.0
    """How long a shutdown may take to finish or give back the work in progress."""


SettingsT = TypeVar("SettingsT", bound=ServiceSettings)


def load_settings(kind: type[SettingsT]) -> SettingsT:
    """Returns the settings; exits with 2, and names the variable, if one is not valid."""
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
    # pydantic reports a field with an alias by the alias, which is the variable.
    return ENV_PREFIX + location.upper() if location in kind.model_fields else location


def _exit(problems: list[str]) -> NoReturn:
    for problem in problems:
        print(f"Bad setting in the environment: {problem}", file=sys.stderr)  # noqa: T201
    sys.exit(2)
