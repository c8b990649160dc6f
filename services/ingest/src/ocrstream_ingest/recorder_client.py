"""Queries the recorder's read API."""

from http import HTTPStatus
from urllib.parse import quote

import httpx
import msgspec

from ocrstream_runtime.errors import ProblemError

_TIMEOUT_S = 5.0


class _Batch(msgspec.Struct):
    run: int


class RecorderClient:
    """Queries the recorder at `url`; an empty `url` means that no recorder is configured."""

    def __init__(self, url: str) -> None:
        self._url = url.rstrip("/")

    def batch_url(self, batch_id: str, suffix: str = "") -> str | None:
        """Returns the URL of a batch in the read API; None if no recorder is configured."""
        if not self._url:
            return None
        return f"{self._url}/v1/batches/{quote(batch_id, safe='')}{suffix}"

    async def fetch_run(self, batch_id: str) -> int:
        """Returns the current run of a batch.

        Raises ProblemError: 404 if the recorder does not know the batch, 503 if it does not answer.
        """
        url = self.batch_url(batch_id)
        if url is None:
            raise _unavailable("ingest does not know its address: set RECORDER_URL")
        try:
            async with httpx.AsyncClient(timeout=_TIMEOUT_S) as client:
                response = await client.get(url)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise _unavailable(f"{self._url} does not answer ({type(error).__name__})") from error
        if response.status_code == HTTPStatus.NOT_FOUND:
            raise ProblemError(
                404,
                "No such batch",
                f"The recorder does not know batch {batch_id!r}; a new batch takes a moment",
            )
        if response.status_code != HTTPStatus.OK:
            raise _unavailable(f"{self._url} answers {response.status_code}")
        try:
            return msgspec.json.decode(response.content, type=_Batch).run
        except msgspec.DecodeError as error:
            raise _unavailable(f"{self._url} answers with something other than a batch") from error


def _unavailable(reason: str) -> ProblemError:
    return ProblemError(
        503,
        "Recorder unavailable",
        f"Ingest asks the recorder which run to cancel, but {reason}. Nothing is cancelled; try"
        " again, or send BatchRevoked to batches.commands",
        headers={"Retry-After": "5"},
    )
