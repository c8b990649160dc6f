"""Ingest's composition root: settings, wiring, life and end."""

import asyncio
import sys

import structlog
from aiokafka.errors import KafkaError
from fastapi import FastAPI
from faststream.kafka import KafkaBroker

from ocrstream_ingest.body_limit import BodyLimit
from ocrstream_ingest.publisher import Publisher
from ocrstream_ingest.routes import router
from ocrstream_ingest.settings import IngestSettings
from ocrstream_ingest.uploads import Uploads
from ocrstream_runtime.health import Health, NotReady, create_ops_router
from ocrstream_runtime.kafka import PRODUCER_OPTIONS
from ocrstream_runtime.lifecycle import Stopped, keep_trying, unless_stopped
from ocrstream_runtime.logs import configure_logs
from ocrstream_runtime.problems import install_problem_handlers
from ocrstream_runtime.server import stop_on_signals
from ocrstream_runtime.service import run_service
from ocrstream_runtime.settings import load_settings
from ocrstream_runtime.topics import TopicsMissingError, find_cluster
from ocrstream_runtime.tracing import HTTP_TELEMETRY, configure_tracing

logger = structlog.get_logger(__name__)

SERVICE = "ocrstream-ingest"
_PING_TIMEOUT_S = 2.0


class ProducerFailed(Exception):
    """The producer can never send again; only a new process can."""


def main() -> None:
    """Accepts images over HTTP until it is told to stop."""
    if sys.argv[1:]:
        sys.exit("usage: ocrstream-ingest; settings come from the environment")
    sys.exit(asyncio.run(_run(load_settings(IngestSettings))))


def create_api(publisher: Publisher, uploads: Uploads, health: Health, max_bytes: int) -> FastAPI:
    """The application; it starts nothing. `max_bytes` bounds a request's body."""
    app = FastAPI(
        title="Ocrstream ingest",
        summary="Submit images to be read",
        version="1",
        telemetry=HTTP_TELEMETRY,
    )
    app.state.publisher = publisher
    app.state.uploads = uploads
    app.add_middleware(BodyLimit, max_bytes=max_bytes)
    install_problem_handlers(app)
    app.include_router(create_ops_router(health))
    app.include_router(router)
    return app


async def _run(settings: IngestSettings) -> int:
    configure_logs(SERVICE, settings.log_level)
    configure_tracing(SERVICE)
    stop = stop_on_signals()
    broker = KafkaBroker(
        settings.kafka_bootstrap_servers,
        client_id=SERVICE,
        allow_auto_create_topics=False,
        logger=None,
        **PRODUCER_OPTIONS,
    )
    publisher = Publisher(broker, settings.publish_timeout_s)
    health = Health()

    async def check_kafka() -> None:
        if not await broker.ping(_PING_TIMEOUT_S):
            raise NotReady("no broker answers")

    health.add_check("kafka", check_kafka)
    uploads = Uploads(settings.object_root, settings.max_upload_bytes)
    api = create_api(publisher, uploads, health, settings.max_request_bytes)
    try:
        return await run_service(
            api, settings, stop, _connect(broker, settings, stop), _watch(publisher, stop)
        )
    finally:
        await broker.stop()


async def _connect(broker: KafkaBroker, settings: IngestSettings, stop: asyncio.Event) -> None:
    async def connect() -> None:
        await find_cluster(settings.kafka_bootstrap_servers)
        await broker.start()

    try:
        await keep_trying("Kafka", connect, (KafkaError, TopicsMissingError), stop)
    except Stopped:
        logger.info("stopped before Kafka was there")


async def _watch(publisher: Publisher, stop: asyncio.Event) -> None:
    """Raises ProducerFailed when nothing can be published any more."""
    try:
        await unless_stopped(publisher.failed.wait(), stop)
    except Stopped:
        return
    raise ProducerFailed
