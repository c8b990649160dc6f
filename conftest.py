"""Real servers for the tests: processes of this machine, or containers if a setting says so.

A test that asks for a server that cannot be had is not run, and the end of the output says so with
the reason; under CI=true that is a failure.
"""

import asyncio
import contextlib
import os
import shutil
from collections.abc import Generator
from importlib.util import find_spec
from pathlib import Path

import pytest
import structlog
from acls import AUTHORIZING
from container_servers import TEST_SERVERS, in_containers, kafka_in_container
from hypothesis import Phase, settings
from not_run import not_run
from obstore.store import S3Store
from odd_files import s3_server
from real_servers import CACHE, LOCAL, Broker, discard, fresh_database, new_broker
from testcontainers.community.postgres import PostgresContainer

from ocrstream_local import downloads, processes
from ocrstream_local.containers import POSTGRES_IMAGE, docker_answers
from ocrstream_local.errors import StackError
from ocrstream_local.postgres import PostgresServer
from ocrstream_local.processes import free_port
from ocrstream_recorder.migrations.migrate import migrate
from ocrstream_runtime.topics import ensure_topics

LENT_POSTGRES = "OCRSTREAM_TEST_POSTGRES_URL"
"""Where a test that runs tests says which server's database they are to take."""

# A failing example is printed whole, and with a blob that repeats it: new ones are looked for at
# each run. `deep` is what `make test-deep` asks for.
settings.register_profile("normal", deadline=None, print_blob=True)
settings.register_profile("deep", settings.get_profile("normal"), max_examples=5000)
# For code that is broken on purpose: that it fails is enough, and must not be remembered.
settings.register_profile(
    "mutants", settings.get_profile("normal"), database=None, phases=[Phase.generate]
)
settings.load_profile("normal")


# Rich's tracebacks with all that stands in each frame take ten seconds of a processor.
structlog.configure(
    [
        structlog.stdlib.add_log_level,
        structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback),
    ]
)


def pytest_sessionstart(session: pytest.Session) -> None:
    """Fetch once, before several processes ask for it at the same time."""
    if in_containers():
        if not docker_answers():
            raise pytest.UsageError(
                f"{TEST_SERVERS} is containers, and no Docker engine answers: start one, as"
                " make test-containers does, or leave the setting out for processes of this"
                " machine"
            )
        return
    if not session.config.getoption("numprocesses", None):
        return
    # A test that needs what cannot be had says so.
    with contextlib.suppress(StackError):
        downloads.java(print)
        downloads.kafka_jars(CACHE, print)
        downloads.postgres_programs(CACHE, print)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say last, and once for each reason, what was not run."""
    reasons: dict[str, int] = {}
    for report in terminalreporter.stats.get("skipped", []):
        reason = str(report.longrepr[2]).removeprefix("Skipped: ")
        reasons[reason] = reasons.get(reason, 0) + 1
    for reason, count in reasons.items():
        terminalreporter.write_line(f"{count} tests {reason}", yellow=True)
    if find_spec("doctr") is None:
        terminalreporter.write_line("docTR's tests are run by: make test-doctr", yellow=True)


@pytest.fixture(scope="module")
def s3_environment() -> Generator[dict[str, str]]:
    """What leads to a real S3 server with a bucket `scans`."""
    with s3_server("scans") as environment:
        yield environment


@pytest.fixture
def bucket(s3_environment: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> S3Store:
    """The server's bucket, and an environment that leads to it."""
    for name, value in s3_environment.items():
        monkeypatch.setenv(name, value)
    return S3Store("scans")


@pytest.fixture(scope="session")
def kafka_bootstrap() -> Generator[str]:
    """`host:port` of a broker that has all topics; shared, so use ids of your own."""
    if in_containers():
        with kafka_in_container() as bootstrap:
            asyncio.run(ensure_topics(bootstrap))
            yield bootstrap
        return
    try:
        broker = new_broker(LOCAL / f"kafka-{os.getpid()}")
    except StackError as error:
        not_run("Kafka", error)
    try:
        asyncio.run(ensure_topics(broker.bootstrap))
        yield broker.bootstrap
    finally:
        broker.kill()
        shutil.rmtree(broker.server.folder)


@pytest.fixture
def own_broker(tmp_path: Path) -> Generator[Broker]:
    """A broker for one test alone, with all topics; may be killed."""
    yield from _killable_broker(tmp_path / "kafka")


@pytest.fixture(scope="module")
def module_broker(tmp_path_factory: pytest.TempPathFactory) -> Generator[Broker]:
    """As `own_broker`, for tests of one module that leave it as they want to find it."""
    yield from _killable_broker(tmp_path_factory.mktemp("broker") / "kafka")


@pytest.fixture
def guarded_broker(tmp_path: Path) -> Generator[Broker]:
    """As `own_broker`, and it asks an authorizer who may do what."""
    yield from _killable_broker(tmp_path / "kafka", AUTHORIZING)


def _killable_broker(folder: Path, further_properties: str = "") -> Generator[Broker]:
    try:
        broker = new_broker(folder, further_properties)
    except StackError as error:
        not_run("Kafka", error)
    try:
        asyncio.run(ensure_topics(broker.bootstrap))
        yield broker
    finally:
        # It would take seconds to end in order, and nobody needs its data.
        broker.kill()


@pytest.fixture(scope="session")
def postgres_url() -> Generator[str]:
    """URL of a migrated database to make others from; nobody else may be connected to it."""
    lent = os.environ.get(LENT_POSTGRES)
    if lent is not None:
        yield lent
        return
    if in_containers():
        with PostgresContainer(POSTGRES_IMAGE, driver=None) as container:
            url = container.get_connection_url()
            migrate(url)
            yield url
        return
    folder = LOCAL / f"postgres-{os.getpid()}"
    server = PostgresServer(folder, CACHE, folder / "log", free_port(), durable=False)
    try:
        process = server.start(print)
        server.wait(process)
    except StackError as error:
        not_run("PostgreSQL", error)
    try:
        migrate(server.url)
        yield server.url
    finally:
        processes.stop([process], 20)
        discard(server)


@pytest.fixture
def database_url(postgres_url: str) -> Generator[str]:
    """URL of a fresh, migrated database for one test."""
    with fresh_database(postgres_url) as url:
        yield url
