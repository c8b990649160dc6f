"""The recorder's API: what it has written, and what to do with dead letters."""

from fastapi import FastAPI
from sqlalchemy.ext.asyncio import AsyncEngine

from ocrstream_recorder.api import batches, chains, dead_letters, images, stats, tasks
from ocrstream_recorder.api.etags import ETags
from ocrstream_recorder.api.path_segments import PathSegments
from ocrstream_recorder.api.reading import RESPONSES
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
    *,
    writing_engine: AsyncEngine | None = None,
) -> FastAPI:
    """The application; engines stay the caller's, and it starts nothing.

    `engine` reads; `writing_engine` marks dead letters, and is the same if not given.
    """
    app = FastAPI(
        title="Ocrstream recorder",
        summary="Batches, images, chains and tasks as the events tell them",
        version="1",
        telemetry=HTTP_TELEMETRY,
    )
    app.state.engine = engine
    app.state.writing_engine = writing_engine or engine
    app.state.zone = zone
    app.state.letter_box = letter_box
    install_problem_handlers(app)
    app.include_router(create_ops_router(health))
    for subject in (batches, chains, tasks, images, stats):
        app.include_router(subject.router, responses=RESPONSES)
    app.include_router(dead_letters.router)
    app.add_middleware(ETags, prefix="/v1/")
    app.add_middleware(PathSegments)
    return app
