"""A child that gives contents back reversed, and does what else its jobs say."""

import os
import signal
import sys
from collections.abc import Sequence

import msgspec

from ocrstream_sandbox.contents import ContentHandler, ContentJob, ContentResult
from ocrstream_sandbox.serve import serve


class OddContents(ContentHandler):
    """Lies if it is told to."""

    def handle(self, jobs: Sequence[bytes]) -> list[bytes]:
        match msgspec.msgpack.decode(jobs[0], type=ContentJob).job.split():
            case [b"claim", size]:
                return [msgspec.msgpack.encode(ContentResult(b"", int(size)))]
            case [b"babble"]:
                return [b"\xc1"]
            case _:
                return super().handle(jobs)


def do(job: bytes, content: bytes) -> tuple[bytes, bytes]:
    """The process' id as the answer."""
    if job == b"kill":
        os.kill(os.getpid(), signal.SIGKILL)
    if job == b"stop":
        os.kill(os.getpid(), signal.SIGSTOP)
    return b"%d" % os.getpid(), content[::-1]


if __name__ == "__main__":
    sys.exit(serve(lambda _: OddContents(do)))
