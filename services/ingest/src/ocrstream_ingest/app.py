"""Ingest's composition root: reads the settings, wires the service, runs it."""

import asyncio
import contextlib
import sys
from collections.abc import Sequence

import structlog
from aiokafka.errors import KafkaError
from fastapi import FastAPI
from fastapi.middleware.cors import CORSMiddleware

from ocrstream_ingest import batches, commands, images
from ocrstream_ingest.dependencies import Dependencies, create_dependencies
from ocrstream_ingest.idempotency import IDEMPOTENCY_KEY
from ocrstream_ingest.object_store_check import ObjectStoreCheck
from ocrstream_ingest.openapi import install_openapi
from ocrstream_ingest.publisher import Publisher
from ocrstream_ingest.settings import IngestSettings
from ocrstream_ingest.worker_lag import WorkerLag
from ocrstream_runtime.cluster import Cluster, wait_for_cluster
from ocrstream_runtime.errors import StoppedError, TopicsMissingError
from ocrstream_runtime.health import Health, create_ops_router
from ocrstream_runtime.http_api import create_http_api
from ocrstream_runtime.lifecycle import cancel_on
from ocrstream_runtime.logs import configure_logs
from ocrstream_runtime.retries import retry
from ocrstream_runtime.server import stop_on_signals
from ocrstream_runtime.service import run_service
from ocrstream_runtime.settings import load_settings
from ocrstream_runtime.topics import find_cluster
from ocrstream_runtime.tracing import configure_tracing

logger = structlog.get_logger(__name__)

SERVICE = "ocrstream-ingest"
# No browser caches a preflight response for longer.
_PREFLIGHT_MAX_AGE_S = 7200


def main() -> None:
    """Runs ingest until SIGTERM or SIGINT."""
    if sys.argv[1:]:
        sys.exit("usage: ocrstream-ingest (it reads its settings from the environment)")
    sys.exit(asyncio.run(_run(load_settings(IngestSettings))))


def create_api(dependencies: Dependencies, health: Health, origins: Sequence[str] = ()) -> FastAPI:
    """Builds the application and starts nothing. Web pages of `origins` may call it (CORS)."""
    app = create_http_api("Ocrstream ingest", "Submits images for OCR")
    app.state.dependencies = dependencies
    install_openapi(app)
    app.include_router(create_ops_router(SERVICE, health))
    app.include_router(images.router)
    app.include_router(batches.router)
    app.include_router(commands.router)
    if origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=origins,
            allow_methods=["GET", "POST"],
            allow_headers=["Content-Type", IDEMPOTENCY_KEY],
            expose_headers=["Retry-After"],
            max_age=_PREFLIGHT_MAX_AGE_S,
        )
    return app


async def _run(settings: IngestSettings) -> int:
    configure_logs(SERVICE, settings.log_level)
    configure_tracing(SERVICE)
    stop = stop_on_signals()
    publisher = Publisher(settings, SERVICE, settings.publish_timeout_s)
    dependencies = create_dependencies(settings, publisher)
    await asyncio.to_thread(dependencies.uploads.delete_stale)
    health = Health()
    health.add_check("kafka", publisher.check)
    health.add_check("object_store", ObjectStoreCheck(settings.object_root).check)
    try:
        return await run_service(
            create_api(dependencies, health, settings.origins),
            settings,
            stop,
            _connect(publisher, dependencies.worker_lag, settings, stop),
            dependencies.idempotency.delete_expired(stop),
        )
    finally:
        await publisher.stop()


async def _connect(
    publisher: Publisher, worker_lag: WorkerLag, settings: IngestSettings, stop: asyncio.Event
) -> None:
    """Connects once Kafka answers, then measures the lag and follows a change of the cluster."""
    servers = settings.kafka_bootstrap_servers

    async def connect() -> str:
        cluster_id = await find_cluster(servers)
        await publisher.start()
        return cluster_id

    try:
        cluster_id = await retry("Kafka", connect, (KafkaError, TopicsMissingError), stop)
    except StoppedError:
        logger.info("stopped before Kafka answered")
        return
    async with asyncio.TaskGroup() as group:
        group.create_task(worker_lag.run(stop))
        with contextlib.suppress(StoppedError):
            while True:
                async with Cluster(servers, cluster_id) as cluster:
                    await cancel_on(cluster.wait_for_change(), stop)
                publisher.renew()
                cluster_id = await wait_for_cluster(servers, stop)
