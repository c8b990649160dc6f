"""The processes that make pictures: a few, begun when needed, ended and replaced when they die."""

from dataclasses import dataclass

import msgspec

from ocrstream_recorder.errors import NoPictureError, Trouble
from ocrstream_recorder.pictures.wire import Answer, Made, Refused, Task
from ocrstream_sandbox.blocking import BlockingChildPool
from ocrstream_sandbox.child_process import ChildSpec
from ocrstream_sandbox.errors import ChildDiedError, ChildError
from ocrstream_sandbox.limits import ChildLimits

MAX_PIXELS = 100_000_000
PROCESSES = 2
_MEMORY_BYTES = 1024 * 1024 * 1024
_TIMEOUT_S = 60.0
_PICTURES_EACH = 500
_answers: msgspec.msgpack.Decoder[Answer] = msgspec.msgpack.Decoder(Answer)


@dataclass(frozen=True)
class WebPicture:
    """A picture as a file, upright; `width` and `height` are those of the whole image in pixels."""

    width: int
    height: int
    media_type: str
    content: bytes


class PicturePool:
    """Makes pictures, as many at once as there are processes. Blocks; for any thread."""

    def __init__(self, processes: int = PROCESSES) -> None:
        spec = ChildSpec(
            name="picture maker",
            module="ocrstream_recorder.pictures.child",
            job_timeout_s=_TIMEOUT_S,
            limits=ChildLimits(
                memory_bytes=_MEMORY_BYTES, expendable=True, recycle_jobs=_PICTURES_EACH
            ),
        )
        self._children = BlockingChildPool(spec, processes=processes)

    def make(
        self, content: bytes, *, width: int | None = None, may_stay: bool = False
    ) -> WebPicture:
        """The picture of an image file, see Task. Raises NoPictureError."""
        task = msgspec.msgpack.encode(Task(MAX_PIXELS, width, may_stay))
        try:
            said, picture = self._children.call(task, content)
            answer = _answers.decode(said)
        except (ChildDiedError, msgspec.DecodeError) as error:
            raise NoPictureError(
                "reading it takes more memory or time than is given, or it is broken",
                Trouble.UNDECODABLE,
            ) from error
        except (ChildError, MemoryError) as error:
            # No fault of the image.
            raise NoPictureError(
                f"no picture can be made now: {error}", Trouble.UNREACHABLE
            ) from error
        match answer:
            case Refused(why, too_large):
                raise NoPictureError(why, Trouble.TOO_LARGE if too_large else Trouble.UNDECODABLE)
            case Made(whole_width, whole_height, media_type):
                return WebPicture(whole_width, whole_height, media_type, picture or content)
