"""Starts and stops the stack: servers, topics, tables, services."""

import os
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from ocrstream_local import containers, downloads, processes, waiting
from ocrstream_local import state as states
from ocrstream_local.containers import KafkaContainer, PostgresContainer
from ocrstream_local.engines import LANGUAGES, check_engine
from ocrstream_local.errors import StackError
from ocrstream_local.kafka import KafkaServer
from ocrstream_local.postgres import PostgresServer
from ocrstream_local.processes import Process, free_port
from ocrstream_local.services import Service, image_roots, is_ready
from ocrstream_local.state import State
from ocrstream_local.waiting import Say, Wait

_SERVER_VARIABLES = ("KAFKA_BOOTSTRAP_SERVERS", "DATABASE_URL")
_SERVICES_GRACE_S = 30.0
_SERVERS_GRACE_S = 30.0
MAX_WORKERS = 64
ENGINE_START_TIMEOUT = "OCRSTREAM_ENGINE_START_TIMEOUT_S"
# The maximum that a worker accepts.
_MAX_ENGINE_START_TIMEOUT_S = 3600.0


@dataclass(frozen=True)
class Layout:
    """The paths of the stack, all beneath one folder."""

    local: Path

    @property
    def state(self) -> Path:
        """The file with processes and ports."""
        return self.local / "state.json"

    @property
    def stack_env(self) -> Path:
        """The file with the addresses of the stack, for people and tools."""
        return self.local / "stack.env"

    @property
    def logs(self) -> Path:
        """The folder with a log for each process."""
        return self.local / "logs"

    @property
    def cache(self) -> Path:
        """The folder for downloads."""
        return self.local / "cache"

    @property
    def objects(self) -> Path:
        """The folder for uploads."""
        return self.local / "objects"

    @property
    def samples(self) -> Path:
        """The folder for sample images."""
        return self.local / "samples"


class Stack:
    """The stack in one folder. Every method works in any state of the processes."""

    def __init__(self, layout: Layout, say: Say) -> None:
        self._layout = layout
        self._say = say
        self.seconds: dict[str, float] = {}
        """The seconds that each step of `up` took."""

    def up(self, workers: int, engine: str) -> dict[str, str]:
        """Starts the processes that do not run; returns the variables that it writes to stack.env.

        It stops workers beyond `workers`, and replaces all if `engine` or the languages changed. If
        there are workers, it first checks that the engine reads the languages. Raises StackError if
        a process does not start; the others keep running, and another call continues with them.
        """
        with states.locked(self._layout.local):
            if workers:
                self._say(check_engine(engine, self._say))
            state = states.load(self._layout.state)
            external = _external_servers(self._layout.stack_env)
            kafka, database = self._servers(state, external)
            services = self._services(state, kafka, database, workers, engine)
            urls = {service.name: service.url for service in services}
            addresses = {
                "KAFKA_BOOTSTRAP_SERVERS": kafka,
                "DATABASE_URL": database,
                "INGEST_URL": urls["ingest"],
                "RECORDER_URL": urls["recorder-api"],
                "RECORDING_URLS": urls["recorder"],
                "WORKER_URLS": ",".join(
                    url for name, url in urls.items() if name.startswith("worker-")
                ),
            }
            lines = [f"{name}={value}\n" for name, value in addresses.items()]
            states.replace(self._layout.stack_env, "".join(lines))
            self._prepare(state, kafka, database)
            self._start(state, services, engine)
            return addresses

    def down(self) -> int:
        """Stops all processes of the stack; returns their number."""
        with states.locked(self._layout.local):
            state = states.load(self._layout.state)
            running = state.running()
            servers = [process for process in running if process.name in {"kafka", "postgres"}]
            processes.stop(
                [process for process in running if process not in servers], _SERVICES_GRACE_S
            )
            processes.stop(servers, _SERVERS_GRACE_S)
            state.processes.clear()
            states.save(self._layout.state, state)
            self._layout.stack_env.unlink(missing_ok=True)
            return len(running)

    def with_remaining(self, error: StackError, command: str) -> StackError:
        """Returns the error with a hint about processes that still run: `command` uses them."""
        if not self.status().running():
            return error
        return StackError(
            f"{error}\nThe other processes keep running: {command} continues with them,"
            " make down stops them"
        )

    def status(self) -> State:
        """Returns the processes that were started."""
        return states.load(self._layout.state)

    def _servers(self, state: State, external: Mapping[str, str]) -> tuple[str, str]:
        began = time.monotonic()
        if len(external) == len(_SERVER_VARIABLES):
            self.seconds["servers"] = 0.0
            return external["KAFKA_BOOTSTRAP_SERVERS"], external["DATABASE_URL"]
        kafka, postgres = self.choose_servers(state)
        # Both start before the first wait.
        started = [
            (server, self._start_once(state, name, lambda server=server: server.start(self._say)))
            for name, server, variable in (
                ("kafka", kafka, "KAFKA_BOOTSTRAP_SERVERS"),
                ("postgres", postgres, "DATABASE_URL"),
            )
            if variable not in external
        ]
        waits = [
            Wait(process, lambda server=server, process=process: server.serves(process))
            for server, process in started
        ]
        for process in waiting.as_ready(waits, self._say):
            self._say(f"{process.name} runs on 127.0.0.1:{process.port}")
        self.seconds["servers"] = time.monotonic() - began
        return (
            external.get("KAFKA_BOOTSTRAP_SERVERS") or kafka.bootstrap_servers,
            external.get("DATABASE_URL") or postgres.url,
        )

    def choose_servers(
        self, state: State
    ) -> tuple[KafkaServer | KafkaContainer, PostgresServer | PostgresContainer]:
        """Returns processes of this machine, or containers if it cannot download Kafka.

        Says which, because both need other programs.
        """
        layout = self._layout
        kafka, postgres = layout.local / "kafka", layout.local / "postgres"
        kafka_log, postgres_log = layout.logs / "kafka.log", layout.logs / "postgres.log"
        kafka_port, postgres_port = (self._port(state, name) for name in ("kafka", "postgres"))
        has_jars = downloads.has_kafka(layout.cache) or downloads.maven() is not None
        if not has_jars and containers.docker_answers():
            self._say("Kafka and PostgreSQL run in Docker containers: this machine has no Maven")
            return (
                KafkaContainer(kafka, kafka_log, kafka_port),
                PostgresContainer(postgres, postgres_log, postgres_port),
            )
        self._say("Kafka (with Java) and PostgreSQL run as processes, without Docker")
        controller_port = self._port(state, "kafka-controller")
        return (
            KafkaServer(kafka, layout.cache, kafka_log, kafka_port, controller_port),
            PostgresServer(postgres, layout.cache, postgres_log, postgres_port),
        )

    def _prepare(self, state: State, kafka: str, database: str) -> None:
        began = time.monotonic()
        environment = {"KAFKA_BOOTSTRAP_SERVERS": kafka, "DATABASE_URL": database}
        postgres = state.processes.get("postgres")
        for what, command in (
            ("tables", ["-m", "ocrstream_recorder", "migrate"]),
            ("topics", ["-m", "ocrstream_runtime.topics"]),
        ):
            ran = waiting.run(
                what,
                [sys.executable, *command],
                self._say,
                environment=environment,
                # The database does the work of a migration.
                helpers=() if postgres is None else (postgres,),
            )
            if ran.returncode:
                raise StackError(f"Cannot create the {what}: {ran.stderr.strip()[-2000:]}")
            self._say(ran.stdout.strip())
        self.seconds["tables and topics"] = time.monotonic() - began

    def _services(
        self, state: State, kafka: str, database: str, workers: int, engine: str
    ) -> list[Service]:
        """Returns the services with their settings."""
        shared = {
            "KAFKA_BOOTSTRAP_SERVERS": kafka,
            "OCRSTREAM_OBJECT_ROOT": str(self._layout.objects.resolve()),
            "OCRSTREAM_REUSE_ROOT": str((self._layout.local / "results").resolve()),
        }
        roots = image_roots(self._layout.samples.resolve())
        names = [f"worker-{number}" for number in range(1, workers + 1)]
        ports = {name: self._port(state, name) for name in ("recorder-api", "ingest")}
        # The dashboard's page calls ingest; a browser may open it under either name of this
        # machine.
        dashboard_origins = ",".join(
            f"http://{host}:{ports['recorder-api']}" for host in ("127.0.0.1", "localhost")
        )
        recorder = Service(
            "recorder",
            ("ocrstream-recorder",),
            self._port(state, "recorder"),
            {**shared, "DATABASE_URL": database},
            yields=True,
        )
        recorder_api = Service(
            "recorder-api",
            ("ocrstream-recorder", "serve"),
            ports["recorder-api"],
            {
                **shared,
                "DATABASE_URL": database,
                "OCRSTREAM_IMAGE_ROOTS": roots,
                "OCRSTREAM_INGEST_URL": f"http://127.0.0.1:{ports['ingest']}",
            },
        )
        ingest = Service(
            "ingest",
            ("ocrstream-ingest",),
            ports["ingest"],
            {
                **shared,
                "RECORDER_URL": recorder_api.url,
                "OCRSTREAM_IMAGE_ROOTS": roots,
                "OCRSTREAM_ALLOWED_ORIGINS": dashboard_origins,
            },
        )
        worker_environment = {
            **shared,
            "OCRSTREAM_ENGINE": engine,
            # The workers share the machine, so each has one thread.
            "OCRSTREAM_ENGINE_THREADS": os.environ.get("OCRSTREAM_ENGINE_THREADS", "1"),
            # This command, not the worker, detects whether an engine that loads makes progress.
            ENGINE_START_TIMEOUT: os.environ.get(
                ENGINE_START_TIMEOUT,
                f"{min(waiting.start_timeout_s(), _MAX_ENGINE_START_TIMEOUT_S):g}",
            ),
            "OCRSTREAM_IMAGE_ROOTS": roots,
        }
        return [
            recorder,
            recorder_api,
            ingest,
            *(
                Service(
                    name,
                    ("ocrstream-worker",),
                    self._port(state, name),
                    worker_environment,
                    yields=True,
                )
                for name in names
            ),
        ]

    def _start(self, state: State, services: list[Service], engine: str) -> None:
        began = time.monotonic()
        engine_settings = engine, os.environ.get(LANGUAGES)
        unchanged = engine_settings == (state.engine, state.languages)
        self._stop_workers(state, {one.name for one in services} if unchanged else set())
        state.engine, state.languages = engine_settings
        self._layout.objects.mkdir(parents=True, exist_ok=True)
        self._layout.samples.mkdir(parents=True, exist_ok=True)
        by_name = {service.name: service for service in services}
        waits = [
            Wait(
                self._start_once(state, one.name, lambda one=one: one.start(self._layout.logs)),
                lambda one=one: is_ready(one.url),
            )
            for one in services
        ]
        for process in waiting.as_ready(waits, self._say):
            service = by_name[process.name]
            service.settle(process)
            self._say(f"{service.name} is ready at {service.url}")
        self.seconds["services"] = time.monotonic() - began

    def _stop_workers(self, state: State, kept: set[str]) -> None:
        surplus = [
            process
            for name, process in state.processes.items()
            if name.startswith("worker-") and name not in kept
        ]
        processes.stop(surplus, _SERVICES_GRACE_S)
        for process in surplus:
            del state.processes[process.name]
        states.save(self._layout.state, state)

    def _start_once(self, state: State, name: str, start: Callable[[], Process]) -> Process:
        """Returns the process if it runs, else starts one and saves it, so that `down` finds it."""
        known = state.processes.get(name)
        if known is not None and known.running:
            return known
        process = start()
        state.processes[name] = process
        states.save(self._layout.state, state)
        return process

    def _port(self, state: State, name: str) -> int:
        """Returns the port of a process:

        its last one if it runs or the port is free, else another.
        """
        known = state.processes.get("kafka" if name == "kafka-controller" else name)
        if known is None or not known.running:
            taken = {port for other, port in state.ports.items() if other != name}
            port = free_port(state.ports.get(name))
            while port in taken:
                port = free_port()
            state.ports[name] = port
        return state.ports[name]


def _external_servers(stack_env: Path) -> dict[str, str]:
    """Returns the servers in the environment that do not belong to this stack."""
    own = stack_env.read_text(encoding="utf-8").splitlines() if stack_env.exists() else []
    return {
        name: os.environ[name]
        for name in _SERVER_VARIABLES
        if os.environ.get(name) and f"{name}={os.environ[name]}" not in own
    }
