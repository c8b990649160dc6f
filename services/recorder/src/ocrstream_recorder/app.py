"""The recorder's composition root: settings, wiring, life and end."""

import asyncio
import gc
import os
import socket
import sys

import structlog
from aiokafka.errors import KafkaError
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine

from ocrstream_recorder import metrics
from ocrstream_recorder.api.app import create_api
from ocrstream_recorder.api.engines import marking_engine, reading_engine
from ocrstream_recorder.backlog import watch_backlog
from ocrstream_recorder.batch_watcher import BatchWatcher
from ocrstream_recorder.consumer import WRITES_AT_ONCE, Consumer
from ocrstream_recorder.dead_letters import DeadLetters
from ocrstream_recorder.deadlines import DeadlineWatch
from ocrstream_recorder.drain_limit import DrainLimit
from ocrstream_recorder.fleet import Fleet, FleetReader
from ocrstream_recorder.lag import LagReader
from ocrstream_recorder.lasting_producer import LastingProducer
from ocrstream_recorder.letter_box import LetterBox
from ocrstream_recorder.outbox_sender import IDLE_SESSION_TIMEOUT_S, OutboxSender
from ocrstream_recorder.recording import Recording
from ocrstream_recorder.search_indexer import SearchIndexer
from ocrstream_recorder.settings import DatabaseSettings, RecorderSettings
from ocrstream_recorder.store import migrate
from ocrstream_recorder.store.database import Database, DatabaseUnavailable
from ocrstream_recorder.store.takeover import CannotTakeOverError
from ocrstream_recorder.store.zone import DatabaseZone
from ocrstream_recorder.webhook_client import WebhookClient, parse_secrets
from ocrstream_recorder.webhooks import OFF, WebhookSender
from ocrstream_runtime.guarded_http import GuardedBackend, parse_networks
from ocrstream_runtime.health import Health, NotReady
from ocrstream_runtime.kafka import create_consumer, create_producer
from ocrstream_runtime.lag import LagWatch
from ocrstream_runtime.lifecycle import Stopped, keep_trying
from ocrstream_runtime.local_files import AllowedFolders
from ocrstream_runtime.logs import configure_logs
from ocrstream_runtime.server import stop_on_signals
from ocrstream_runtime.service import run_service
from ocrstream_runtime.settings import load_settings
from ocrstream_runtime.topics import TopicsMissingError, find_cluster
from ocrstream_runtime.tracing import configure_tracing
from ocrstream_schemas.topics import RECORDED_TOPICS

logger = structlog.get_logger(__name__)

SERVICE = "ocrstream-recorder"
_STALLED_AFTER_S = 60.0
_GC_THRESHOLD = 1_000_000
# Requests and the one event at low load wait for polls that are judged beside them, at each await.
_SWITCH_INTERVAL_S = 0.001


def main() -> None:
    """`ocrstream-recorder` records until it is told to stop; `ocrstream-recorder migrate` brings
    the database to this version's revision and ends.
    """
    match sys.argv[1:]:
        case []:
            sys.exit(asyncio.run(_run(load_settings(RecorderSettings))))
        case ["migrate"]:
            _migrate(load_settings(DatabaseSettings))
        case _:
            sys.exit("usage: ocrstream-recorder [migrate]; settings come from the environment")


def _migrate(settings: DatabaseSettings) -> None:
    configure_logs(SERVICE, settings.log_level)
    try:
        revision = migrate.migrate(settings.database_url.get_secret_value())
    except CannotTakeOverError as error:
        sys.exit(f"Not migrated: {error}")
    except DBAPIError as error:
        sys.exit(f"Not migrated: {migrate.explain(error)}")
    print(f"The database is at revision {revision}")  # noqa: T201


async def _run(settings: RecorderSettings) -> int:
    # A poll makes hundreds of thousands of objects, none of them in cycles. At its own thresholds
    # the garbage collector looks at all of them again and again, for half of the time.
    gc.freeze()
    gc.set_threshold(_GC_THRESHOLD)
    sys.setswitchinterval(_SWITCH_INTERVAL_S)
    configure_logs(SERVICE, settings.log_level)
    configure_tracing(SERVICE)
    stop = stop_on_signals()
    engine = reading_engine(
        settings.read_database_url.get_secret_value() or settings.database_url.get_secret_value(),
        connections=settings.read_connections,
        timeout_s=settings.read_timeout_s,
    )
    marking = marking_engine(settings.database_url.get_secret_value())
    health = Health()
    recorder = _Recorder(settings, stop, health)
    health.add_check("database", lambda: _check_database(engine))
    zone = DatabaseZone(settings.db_timezone)
    fleet = Fleet()
    watched = Database(settings.database_url.get_secret_value(), f"{SERVICE}-events")
    watcher = BatchWatcher(watched, zone, settings.event_listeners)
    lag_reader = LagReader(settings, settings.worker_group_id)
    api = create_api(
        engine,
        zone,
        health,
        LetterBox(settings),
        writing_engine=marking,
        image_folders=AllowedFolders(settings.roots, max_bytes=settings.max_image_bytes),
        fleet=fleet,
        batch_watcher=watcher,
        lag_reader=lag_reader,
        ingest_url=settings.ingest_url,
    )
    # It needs no database, and nothing needs it.
    heartbeats = FleetReader(settings, "recorder-fleet", fleet)
    work = (recorder.run(), heartbeats.run(stop), watcher.run(stop), lag_reader.run(stop))
    try:
        return await run_service(api, settings, stop, *work)
    finally:
        await watched.close()
        await engine.dispose()
        await marking.dispose()


async def _check_database(engine: AsyncEngine) -> None:
    async with engine.connect() as connection:
        await connection.execute(text("SELECT 1"))


class _Recorder:
    """Consumer and outbox sender from start to end."""

    def __init__(self, settings: RecorderSettings, stop: asyncio.Event, health: Health) -> None:
        self._settings = settings
        self._health = health
        self._stop = stop
        client_id = f"recorder-{socket.gethostname()}-{os.getpid()}"
        self._kafka = create_consumer(
            settings,
            client_id,
            group_id=settings.group_id,
            drain_timeout_s=30.0,
            session_timeout_s=settings.session_timeout_s,
        )
        self._letters_producer = LastingProducer(lambda: create_producer(settings, client_id))
        self._outbox_producer = LastingProducer(
            lambda: create_producer(settings, f"{client_id}-outbox")
        )
        url = settings.database_url.get_secret_value()
        self._writer = Database(url, SERVICE, connections=WRITES_AT_ONCE)
        self._outbox = Database(
            url, f"{SERVICE}-outbox", idle_session_timeout_s=IDLE_SESSION_TIMEOUT_S
        )
        self._due = Database(url, f"{SERVICE}-due")
        self._search = Database(url, f"{SERVICE}-search")
        self._drain_limit = DrainLimit(settings.dead_letter_limit)
        self._consumer: Consumer | None = None
        self._lag: LagWatch | None = None
        health.add_check("recording", self._check)
        health.add_check("moving", self._check_moving)
        health.add_check("dead_letters", self._drain_limit.check)

    async def _check(self) -> None:
        """Raises NotReady or KafkaError while it does not record."""
        if self._consumer is None:
            raise NotReady("waits for Kafka or the database")
        if not self._consumer.joined:
            raise NotReady("has not joined its group yet")
        # Asks a broker, so that this fails while there is none.
        await self._kafka.topics()

    async def _check_moving(self) -> None:
        """Raises NotReady if records wait and none is written."""
        if self._lag is not None:
            await self._lag.check()

    async def run(self) -> None:
        """Wait for the database and Kafka, then record until told to stop."""
        try:
            await keep_trying(
                "the database",
                lambda: self._writer.run(migrate.check_revision),
                (DatabaseUnavailable, migrate.WrongRevisionError),
                self._stop,
            )
            cluster_id = await keep_trying(
                "Kafka",
                lambda: find_cluster(self._settings.kafka_bootstrap_servers),
                (KafkaError, TopicsMissingError),
                self._stop,
            )
            await self._record(cluster_id)
        except Stopped:
            pass
        finally:
            await self._letters_producer.close()
            await self._outbox_producer.close()
            await self._writer.close()
            await self._outbox.close()
            await self._due.close()
            await self._search.close()

    async def _record(self, cluster_id: str) -> None:
        zone = DatabaseZone(self._settings.db_timezone)
        sender = OutboxSender(self._outbox, self._outbox_producer, zone)
        webhooks = self._webhooks()

        def on_outbox() -> None:
            sender.woken.set()
            webhooks.woken.set()

        recording = Recording(
            self._writer,
            DeadLetters(self._letters_producer, self._settings.group_id),
            self._drain_limit,
            zone,
            cluster_id=cluster_id,
            group_id=self._settings.group_id,
            on_outbox=on_outbox,
        )
        consumer = Consumer(
            self._kafka, recording, self._drain_limit, self._settings.poll_records, self._stop
        )
        self._health.add_check("reading", consumer.retrying.check)
        self._health.add_check("writing", recording.retrying.check)
        self._lag = LagWatch(
            self._kafka, consumer, metrics.LAG, tuple(RECORDED_TOPICS), _STALLED_AFTER_S
        )
        async with asyncio.TaskGroup() as group:
            self._consumer = consumer
            group.create_task(self._lag.run(self._stop))
            group.create_task(consumer.run())
            group.create_task(sender.run(self._stop))
            group.create_task(webhooks.run(self._stop))
            group.create_task(DeadlineWatch(self._due, sender.woken.set).run(self._stop))
            group.create_task(watch_backlog(self._due, self._stop))
            group.create_task(SearchIndexer(self._search, SERVICE).run(self._stop))

    def _webhooks(self) -> WebhookSender:
        settings = self._settings
        keys = parse_secrets(settings.webhook_secret.get_secret_value())
        client = None
        if keys:
            allowed = parse_networks(settings.webhook_allowed_networks)
            client = WebhookClient(keys, GuardedBackend(allowed), settings.webhook_timeout_s)
        else:
            logger.info(OFF)
        return WebhookSender(
            self._due,
            client,
            timeout_s=settings.webhook_timeout_s,
            give_up_after_s=settings.webhook_give_up_after_s,
        )
