"""The recorder's API: what it has written, what to do with dead letters, and what to read again."""

from pathlib import Path

from fastapi import FastAPI
from sqlalchemy.ext.asyncio import AsyncEngine

from ocrstream_recorder.api import (
    batches,
    chains,
    dead_letters,
    events,
    exports,
    images,
    lag,
    pictures,
    rereads,
    search,
    stats,
    tasks,
    workers,
)
from ocrstream_recorder.api.answer_cache import AnswerCache
from ocrstream_recorder.api.dashboard import BUILT, install_dashboard
from ocrstream_recorder.api.databases import ReadDatabase
from ocrstream_recorder.api.etags import ETags
from ocrstream_recorder.api.path_segments import PathSegments
from ocrstream_recorder.api.reading import REFUSALS, RESPONSES
from ocrstream_recorder.database.zone import DatabaseZone
from ocrstream_recorder.dead_letters.records import DeadLetterRecords
from ocrstream_recorder.monitoring.consumer_lag import LagReader
from ocrstream_recorder.monitoring.worker_registry import WorkerRegistry
from ocrstream_recorder.pictures.pool import PicturePool
from ocrstream_recorder.pictures.source import NO_IMAGES, ImageSource
from ocrstream_recorder.progress.batch_watcher import BatchWatcher
from ocrstream_runtime.health import Health, create_ops_router
from ocrstream_runtime.problems import install_problem_handlers
from ocrstream_runtime.tracing import HTTP_TELEMETRY


def create_api(
    database: ReadDatabase,
    zone: DatabaseZone,
    health: Health,
    letter_box: DeadLetterRecords,
    *,
    writing_engine: AsyncEngine | None = None,
    image_source: ImageSource = NO_IMAGES,
    fleet: WorkerRegistry | None = None,
    batch_watcher: BatchWatcher | None = None,
    lag_reader: LagReader | None = None,
    ingest_url: str = "",
    dashboard: Path = BUILT,
) -> FastAPI:
    """The application; what it reads and writes through stays the caller's, and it starts nothing.

    `writing_engine` marks dead letters and notes rereads; without it neither can be. What
    `image_source` reads is shown. Without a `fleet` that somebody fills, and a `batch_watcher` and
    a `lag_reader` that somebody runs, it knows no workers, tells no events and knows no lag, and
    says so. The `dashboard` in that folder submits to `ingest_url`.
    """
    app = FastAPI(
        title="Ocrstream recorder",
        summary="Batches, images, chains and tasks as the events tell them",
        version="1",
        telemetry=HTTP_TELEMETRY,
    )
    app.state.database = database
    app.state.answers = AnswerCache(database.quick)
    app.state.searches = search.Searches(database.searches)
    app.state.writing_engine = writing_engine or database.engine
    app.state.zone = zone
    app.state.letter_box = letter_box
    pool = PicturePool()
    app.state.exports = exports.Exports(database.engine, zone, image_source, pool)
    app.state.pictures = pictures.Pictures(image_source, pool)
    app.state.fleet = fleet or WorkerRegistry()
    app.state.batch_watcher = batch_watcher
    app.state.lag = lag_reader
    install_problem_handlers(app)
    app.include_router(create_ops_router(health))
    # A request is compared with one after the other, so what is asked most comes first.
    for router in (
        batches.cached,
        images.cached,
        search.router,
        batches.router,
        chains.router,
        tasks.router,
        images.router,
        stats.router,
    ):
        app.include_router(router, responses=RESPONSES)
    for subject in (events, exports, pictures, workers, lag, dead_letters, rereads):
        app.include_router(subject.router, responses=REFUSALS)
    install_dashboard(app, ingest_url, dashboard)
    app.add_middleware(ETags, prefix="/v1/")
    app.add_middleware(PathSegments)
    return app
