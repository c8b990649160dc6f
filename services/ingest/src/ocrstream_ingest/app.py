"""Ingest's composition root: settings, wiring, life and end."""

import asyncio
import contextlib
import sys
from collections.abc import Sequence

import structlog
from aiokafka.errors import KafkaError
from fastapi import FastAPI
from fastapi.middleware.cors import CORSMiddleware

from ocrstream_ingest import batches, commands, images
from ocrstream_ingest.backlog import Backlog
from ocrstream_ingest.idempotency import IDEMPOTENCY_KEY
from ocrstream_ingest.object_store_check import ObjectStoreCheck
from ocrstream_ingest.openapi import install_openapi
from ocrstream_ingest.parts import Parts, create_parts
from ocrstream_ingest.publisher import Publisher
from ocrstream_ingest.settings import IngestSettings
from ocrstream_runtime.cluster import Cluster, wait_for_cluster
from ocrstream_runtime.health import Health, create_ops_router
from ocrstream_runtime.lifecycle import Stopped, cancel_on
from ocrstream_runtime.logs import configure_logs
from ocrstream_runtime.problems import install_problem_handlers
from ocrstream_runtime.retries import retry
from ocrstream_runtime.server import stop_on_signals
from ocrstream_runtime.service import run_service
from ocrstream_runtime.settings import load_settings
from ocrstream_runtime.topics import TopicsMissingError, find_cluster
from ocrstream_runtime.tracing import HTTP_TELEMETRY, configure_tracing

logger = structlog.get_logger(__name__)

SERVICE = "ocrstream-ingest"
# The longest that any browser keeps an answer to whether it may send.
_PREFLIGHT_KEPT_S = 7200


def main() -> None:
    """Accepts images over HTTP until it is told to stop."""
    if sys.argv[1:]:
        sys.exit("usage: ocrstream-ingest; settings come from the environment")
    sys.exit(asyncio.run(_run(load_settings(IngestSettings))))


def create_api(parts: Parts, health: Health, origins: Sequence[str] = ()) -> FastAPI:
    """The application; it starts nothing. Pages of `origins` may use it from browsers."""
    app = FastAPI(
        title="Ocrstream ingest",
        summary="Submit images to be read",
        version="1",
        telemetry=HTTP_TELEMETRY,
    )
    app.state.parts = parts
    install_problem_handlers(app)
    install_openapi(app)
    app.include_router(create_ops_router(health))
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
            max_age=_PREFLIGHT_KEPT_S,
        )
    return app


async def _run(settings: IngestSettings) -> int:
    configure_logs(SERVICE, settings.log_level)
    configure_tracing(SERVICE)
    stop = stop_on_signals()
    publisher = Publisher(settings, SERVICE, settings.publish_timeout_s)
    parts = create_parts(settings, publisher)
    await asyncio.to_thread(parts.uploads.remove_left_overs)
    health = Health()
    health.add_check("kafka", publisher.check)
    health.add_check("object_store", ObjectStoreCheck(settings.object_root).check)
    try:
        return await run_service(
            create_api(parts, health, settings.origins),
            settings,
            stop,
            _connect(publisher, parts.backlog, settings, stop),
            parts.attempts.sweep(stop),
        )
    finally:
        await publisher.stop()


async def _connect(
    publisher: Publisher, backlog: Backlog, settings: IngestSettings, stop: asyncio.Event
) -> None:
    """Connect once Kafka is there, then measure what waits and go over to any other cluster."""
    servers = settings.kafka_bootstrap_servers

    async def connect() -> str:
        cluster_id = await find_cluster(servers)
        await publisher.start()
        return cluster_id

    try:
        cluster_id = await retry("Kafka", connect, (KafkaError, TopicsMissingError), stop)
    except Stopped:
        logger.info("stopped before Kafka was there")
        return
    async with asyncio.TaskGroup() as group:
        group.create_task(backlog.run(stop))
        with contextlib.suppress(Stopped):
            while True:
                async with Cluster(servers, cluster_id) as cluster:
                    await cancel_on(cluster.until_changed(), stop)
                publisher.renew()
                cluster_id = await wait_for_cluster(servers, stop)
