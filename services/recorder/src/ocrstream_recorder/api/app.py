"""The recorder's API: what it has written, and what to do with dead letters."""

from fastapi import FastAPI
from sqlalchemy.ext.asyncio import AsyncEngine

from ocrstream_recorder.api import batches, chains, dead_letters, images, tasks
from ocrstream_recorder.api.path_segments import PathSegments
from ocrstream_recorder.letter_box import LetterBox
from ocrstream_recorder.store.zone import DatabaseZone
from ocrstream_runtime.health import Health, create_ops_router
from ocrstream_runtime.problems import install_problem_handlers
from ocrstream_runtime.tracing import HTTP_TELEMETRY


def create_api(
    engine: AsyncEngine, zone: DatabaseZone, health: Health, letter_box: LetterBox
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
    install_problem_handlers(app)
    app.include_router(create_ops_router(health))
    for subject in (batches, chains, tasks, images, dead_letters):
        app.include_router(subject.router)
    app.add_middleware(PathSegments)
    return app
