"""Composition root of the process that records."""

import asyncio
import contextlib
import gc
import os
import socket
import sys
from collections.abc import Callable
from functools import partial
from typing import Any

import structlog
from psycopg import Connection

from ocrstream_recorder import recording_metrics
from ocrstream_recorder.database.connections import Database
from ocrstream_recorder.database.transaction_size import TransactionSize
from ocrstream_recorder.database.zone import DatabaseZone
from ocrstream_recorder.dead_letters.producer import DeadLetterProducer
from ocrstream_recorder.errors import DatabaseUnavailableError, WrongRevisionError
from ocrstream_recorder.migrations import migrate
from ocrstream_recorder.outbox import sender
from ocrstream_recorder.outbox.backlog_metrics import watch_backlog
from ocrstream_recorder.outbox.deadline_watch import DeadlineWatch
from ocrstream_recorder.outbox.sender import OutboxSender
from ocrstream_recorder.outbox.webhook_client import WebhookClient
from ocrstream_recorder.outbox.webhook_sender import OFF, WebhookSender
from ocrstream_recorder.recording.consumer import WRITES_AT_ONCE, Consumer
from ocrstream_recorder.recording.dead_letter_breaker import DeadLetterBreaker
from ocrstream_recorder.recording.poll_writer import PollWriter
from ocrstream_recorder.search import indexer
from ocrstream_recorder.search.indexer import SearchIndexer
from ocrstream_recorder.settings import RecordingSettings, parse_webhook_secrets
from ocrstream_runtime.cluster import Cluster, wait_for_cluster
from ocrstream_runtime.errors import ClusterChangedError, NotReadyError, StoppedError
from ocrstream_runtime.guarded_http import GuardedBackend, parse_networks
from ocrstream_runtime.health import Health, create_ops_router
from ocrstream_runtime.http_api import create_http_api
from ocrstream_runtime.kafka import create_consumer, create_producer
from ocrstream_runtime.lag import LagWatch
from ocrstream_runtime.logs import configure_logs
from ocrstream_runtime.renewable_producer import RenewableProducer
from ocrstream_runtime.retries import retry
from ocrstream_runtime.server import stop_on_signals
from ocrstream_runtime.service import run_service
from ocrstream_runtime.tracing import configure_tracing
from ocrstream_schemas.topics import RECORDED_TOPICS

logger = structlog.get_logger(__name__)

SERVICE = "ocrstream-recorder"
_STALLED_AFTER_S = 60.0
_GC_THRESHOLD = 1_000_000
# The one event at low load waits for polls that are decoded beside it, at each await.
_SWITCH_INTERVAL_S = 0.001


async def run(settings: RecordingSettings) -> int:
    """Record until told to stop; returns the exit code."""
    # A poll makes hundreds of thousands of objects, none of them in cycles. At its own thresholds
    # the garbage collector looks at all of them again and again, for half of the time.
    gc.freeze()
    gc.set_threshold(_GC_THRESHOLD)
    sys.setswitchinterval(_SWITCH_INTERVAL_S)
    configure_logs(SERVICE, settings.log_level)
    configure_tracing(SERVICE)
    stop = stop_on_signals()
    health = Health()
    recorder = _Recorder(settings, stop, health)
    api = create_http_api("Ocrstream recorder, recording")
    api.include_router(create_ops_router(SERVICE, health))
    return await run_service(api, settings, stop, recorder.run())


def _ping(connection: Connection[Any]) -> None:
    connection.execute("SELECT 1")


class _Recorder:
    """Consumer and outbox sender from start to end."""

    def __init__(self, settings: RecordingSettings, stop: asyncio.Event, health: Health) -> None:
        self._settings = settings
        self._health = health
        self._stop = stop
        self._client_id = client_id = f"recorder-{socket.gethostname()}-{os.getpid()}"
        self._dead_letter_producer = RenewableProducer(lambda: create_producer(settings, client_id))
        self._outbox_producer = RenewableProducer(
            lambda: create_producer(settings, f"{client_id}-outbox")
        )
        database = partial(
            Database,
            settings.database_url.get_secret_value(),
            transaction_idle_timeout_s=settings.transaction_idle_timeout_s,
        )
        # One more, to ask which records of the next poll are known.
        self._poll_database = database(SERVICE, connections=WRITES_AT_ONCE + 1)
        self._outbox_database = database(
            f"{SERVICE}-outbox", idle_session_timeout_s=sender.IDLE_SESSION_TIMEOUT_S
        )
        self._due_database = database(f"{SERVICE}-due")
        self._search_database = database(
            f"{SERVICE}-search", idle_session_timeout_s=indexer.IDLE_SESSION_TIMEOUT_S
        )
        self._health_database = database(f"{SERVICE}-health")
        self._breaker = DeadLetterBreaker(settings.dead_letter_limit)
        self._zone = DatabaseZone(settings.db_timezone)
        self._consumer: Consumer | None = None
        self._lag: LagWatch | None = None
        health.add_check("database", lambda: self._health_database.run(_ping))
        health.add_check("recording", self._check)
        health.add_check("partitions", self._check_partitions)
        health.add_check("moving", self._check_moving)
        health.add_check("dead_letters", self._breaker.check)

    async def _check(self) -> None:
        """Raises NotReadyError or KafkaError while it does not record."""
        if self._consumer is None:
            raise NotReadyError("waits for Kafka or the database")
        if not self._consumer.joined:
            raise NotReadyError("has not joined its group yet")
        # Asks a broker, so that this fails while there is none.
        await self._consumer.ping()

    async def _check_partitions(self) -> None:
        """Raises NotReadyError while partitions are stopped."""
        if self._consumer is not None:
            await self._consumer.stopped.check()

    async def _check_moving(self) -> None:
        """Raises NotReadyError if records wait and none is written."""
        if self._lag is not None:
            await self._lag.check()

    async def run(self) -> None:
        """Wait for the database and Kafka, then record until told to stop."""
        try:
            await retry(
                "the database",
                lambda: self._poll_database.run(migrate.check_revision),
                (DatabaseUnavailableError, WrongRevisionError),
                self._stop,
            )
            servers = self._settings.kafka_bootstrap_servers
            await self._record(await wait_for_cluster(servers, self._stop))
        except StoppedError:
            pass
        finally:
            await self._dead_letter_producer.aclose()
            await self._outbox_producer.aclose()
            for database in (
                self._poll_database,
                self._outbox_database,
                self._due_database,
                self._search_database,
                self._health_database,
            ):
                await database.close()

    async def _record(self, cluster_id: str) -> None:
        idle_timeout_s = self._settings.transaction_idle_timeout_s
        sender = OutboxSender(self._outbox_database, self._outbox_producer, self._zone)
        webhooks = self._webhooks()

        def on_outbox() -> None:
            sender.woken.set()
            webhooks.woken.set()

        async with asyncio.TaskGroup() as group:
            group.create_task(self._read_clusters(cluster_id, on_outbox))
            group.create_task(sender.run(self._stop))
            group.create_task(webhooks.run(self._stop))
            group.create_task(DeadlineWatch(self._due_database, sender.woken.set).run(self._stop))
            group.create_task(watch_backlog(self._due_database, self._stop))
            indexer = SearchIndexer(self._search_database, SERVICE, idle_timeout_s)
            group.create_task(indexer.run(self._stop))

    async def _read_clusters(self, cluster_id: str, on_outbox: Callable[[], None]) -> None:
        """Record what a cluster holds, and if another one takes its place, what that one holds."""
        with contextlib.suppress(StoppedError):
            while True:
                await self._read(cluster_id, on_outbox)
                if self._stop.is_set():
                    return
                # A broker knows a producer by a number, which a new cluster gives to others.
                self._dead_letter_producer.renew()
                self._outbox_producer.renew()
                cluster_id = await wait_for_cluster(
                    self._settings.kafka_bootstrap_servers, self._stop
                )

    async def _read(self, cluster_id: str, on_outbox: Callable[[], None]) -> None:
        """Record what the cluster holds until told to stop, or until another one answers."""
        settings = self._settings
        kafka = create_consumer(
            settings,
            self._client_id,
            group_id=settings.group_id,
            drain_timeout_s=30.0,
            session_timeout_s=settings.session_timeout_s,
        )
        size = TransactionSize(settings.poll_records, settings.transaction_idle_timeout_s)
        writer = PollWriter(
            self._poll_database,
            DeadLetterProducer(self._dead_letter_producer, settings.group_id),
            self._breaker,
            self._zone,
            size,
            cluster_id=cluster_id,
            group_id=settings.group_id,
            on_outbox=on_outbox,
        )
        over = asyncio.Event()
        async with (
            Cluster(settings.kafka_bootstrap_servers, cluster_id) as cluster,
            asyncio.TaskGroup() as group,
        ):
            consumer = Consumer(kafka, cluster, writer, self._breaker, size, stop=self._stop)
            lag = LagWatch(
                kafka, consumer, recording_metrics.LAG, tuple(RECORDED_TOPICS), _STALLED_AFTER_S
            )
            self._health.add_check("reading", consumer.retry_health.check)
            self._health.add_check("writing", writer.retry_health.check)
            self._consumer, self._lag = consumer, lag
            group.create_task(lag.run(over))
            try:
                await consumer.run()
            except ClusterChangedError as change:
                logger.warning("going over to another Kafka cluster", why=str(change))
            finally:
                self._consumer = self._lag = None
                over.set()

    def _webhooks(self) -> WebhookSender:
        settings = self._settings
        keys = parse_webhook_secrets(settings.webhook_secret.get_secret_value())
        client = None
        if keys:
            allowed = parse_networks(settings.webhook_allowed_networks)
            client = WebhookClient(keys, GuardedBackend(allowed), settings.webhook_timeout_s)
        else:
            logger.info(OFF)
        return WebhookSender(
            self._due_database,
            client,
            timeout_s=settings.webhook_timeout_s,
            give_up_after_s=settings.webhook_give_up_after_s,
        )
