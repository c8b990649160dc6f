"""A child for one job alone, so that no job can leave anything behind for the next."""

from ocrstream_runtime.cpu_use import WALL_FACTOR
from ocrstream_sandbox.child_process import ChildProcess, ChildSpec, Job


async def run_job(spec: ChildSpec, content: bytes) -> bytes:
    """The answer of a child that is started for this job and ended after it.

    Raises ChildUnavailableError if none can be started; ChildDiedError if it ended or hung at the
    job; ChildStarvedError if it got too little CPU for either. Cancelled, it ends the child.
    """
    child = await ChildProcess.start(spec, lambda: WALL_FACTOR)
    job = Job(0, content)
    try:
        child.do(job)
        while not job.answer.done() and await child.next_message() is not None:
            pass
    finally:
        cause = await child.end()
    if not job.answer.done():
        raise child.death(cause)
    return job.answer.result()
