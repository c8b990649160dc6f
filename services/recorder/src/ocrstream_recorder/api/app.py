"""The recorder's API: what it has written, what to do with dead letters, and what to read again."""

from fastapi import FastAPI
from sqlalchemy.ext.asyncio import AsyncEngine

from ocrstream_recorder.api import dead_letters, exports, rereads, search, workers
from ocrstream_recorder.api.routes import router
from ocrstream_recorder.fleet import Fleet
from ocrstream_recorder.letter_box import LetterBox
from ocrstream_recorder.store.zone import DatabaseZone
from ocrstream_runtime.health import Health, create_ops_router
from ocrstream_runtime.local_files import AllowedFolders
from ocrstream_runtime.problems import install_problem_handlers
from ocrstream_runtime.tracing import HTTP_TELEMETRY


def create_api(
    engine: AsyncEngine,
    zone: DatabaseZone,
    health: Health,
    letter_box: LetterBox,
    *,
    image_folders: AllowedFolders = exports.NO_FOLDERS,
    fleet: Fleet | None = None,
) -> FastAPI:
    """The application; it reads through `engine`, which stays the caller's, and starts nothing.

    PDFs show images of `image_folders`. Without a `fleet` that somebody fills it knows no workers,
    and says so.
    """
    app = FastAPI(
        title="Ocrstream recorder",
        summary="Batches, images, chains and tasks as the events tell them",
        version="1",
        telemetry=HTTP_TELEMETRY,
    )
    app.state.engine = engine
    app.state.zone = zone
    app.state.letter_box = letter_box
    app.state.exports = exports.Exports(engine, zone, image_folders)
    app.state.fleet = fleet or Fleet()
    install_problem_handlers(app)
    app.include_router(create_ops_router(health))
    app.include_router(exports.router)
    app.include_router(router)
    app.include_router(dead_letters.router)
    app.include_router(rereads.router)
    app.include_router(search.router)
    app.include_router(workers.router)
    return app
