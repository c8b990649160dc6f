"""One child process for one job, so that no job can affect the next."""

from ocrstream_runtime.cpu_use import WALL_FACTOR
from ocrstream_sandbox.child_process import ChildProcess, ChildSpec, Job


async def run_job(spec: ChildSpec, content: bytes) -> bytes:
    """Starts a child, runs the job, ends the child and returns the result.

    Raises ChildUnavailableError if the child cannot start, ChildDiedError if it exited or hung at
    the job, and ChildStarvedError if it got too little CPU for either. A cancelled call ends the
    child.
    """
    child = await ChildProcess.start(spec, lambda: WALL_FACTOR)
    job = Job(0, content)
    try:
        child.submit(job)
        while not job.result.done() and await child.next_message() is not None:
            pass
    finally:
        cause = await child.shut_down()
    if not job.result.done():
        raise child.exit_error(cause)
    return job.result.result()
