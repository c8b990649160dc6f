"""Builds the recorder's API: recorded results, dead letters and reprocessing."""

from pathlib import Path

from fastapi import FastAPI
from sqlalchemy.ext.asyncio import AsyncEngine

from ocrstream_recorder.api import (
    batch_images,
    batches,
    chains,
    dead_letters,
    events,
    exports,
    images,
    lag,
    neighbours,
    pictures,
    reprocessings,
    result_versions,
    search,
    stats,
    tasks,
    workers,
)
from ocrstream_recorder.api.answer_cache import AnswerCache
from ocrstream_recorder.api.dashboard import BUILT, install_dashboard
from ocrstream_recorder.api.databases import ReadDatabase
from ocrstream_recorder.api.etags import ETags
from ocrstream_recorder.api.http import REFUSALS, RESPONSES, PathSegments
from ocrstream_recorder.database.zone import DatabaseZone
from ocrstream_recorder.dead_letters.records import DeadLetterRecords
from ocrstream_recorder.monitoring.consumer_lag import LagReader
from ocrstream_recorder.monitoring.worker_registry import WorkerRegistry
from ocrstream_recorder.pictures.pool import PicturePool
from ocrstream_recorder.pictures.source import NO_IMAGES, ImageSource
from ocrstream_recorder.progress.batch_watcher import BatchWatcher
from ocrstream_runtime.health import Health, create_ops_router
from ocrstream_runtime.http_api import create_http_api

SERVICE = "ocrstream-recorder-api"


def create_api(
    database: ReadDatabase,
    zone: DatabaseZone,
    health: Health,
    dead_letter_records: DeadLetterRecords,
    *,
    writing_engine: AsyncEngine | None = None,
    image_source: ImageSource = NO_IMAGES,
    worker_registry: WorkerRegistry | None = None,
    batch_watcher: BatchWatcher | None = None,
    lag_reader: LagReader | None = None,
    ingest_url: str = "",
    dashboard: Path = BUILT,
) -> FastAPI:
    """The application. It starts nothing, and its arguments stay the caller's.

    `writing_engine` writes marks of dead letters and requests for reprocessing; without it, both
    fail. `image_source` reads the images that pictures and PDFs show. The caller fills the
    `worker_registry` and runs the `batch_watcher` and the `lag_reader`; without them, the paths of
    workers, events and lag answer 503. `dashboard` is the folder of the built page, which submits
    to `ingest_url`.
    """
    app = create_http_api(
        "Ocrstream recorder", "Batches, images, chains and tasks as recorded from events"
    )
    app.state.database = database
    app.state.answer_cache = AnswerCache(database.quick)
    app.state.search_queries = search.SearchQueries(database.searches)
    app.state.writing_engine = writing_engine or database.engine
    app.state.zone = zone
    app.state.dead_letter_records = dead_letter_records
    pool = PicturePool()
    app.state.exports = exports.Exports(database.general, zone, image_source, pool)
    app.state.pictures = pictures.PictureRenderer(image_source, pool)
    app.state.worker_registry = worker_registry or WorkerRegistry()
    app.state.batch_watcher = batch_watcher
    app.state.lag_reader = lag_reader
    app.include_router(create_ops_router(SERVICE, health))
    # The router tries one path after the other, so the paths that are asked most come first.
    for router in (
        batches.cached,
        batch_images.cached,
        images.cached,
        search.router,
        batches.router,
        batch_images.router,
        neighbours.router,
        chains.router,
        tasks.router,
        images.router,
        stats.router,
    ):
        app.include_router(router, responses=RESPONSES)
    for resource in (
        events,
        exports,
        pictures,
        workers,
        lag,
        dead_letters,
        reprocessings,
        result_versions,
    ):
        app.include_router(resource.router, responses=REFUSALS)
    install_dashboard(app, ingest_url, dashboard)
    app.add_middleware(ETags, prefix="/v1/")
    app.add_middleware(PathSegments)
    return app
