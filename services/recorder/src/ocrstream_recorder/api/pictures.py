"""Pictures: `/v1/pictures`, the image of an image path in a form that browsers show."""

import asyncio
import hashlib
from collections.abc import AsyncGenerator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import Annotated
from urllib.parse import unquote

from fastapi import APIRouter, Query, Request, Response

from ocrstream_recorder.api.etags import matches
from ocrstream_recorder.api.http import ImagePath, Responses, content_disposition
from ocrstream_recorder.export.archive import safe_name
from ocrstream_recorder.pictures.pool import PicturePool, WebPicture
from ocrstream_recorder.pictures.source import ImageSource, NoPictureError, is_in_store
from ocrstream_runtime.errors import FetchFailure, ProblemError

router = APIRouter(prefix="/v1", tags=["images"])

_CONCURRENCY, _MAX_WAITING = 4, 256
_MAX_AGE_S = 300
# A new version whenever the conversion gives another picture of the same file.
_CONVERSION_VERSION = b"1"
_STATUSES = {
    FetchFailure.NOT_FOUND: 404,
    FetchFailure.REFUSED: 403,
    FetchFailure.ELSEWHERE: 409,
    FetchFailure.TOO_LARGE: 422,
    FetchFailure.UNDECODABLE: 422,
    FetchFailure.UNREACHABLE: 503,
}
_SUFFIXES = {"image/jpeg": ".jpg"}
_CONTENT_POLICY = "default-src 'none'; sandbox; frame-ancestors 'none'"

_RESPONSES: Responses = {
    200: {
        "description": "The picture, upright",
        "content": {f"image/{kind}": {} for kind in ("jpeg", "png", "webp", "gif")},
        "headers": {
            f"X-Picture-{side}": {
                "description": f"{side} of the whole image in pixels, the unit of its boxes",
                "schema": {"type": "integer"},
            }
            for side in ("Width", "Height")
        },
    },
    304: {"description": "The picture is still that of the `ETag` in `If-None-Match`"},
    403: {"description": "The path is not in an allowed folder or store, or its store refuses it"},
    404: {"description": "The file or object does not exist"},
    409: {"description": "The recorder does not read from references of this scheme"},
    422: {"description": "The file is no image or too large, or the request breaks its schema"},
    429: {"description": "Too many pictures at once"},
    503: {"description": "The image is unreachable now; try again"},
}
"""All but the picture are problem documents, whose member `reason` is a `FetchFailure`."""


class _Queue:
    """Threads for a bounded number of pictures at once; a bounded number of others wait."""

    def __init__(self) -> None:
        self.threads = ThreadPoolExecutor(_CONCURRENCY, "picture")
        self._slots = asyncio.Semaphore(_CONCURRENCY)
        self._waiting = 0

    @asynccontextmanager
    async def slot(self) -> AsyncGenerator[None]:
        """Waits for a free thread. Raises ProblemError (429)."""
        if self._waiting >= _MAX_WAITING:
            raise ProblemError(
                429,
                "Too many pictures at once",
                "Try again in a moment",
                headers={"Retry-After": "2"},
            )
        self._waiting += 1
        try:
            async with self._slots:
                yield
        finally:
            self._waiting -= 1


class PictureRenderer:
    """Reads images and converts them to pictures, on threads: a file system or store may hang."""

    def __init__(self, source: ImageSource, pool: PicturePool) -> None:
        self._source = source
        self._pool = pool
        # A slow or unreachable store does not delay files.
        self._files, self._objects = _Queue(), _Queue()

    async def respond(self, request: Request, reference: str, width: int | None) -> Response:
        """The picture, or 304 if the client has it. Raises ProblemError."""
        queue = self._objects if is_in_store(reference) else self._files
        async with queue.slot():
            # A client that scrolled on has cancelled the pictures that left its screen.
            if await request.is_disconnected():
                return Response(status_code=204)
            known = request.headers.get("if-none-match", "")
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(queue.threads, self._respond, reference, width, known)

    def _respond(self, reference: str, width: int | None, known: str) -> Response:
        try:
            content = self._source.read(reference)
            etag = _etag(content, width)
            if matches(etag, known):
                return Response(status_code=304, headers=_caching_headers(etag))
            picture = self._pool.convert(content, width=width, keep_if_shown=True)
        except NoPictureError as error:
            raise _problem(error) from error
        return Response(
            picture.content, headers=_caching_headers(etag) | _headers(picture, reference)
        )


@router.get("/pictures", response_class=Response, responses=_RESPONSES)
async def read_picture(
    request: Request,
    image_path: ImagePath,
    width: Annotated[
        int | None,
        Query(
            ge=16,
            le=4096,
            description="The greatest width of the picture in pixels, for a smaller one",
        ),
    ] = None,
) -> Response:
    """The image of an image path, upright as the worker read it, so that its text boxes fit.

    The image is a file in an allowed folder, such as an upload, or an object in an allowed store.
    """
    renderer: PictureRenderer = request.app.state.pictures
    return await renderer.respond(request, image_path, width)


def _etag(content: bytes, width: int | None) -> str:
    salt = b"%s,%d" % (_CONVERSION_VERSION, width or 0)
    return f'"{hashlib.blake2b(content, digest_size=16, salt=salt).hexdigest()}"'


def _caching_headers(etag: str) -> dict[str, str]:
    return {"ETag": etag, "Cache-Control": f"private, max-age={_MAX_AGE_S}"}


def _headers(picture: WebPicture, reference: str) -> dict[str, str]:
    kind = picture.media_type
    suffix = _SUFFIXES.get(kind, "." + kind.removeprefix("image/"))
    name = unquote(reference.rpartition("/")[2]).rpartition(".")[0]
    return {
        "Content-Type": kind,
        "Content-Disposition": content_disposition("inline", safe_name(name, "picture") + suffix),
        "Content-Security-Policy": _CONTENT_POLICY,
        "Cross-Origin-Resource-Policy": "same-origin",
        "X-Content-Type-Options": "nosniff",
        "X-Picture-Width": str(picture.width),
        "X-Picture-Height": str(picture.height),
    }


def _problem(error: NoPictureError) -> ProblemError:
    return ProblemError(
        _STATUSES[error.failure],
        "No picture",
        str(error),
        headers={"Retry-After": "2"} if error.failure is FetchFailure.UNREACHABLE else None,
        reason=error.failure,
    )
