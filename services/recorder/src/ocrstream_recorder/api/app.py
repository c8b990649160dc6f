"""The recorder's API: what it has written, and what to do with dead letters."""

from fastapi import FastAPI
from sqlalchemy.ext.asyncio import AsyncEngine

from ocrstream_recorder.api import dead_letters, events
from ocrstream_recorder.api.routes import router
from ocrstream_recorder.batch_watcher import BatchWatcher
from ocrstream_recorder.letter_box import LetterBox
from ocrstream_recorder.store.zone import DatabaseZone
from ocrstream_runtime.health import Health, create_ops_router
from ocrstream_runtime.problems import install_problem_handlers
from ocrstream_runtime.tracing import HTTP_TELEMETRY


def create_api(
    engine: AsyncEngine,
    zone: DatabaseZone,
    health: Health,
    letter_box: LetterBox,
    batch_watcher: BatchWatcher,
) -> FastAPI:
    """The application; it reads through `engine`, which stays the caller's, and starts nothing."""
    app = FastAPI(
        title="Ocrstream recorder",
        summary="Batches, images, chains and tasks as the events tell them",
        version="1",
        telemetry=HTTP_TELEMETRY,
    )
    app.state.engine = engine
    app.state.zone = zone
    app.state.letter_box = letter_box
    app.state.batch_watcher = batch_watcher
    install_problem_handlers(app)
    app.include_router(create_ops_router(health))
    app.include_router(events.router)
    app.include_router(router)
    app.include_router(dead_letters.router)
    return app
