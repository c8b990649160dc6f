"""What ingest asks the recorder's read API."""

from http import HTTPStatus
from urllib.parse import quote

import httpx
import msgspec

from ocrstream_runtime.problems import Problem

_TIMEOUT_S = 5.0


class _Batch(msgspec.Struct):
    run: int


class Recorder:
    """The recorder at `url`; empty if this ingest was told of none."""

    def __init__(self, url: str) -> None:
        self._url = url.rstrip("/")

    def link(self, batch_id: str, rest: str = "") -> str | None:
        """Where a batch is read."""
        if not self._url:
            return None
        return f"{self._url}/v1/batches/{quote(batch_id, safe='')}{rest}"

    async def run_of(self, batch_id: str) -> int:
        """The run that a batch is in.

        Raises Problem: 404 if the recorder knows of no such batch, 503 if it cannot be asked.
        """
        url = self.link(batch_id)
        if url is None:
            raise _unavailable("ingest was not told where it is: set RECORDER_URL for it")
        try:
            async with httpx.AsyncClient(timeout=_TIMEOUT_S) as client:
                answer = await client.get(url)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise _unavailable(f"{self._url} does not answer ({type(error).__name__})") from error
        if answer.status_code == HTTPStatus.NOT_FOUND:
            raise Problem(
                404,
                "No such batch",
                f"The recorder knows of no batch {batch_id!r}; one just submitted it knows in a"
                " moment",
            )
        if answer.status_code != HTTPStatus.OK:
            raise _unavailable(f"{self._url} answers {answer.status_code}")
        try:
            return msgspec.json.decode(answer.content, type=_Batch).run
        except msgspec.DecodeError as error:
            raise _unavailable(f"{self._url} answers something else than a batch") from error


def _unavailable(why: str) -> Problem:
    return Problem(
        503,
        "Recorder unavailable",
        f"The recorder must tell which run to cancel, and {why}. Nothing was cancelled; try again,"
        " or send BatchRevoked to batches.commands",
        headers={"Retry-After": "5"},
    )
