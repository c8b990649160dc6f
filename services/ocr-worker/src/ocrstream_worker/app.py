"""The worker's composition root: settings, wiring, start and stop."""

import asyncio
import contextlib
import os
import socket
import sys
from collections.abc import AsyncGenerator
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import aclosing, asynccontextmanager
from datetime import UTC, datetime

import structlog

from ocrstream_runtime.cluster import Cluster, wait_for_cluster
from ocrstream_runtime.errors import NotReadyError, StoppedError
from ocrstream_runtime.guarded_http import GuardedBackend, parse_networks
from ocrstream_runtime.health import Health, create_ops_router
from ocrstream_runtime.http_api import create_http_api
from ocrstream_runtime.kafka import create_consumer, create_producer
from ocrstream_runtime.lag import LagWatch
from ocrstream_runtime.lifecycle import cancel_on
from ocrstream_runtime.logs import configure_logs
from ocrstream_runtime.object_stores import SCHEMES, parse_stores
from ocrstream_runtime.renewable_producer import RenewableProducer
from ocrstream_runtime.server import stop_on_signals
from ocrstream_runtime.service import run_service
from ocrstream_runtime.settings import load_settings
from ocrstream_runtime.tracing import configure_tracing
from ocrstream_sandbox.shared_buffers import SharedBufferPool
from ocrstream_schemas.events import WorkerSeen
from ocrstream_worker import metrics
from ocrstream_worker.child_metrics import ChildMetrics
from ocrstream_worker.consumer import ImageConsumer
from ocrstream_worker.decoder_client import DecoderClient
from ocrstream_worker.engines.engine_client import EngineClient
from ocrstream_worker.engines.port import EngineInfo
from ocrstream_worker.heartbeats import Heartbeats, WorkerActivity
from ocrstream_worker.pipeline import Pipeline, RetryPolicy
from ocrstream_worker.publisher import KafkaPublisher
from ocrstream_worker.references.files import FileFetcher
from ocrstream_worker.references.https import HttpsFetcher, parse_hosts
from ocrstream_worker.references.port import FetcherRegistry
from ocrstream_worker.references.stores import ObjectStoreFetcher
from ocrstream_worker.result_cache import ResultCache, configuration_digest
from ocrstream_worker.revocations import Revocations
from ocrstream_worker.settings import WorkerSettings

logger = structlog.get_logger(__name__)

SERVICE = "ocrstream-worker"
_FILE_THREADS = 4
_STALL_MARGIN_S = 60.0


def main() -> None:
    """Runs the worker until it is stopped."""
    if sys.argv[1:]:
        sys.exit("usage: ocrstream-worker; settings come from the environment")
    sys.exit(asyncio.run(_run(load_settings(WorkerSettings))))


async def _run(settings: WorkerSettings) -> int:
    configure_logs(SERVICE, settings.log_level)
    configure_tracing(SERVICE)
    stop = stop_on_signals()
    worker = _Worker(settings, stop)
    health = Health()
    health.add_check("engine", worker.check_engine)
    health.add_check("decoders", worker.check_decoders)
    health.add_check("kafka", worker.check_kafka)
    health.add_check("publishing", worker.check_publishing)
    health.add_check("moving", worker.check_progress)
    api = create_http_api("Ocrstream OCR worker")
    api.include_router(create_ops_router(SERVICE, health))
    return await run_service(api, settings, stop, worker.run())


@asynccontextmanager
async def _open_fetchers(
    settings: WorkerSettings, threads: Executor
) -> AsyncGenerator[FetcherRegistry]:
    """Opens the fetchers of all schemes; a scheme that is off explains how to allow it."""
    max_bytes = settings.max_image_bytes
    stores = ObjectStoreFetcher(parse_stores(settings.object_stores), max_bytes=max_bytes)
    guard = GuardedBackend(parse_networks(settings.https_allowed_networks))
    async with aclosing(
        HttpsFetcher(parse_hosts(settings.https_hosts), guard, max_bytes=max_bytes)
    ) as https:
        yield FetcherRegistry(
            {
                "file": FileFetcher(settings.roots, threads, max_bytes=max_bytes),
                **dict.fromkeys(SCHEMES, stores),
                "https": https,
            },
            settings.fetch_timeout_s,
        )


class _Worker:
    """The engine, the decoders, the consumer and the publisher, from start to stop."""

    def __init__(self, settings: WorkerSettings, stop: asyncio.Event) -> None:
        self._settings = settings
        self._stop = stop
        self._host = socket.gethostname()
        self._name = f"{self._host}-{os.getpid()}"
        self._started_at = datetime.now(UTC)
        self._buffers = SharedBufferPool(settings.in_flight_limit)
        self._engine = EngineClient(
            settings.engine_settings,
            self._buffers,
            batch_size=settings.batch_size,
            limits=settings.engine_limits,
            observer=ChildMetrics("engine"),
        )
        self._decoders = DecoderClient(
            settings.decode_limits,
            self._buffers,
            processes=settings.decoders,
            timeout_s=settings.decode_timeout_s,
            limits=settings.decoder_limits,
            observer=ChildMetrics("decoder"),
        )
        self._consumer: ImageConsumer | None = None
        self._publisher: KafkaPublisher | None = None
        self._lag: LagWatch | None = None

    async def check_engine(self) -> None:
        """Raises NotReadyError while the engine starts, crashes at every image, or is starved."""
        await self._engine.check()
        if not self._engine.ready:
            raise NotReadyError("the engine is starting")

    async def check_decoders(self) -> None:
        """Raises NotReadyError while the decoders crash at every image, or are starved."""
        await self._decoders.check()

    async def check_kafka(self) -> None:
        """Raises NotReadyError or KafkaError while the worker cannot consume images."""
        if self._consumer is None or not self._consumer.joined:
            raise NotReadyError("has not joined its group yet")
        await self._consumer.ping()

    async def check_publishing(self) -> None:
        """Raises NotReadyError while the broker refuses events because of this machine's clock."""
        if self._publisher is not None:
            await self._publisher.check()

    async def check_progress(self) -> None:
        """Raises NotReadyError if images wait and none is finished."""
        if self._lag is not None:
            await self._lag.check()

    async def run(self) -> None:
        """Starts engine and decoders, waits for Kafka, and processes images until stopped."""
        try:
            async with self._engine, self._decoders:
                servers = self._settings.kafka_bootstrap_servers
                cluster_id = await wait_for_cluster(servers, self._stop)
                await cancel_on(self._decoders.wait_ready(), self._stop)
                info = await cancel_on(self._engine.wait_ready(), self._stop)
                logger.info("engine is ready", engine=info.name, versions=info.versions)
                while True:
                    await self._process_cluster(info, cluster_id)
                    cluster_id = await wait_for_cluster(servers, self._stop)
        except StoppedError:
            pass
        finally:
            self._buffers.close()

    async def _process_cluster(self, info: EngineInfo, cluster_id: str) -> None:
        """Processes the cluster's images until stopped, or until another cluster answers."""
        settings = self._settings
        # Shorter than the time that the process has for its whole shutdown.
        drain_timeout_s = settings.shutdown_timeout_s * 0.75
        producer = RenewableProducer(lambda: create_producer(settings, f"worker-{self._name}"))
        self._publisher = KafkaPublisher(producer)
        revocations = Revocations(
            create_consumer(settings, f"worker-{self._name}-commands", group_id=None)
        )
        configuration = configuration_digest(info, settings.engine_settings, settings.decode_limits)
        with ThreadPoolExecutor(_FILE_THREADS, thread_name_prefix="files") as threads:
            async with _open_fetchers(settings, threads) as fetcher:
                pipeline = Pipeline(
                    fetcher=fetcher,
                    result_cache=ResultCache(settings.reuse_root, configuration, threads),
                    buffers=self._buffers,
                    decoders=self._decoders,
                    engine=self._engine,
                    publisher=self._publisher,
                    revocations=revocations,
                    retry_policy=RetryPolicy(settings.max_attempts, settings.retry_backoff_s),
                    worker=self._name,
                )
                kafka = create_consumer(
                    settings,
                    f"worker-{self._name}",
                    group_id=settings.group_id,
                    drain_timeout_s=drain_timeout_s,
                    session_timeout_s=settings.session_timeout_s,
                )
                consumer = ImageConsumer(
                    kafka,
                    pipeline.process,
                    settings.lane_topics,
                    group_id=settings.group_id,
                    max_in_flight_images=settings.in_flight_limit,
                    max_backoff_images=settings.max_backoff_images,
                    max_uncommitted_records=settings.max_uncommitted_records,
                    drain_timeout_s=drain_timeout_s,
                )
                self._lag = LagWatch(
                    kafka,
                    consumer,
                    metrics.LAG,
                    settings.lane_topics,
                    # A hanging engine is replaced after its timeout, and its image is tried again.
                    stalled_after_s=2 * settings.image_timeout_s + _STALL_MARGIN_S,
                )
                stop_work, drained = asyncio.Event(), asyncio.Event()
                async with (
                    Cluster(settings.kafka_bootstrap_servers, cluster_id) as cluster,
                    aclosing(producer),
                    asyncio.TaskGroup() as group,
                ):
                    group.create_task(revocations.run(drained))
                    group.create_task(self._lag.run(drained))
                    group.create_task(self._heartbeats(info, consumer).run(drained))
                    group.create_task(self._stop_on_cluster_change(cluster, stop_work))
                    await self._consume(consumer, revocations, stop_work)
                    drained.set()

    def _heartbeats(self, info: EngineInfo, consumer: ImageConsumer) -> Heartbeats:
        settings = self._settings
        worker = WorkerSeen(
            worker=self._name,
            host=self._host,
            engine=info.name,
            versions=info.versions,
            device=info.device,
            lanes=tuple(settings.lanes.split(",")),
            started_at=self._started_at,
            interval_s=settings.heartbeat_interval_s,
        )

        def current_activity() -> WorkerActivity:
            return WorkerActivity(
                ready=self._engine.ready and consumer.joined,
                images_in_flight=consumer.images_in_flight,
                images_done=consumer.images_done,
            )

        return Heartbeats(settings, worker, current_activity)

    async def _consume(
        self, consumer: ImageConsumer, revocations: Revocations, stop_work: asyncio.Event
    ) -> None:
        # No image is consumed before all cancellations up to now are known.
        try:
            await cancel_on(revocations.caught_up.wait(), stop_work)
            self._consumer = consumer
            await consumer.run(stop_work)
        except StoppedError:
            pass
        except BaseException:
            # The process cannot continue: stop its other parts too.
            self._stop.set()
            raise
        finally:
            self._consumer = None

    async def _stop_on_cluster_change(self, cluster: Cluster, stop_work: asyncio.Event) -> None:
        """Sets `stop_work` when the worker is stopped, or another cluster answers."""
        with contextlib.suppress(StoppedError):
            await cancel_on(cluster.wait_for_change(), self._stop)
        stop_work.set()
