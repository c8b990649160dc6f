"""The baseline of uploads: a Starlette handler that writes the file, and no more."""

import asyncio
import os
import shutil
from pathlib import Path
from uuid import uuid4

import uvicorn
from starlette.applications import Starlette
from starlette.datastructures import UploadFile
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

FOLDER = Path(os.environ["BENCH_FOLDER"])


async def take(request: Request) -> PlainTextResponse:
    """Write the file; it is on the disk when this answers."""
    if request.method == "GET":
        return PlainTextResponse("ready")
    async with request.form() as form:
        file = form["files"]
        assert isinstance(file, UploadFile)
        await asyncio.to_thread(write, file)
    return PlainTextResponse("written")


def write(file: UploadFile) -> None:
    with (FOLDER / uuid4().hex).open("xb") as target:
        shutil.copyfileobj(file.file, target, 1 << 20)
        target.flush()
        os.fsync(target.fileno())


if __name__ == "__main__":
    FOLDER.mkdir(parents=True)
    application = Starlette(routes=[Route("/", take, methods=["GET", "POST"])])
    uvicorn.run(application, port=int(os.environ["BENCH_PORT"]), log_level="warning")
