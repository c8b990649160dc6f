"""GET /v1/pictures: what an image path shows, for browsers."""

import asyncio
import hashlib
from collections.abc import AsyncGenerator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import Annotated, Any
from urllib.parse import unquote

from fastapi import APIRouter, Query, Request, Response
from pydantic import AfterValidator

from ocrstream_recorder.api.dispositions import disposition
from ocrstream_recorder.api.etags import matches
from ocrstream_recorder.api.parameters import storable
from ocrstream_recorder.errors import NoPictureError, Trouble
from ocrstream_recorder.export.archive import safe_name
from ocrstream_recorder.pictures.pool import PicturePool, WebPicture
from ocrstream_recorder.pictures.source import ImageSource, is_stored
from ocrstream_runtime.problems import Problem

router = APIRouter(prefix="/v1", tags=["images"])

_AT_ONCE, _MOST_WAITING = 4, 256
_KEPT_S = 300
# Another number for another picture of the same file.
_RULES = b"1"
_STATUSES = {
    Trouble.NOT_FOUND: 404,
    Trouble.REFUSED: 403,
    Trouble.ELSEWHERE: 409,
    Trouble.TOO_LARGE: 422,
    Trouble.UNDECODABLE: 422,
    Trouble.UNREACHABLE: 503,
}
_SUFFIXES = {"image/jpeg": ".jpg"}
_ALONE = "default-src 'none'; sandbox; frame-ancestors 'none'"

_RESPONSES: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "The picture, upright",
        "content": {f"image/{kind}": {} for kind in ("jpeg", "png", "webp", "gif")},
        "headers": {
            f"X-Picture-{side}": {
                "description": f"{side} of the whole image in pixels, which its boxes are in",
                "schema": {"type": "integer"},
            }
            for side in ("Width", "Height")
        },
    },
    304: {"description": "It is still that of the `ETag` in `If-None-Match`"},
    403: {"description": "It lies outside what may be shown, or is refused by its store"},
    404: {"description": "There is no such file or object"},
    409: {"description": "It is neither: where it is, the recorder does not read"},
    422: {"description": "It is no image, too large, or the request breaks its schema"},
    429: {"description": "Too many pictures at once"},
    503: {"description": "It cannot be read now; ask again"},
}
"""Beside the picture all are problem documents; its member `reason` is one of Trouble."""


class _Queue:
    """Lets some work at once, on threads of its own; others wait, up to a number."""

    def __init__(self) -> None:
        self.threads = ThreadPoolExecutor(_AT_ONCE, "picture")
        self._places = asyncio.Semaphore(_AT_ONCE)
        self._waiting = 0

    @asynccontextmanager
    async def place(self) -> AsyncGenerator[None]:
        """To work in, when it is one's turn. Raises Problem (429)."""
        if self._waiting >= _MOST_WAITING:
            raise Problem(
                429,
                "Too many pictures at once",
                "Ask again in a moment",
                headers={"Retry-After": "2"},
            )
        self._waiting += 1
        try:
            async with self._places:
                yield
        finally:
            self._waiting -= 1


class Pictures:
    """Reads images and has pictures made, a few at once, on threads: what is read from may hang."""

    def __init__(self, source: ImageSource, pool: PicturePool) -> None:
        self._source = source
        self._pool = pool
        # A store that is slow, or away, holds up no file.
        self._files, self._objects = _Queue(), _Queue()

    async def answer(self, request: Request, reference: str, width: int | None) -> Response:
        """The picture, or that it is still the same. Raises Problem."""
        queue = self._objects if is_stored(reference) else self._files
        async with queue.place():
            # Whoever scrolls on does not wait for what has left the screen.
            if await request.is_disconnected():
                return Response(status_code=204)
            known = request.headers.get("if-none-match", "")
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(queue.threads, self._answer, reference, width, known)

    def _answer(self, reference: str, width: int | None, known: str) -> Response:
        try:
            content = self._source.read(reference)
            etag = _etag(content, width)
            if matches(etag, known):
                return Response(status_code=304, headers=_kept(etag))
            picture = self._pool.make(content, width=width, may_stay=True)
        except NoPictureError as error:
            raise _problem(error) from error
        return Response(picture.content, headers=_kept(etag) | _headers(picture, reference))


@router.get("/pictures", response_class=Response, responses=_RESPONSES)
async def read_picture(
    request: Request,
    image_path: Annotated[str, Query(min_length=1, max_length=255), AfterValidator(storable)],
    width: Annotated[
        int | None,
        Query(ge=16, le=4096, description="For a smaller picture: so many pixels wide at most"),
    ] = None,
) -> Response:
    """What an image path shows, upright as it was read, so that its text boxes fit.

    Of a file beneath the folders that may be shown, uploads among them, or of an object of the
    stores that may be.
    """
    pictures: Pictures = request.app.state.pictures
    return await pictures.answer(request, image_path, width)


def _etag(content: bytes, width: int | None) -> str:
    salt = b"%s,%d" % (_RULES, width or 0)
    return f'"{hashlib.blake2b(content, digest_size=16, salt=salt).hexdigest()}"'


def _kept(etag: str) -> dict[str, str]:
    return {"ETag": etag, "Cache-Control": f"private, max-age={_KEPT_S}"}


def _headers(picture: WebPicture, reference: str) -> dict[str, str]:
    kind = picture.media_type
    suffix = _SUFFIXES.get(kind, "." + kind.removeprefix("image/"))
    name = unquote(reference.rpartition("/")[2]).rpartition(".")[0]
    return {
        "Content-Type": kind,
        "Content-Disposition": disposition("inline", safe_name(name, "picture") + suffix),
        "Content-Security-Policy": _ALONE,
        "Cross-Origin-Resource-Policy": "same-origin",
        "X-Content-Type-Options": "nosniff",
        "X-Picture-Width": str(picture.width),
        "X-Picture-Height": str(picture.height),
    }


def _problem(error: NoPictureError) -> Problem:
    return Problem(
        _STATUSES[error.trouble],
        "No picture",
        str(error),
        headers={"Retry-After": "2"} if error.trouble is Trouble.UNREACHABLE else None,
        reason=error.trouble,
    )
