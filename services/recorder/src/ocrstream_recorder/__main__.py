"""`ocrstream-recorder`, the same as `python -m ocrstream_recorder`: two processes of one program.

`ocrstream-recorder` records until it is told to stop, `ocrstream-recorder serve` answers from what
is recorded. `ocrstream-recorder migrate` brings the database to this version's revision and ends.
`ocrstream-recorder skip TOPIC PARTITION` has a partition that is stopped read on, and ends.
"""

import asyncio
import sys

from sqlalchemy.exc import DBAPIError

from ocrstream_recorder.errors import CannotSkipError, CannotTakeOverError
from ocrstream_recorder.migrations import migrate
from ocrstream_recorder.settings import DatabaseSettings, RecordingSettings, ServingSettings
from ocrstream_runtime.logs import configure_logs
from ocrstream_runtime.settings import load_settings


def main() -> None:
    """Does what the arguments say; see above."""
    # A process loads, and tells metrics of, nothing but its own part.
    match sys.argv[1:]:
        case []:
            from ocrstream_recorder import recording_app  # noqa: PLC0415

            sys.exit(asyncio.run(recording_app.run(load_settings(RecordingSettings))))
        case ["serve"]:
            from ocrstream_recorder import serving_app  # noqa: PLC0415

            sys.exit(asyncio.run(serving_app.run(load_settings(ServingSettings))))
        case ["migrate"]:
            _migrate(load_settings(DatabaseSettings))
        case ["skip", topic, number] if number.isdecimal():
            _skip(load_settings(DatabaseSettings), topic, int(number))
        case _:
            sys.exit(
                "usage: ocrstream-recorder [serve | migrate | skip TOPIC PARTITION];"
                " settings: the environment"
            )


def _migrate(settings: DatabaseSettings) -> None:
    configure_logs("ocrstream-recorder", settings.log_level)
    try:
        revision = migrate.migrate(
            settings.database_url.get_secret_value(), zone=settings.db_timezone
        )
    except CannotTakeOverError as error:
        sys.exit(f"Not migrated: {error}")
    except DBAPIError as error:
        sys.exit(f"Not migrated: {migrate.explain(error)}")
    print(f"The database is at revision {revision}")  # noqa: T201


def _skip(settings: DatabaseSettings, topic: str, number: int) -> None:
    from ocrstream_recorder.recording.skip import skip  # noqa: PLC0415

    configure_logs("ocrstream-recorder", settings.log_level)
    try:
        print(asyncio.run(skip(settings, topic, number)))  # noqa: T201
    except CannotSkipError as error:
        sys.exit(f"Not skipped: {error}")


if __name__ == "__main__":
    main()
