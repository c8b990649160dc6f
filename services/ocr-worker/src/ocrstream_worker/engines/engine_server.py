"""The engine's process: recognises text in the pixels that lie in shared buffers.

A `ChildPool` runs it as `python -m ocrstream_worker.engines.engine_server`.
"""

import sys
from collections.abc import Sequence

import msgspec

from ocrstream_sandbox.errors import StartupFailedError
from ocrstream_sandbox.serve import describe_error, serve
from ocrstream_worker.engines.errors import EngineBrokenError, EngineUnavailableError
from ocrstream_worker.engines.factory import create_engine
from ocrstream_worker.engines.pixels import read_pixels
from ocrstream_worker.engines.port import (
    Engine,
    EngineSettings,
    RecognitionFailure,
    RecognitionOptions,
    RecognitionOutcome,
    RgbImage,
)


class RecognizeJob(msgspec.Struct, frozen=True):
    """A job: the buffer holds `height` by `width` pixels of three bytes."""

    buffer_fd: int
    height: int
    width: int
    options: RecognitionOptions


class EngineHandler:
    """Recognises the images of a batch in one call of the engine."""

    def __init__(self, settings: bytes) -> None:
        try:
            self._engine = create_engine(msgspec.msgpack.decode(settings, type=EngineSettings))
            self._engine.warm_up()
        except EngineUnavailableError as error:
            raise StartupFailedError(str(error)) from error

    @property
    def info(self) -> bytes:
        return msgspec.msgpack.encode(self._engine.info)

    def handle(self, jobs: Sequence[bytes]) -> list[bytes]:
        recognize_jobs = [msgspec.msgpack.decode(job, type=RecognizeJob) for job in jobs]
        images = [read_pixels(one.buffer_fd, one.height, one.width) for one in recognize_jobs]
        outcomes = recognize_each(self._engine, images, [one.options for one in recognize_jobs])
        return [msgspec.msgpack.encode(outcome) for outcome in outcomes]


def recognize_each(
    engine: Engine, images: Sequence[RgbImage], options: Sequence[RecognitionOptions]
) -> list[RecognitionOutcome]:
    """Returns an outcome for each image; an image that the engine fails on affects no other.

    Raises EngineBrokenError and MemoryError.
    """
    try:
        outcomes = engine.recognize(images, options)
    except (EngineBrokenError, MemoryError):
        raise
    except Exception as error:  # noqa: BLE001 - the engine's libraries may raise anything
        if len(images) == 1:
            return [RecognitionFailure(error=describe_error(error))]
        return [
            outcome
            for image, option in zip(images, options, strict=True)
            for outcome in recognize_each(engine, [image], [option])
        ]
    if len(outcomes) != len(images):
        raise EngineBrokenError(
            f"{engine.info.name} returned {len(outcomes)} outcomes for {len(images)} images"
        )
    return outcomes


if __name__ == "__main__":
    sys.exit(serve(EngineHandler))
