"""The child processes that convert images: started when needed, replaced when they die."""

from dataclasses import dataclass

import msgspec

from ocrstream_recorder.pictures.source import NoPictureError
from ocrstream_recorder.pictures.wire import (
    ConversionRefused,
    ConversionResult,
    ConversionTask,
    Converted,
)
from ocrstream_runtime.errors import FetchFailure
from ocrstream_sandbox.blocking import BlockingChildPool
from ocrstream_sandbox.child_process import ChildSpec
from ocrstream_sandbox.errors import ChildDiedError, ChildError
from ocrstream_sandbox.limits import ChildLimits

MAX_PIXELS = 100_000_000
PROCESSES = 2
_MEMORY_BYTES = 1024 * 1024 * 1024
_TIMEOUT_S = 60.0
_RECYCLE_PICTURES = 500
_results: msgspec.msgpack.Decoder[ConversionResult] = msgspec.msgpack.Decoder(ConversionResult)


@dataclass(frozen=True)
class WebPicture:
    """An upright picture; `width` and `height` are those of the whole image in pixels."""

    width: int
    height: int
    media_type: str
    content: bytes


class PicturePool:
    """Converts as many images at once as it has processes. Blocks; any thread may call it."""

    def __init__(self, processes: int = PROCESSES) -> None:
        spec = ChildSpec(
            name="picture maker",
            module="ocrstream_recorder.pictures.child",
            job_timeout_s=_TIMEOUT_S,
            limits=ChildLimits(
                memory_bytes=_MEMORY_BYTES, expendable=True, recycle_jobs=_RECYCLE_PICTURES
            ),
        )
        self._children = BlockingChildPool(spec, processes=processes)

    def convert(
        self, content: bytes, *, width: int | None = None, keep_if_shown: bool = False
    ) -> WebPicture:
        """The picture of an image file; see ConversionTask. Raises NoPictureError."""
        task = msgspec.msgpack.encode(ConversionTask(MAX_PIXELS, width, keep_if_shown))
        try:
            encoded, picture = self._children.call(task, content)
            result = _results.decode(encoded)
        except (ChildDiedError, msgspec.DecodeError) as error:
            raise NoPictureError(
                "reading it takes more memory or time than is given, or it is broken",
                FetchFailure.UNDECODABLE,
            ) from error
        except (ChildError, MemoryError) as error:
            # The image did not cause it.
            raise NoPictureError(
                f"no picture can be made now: {error}", FetchFailure.UNREACHABLE
            ) from error
        match result:
            case ConversionRefused(why, too_large):
                raise NoPictureError(
                    why, FetchFailure.TOO_LARGE if too_large else FetchFailure.UNDECODABLE
                )
            case Converted(whole_width, whole_height, media_type):
                return WebPicture(whole_width, whole_height, media_type, picture or content)
