"""Delivers completions of batches to their webhooks, and tries again what failed.

Every replica does, several deliveries at a time. Which are due stands in the database, so nothing
is lost with a process; a receiver may get a revision twice, and knows it by `webhook-id`.
"""

import asyncio
import random
from collections.abc import Callable
from typing import Any
from uuid import NAMESPACE_DNS, uuid5

import structlog
from psycopg import Connection, Cursor

from ocrstream_recorder import recording_metrics
from ocrstream_recorder.database.connections import Database
from ocrstream_recorder.errors import DatabaseUnavailableError, DeliveryFailedError
from ocrstream_recorder.outbox import webhook_rows
from ocrstream_recorder.outbox.webhook_client import WebhookClient
from ocrstream_recorder.outbox.webhook_rows import DeliveryAttempt
from ocrstream_runtime.background_loop import BackgroundLoop
from ocrstream_schemas.batch_options import WebhookUrl, parse_webhook_url
from ocrstream_schemas.errors import InvalidOptionError

logger = structlog.get_logger(__name__)

_MESSAGE_NAMESPACE = uuid5(NAMESPACE_DNS, "webhook.ocrstream")
_AT_ONCE = 16
_INTERVAL_S = 1.0
_FIRST_BACKOFF_S = 5.0
_BACKOFF_FACTOR = 3.0
_LONGEST_BACKOFF_S = 3 * 3600.0

OFF = "webhooks are off: OCRSTREAM_WEBHOOK_SECRET is not set"


class WebhookSender:
    """Delivers until told to stop; `client` None: webhooks are off, and each delivery says so.

    `timeout_s` is how long the client takes at most. `woken` makes it look at once.
    """

    def __init__(
        self,
        database: Database,
        client: WebhookClient | None,
        *,
        timeout_s: float,
        give_up_after_s: float,
    ) -> None:
        self._database = database
        self._client = client
        self._lease_s = 2 * timeout_s + 5
        self._give_up_after_s = give_up_after_s
        self._in_flight = 0
        self.woken = asyncio.Event()

    async def run(self, stop: asyncio.Event) -> None:
        """Deliver until `stop` is set; then what is under way is finished."""
        try:
            async with asyncio.TaskGroup() as group:
                loop = BackgroundLoop(
                    "webhook sender",
                    lambda: self._start_deliveries(group),
                    interval_s=_INTERVAL_S,
                    retry_on=(DatabaseUnavailableError,),
                    wake=self.woken,
                )
                await loop.run(stop)
        finally:
            if self._client is not None:
                await self._client.close()

    async def _start_deliveries(self, group: asyncio.TaskGroup) -> None:
        for attempt in await self._claim():
            self._in_flight += 1
            group.create_task(self._deliver(attempt))

    async def _claim(self) -> list[DeliveryAttempt]:
        room = _AT_ONCE - self._in_flight
        if not room:
            return []

        def claim(connection: Connection[Any]) -> list[DeliveryAttempt]:
            with connection.cursor() as cursor:
                return webhook_rows.claim(cursor, room, self._lease_s)

        return await self._database.run(claim)

    async def _deliver(self, attempt: DeliveryAttempt) -> None:
        url: WebhookUrl | None = None
        try:
            if self._client is None:
                raise DeliveryFailedError(OFF, final=True)
            try:
                url = parse_webhook_url(attempt.delivery.url)
            except InvalidOptionError as error:
                raise DeliveryFailedError(str(error), final=True) from error
            await self._client.post(url, message_id(attempt), attempt.delivery.value)
        except DeliveryFailedError as failure:
            await self._failed(attempt, url, failure)
        else:
            recording_metrics.WEBHOOK_ATTEMPTS.labels("delivered").inc()
            await self._write(lambda cursor: webhook_rows.delivered(cursor, attempt))
        finally:
            self._in_flight -= 1
            self.woken.set()

    async def _failed(
        self, attempt: DeliveryAttempt, url: WebhookUrl | None, failure: DeliveryFailedError
    ) -> None:
        again_in_s = backoff_s(attempt.number, failure.retry_after_s)
        gives_up = failure.final or attempt.age_s + again_in_s > self._give_up_after_s
        recording_metrics.WEBHOOK_ATTEMPTS.labels("gave_up" if gives_up else "failed").inc()
        logger.warning(
            "webhook not delivered",
            batch_id=attempt.delivery.batch_id,
            revision=attempt.delivery.revision,
            # Path and query may hold secrets.
            receiver=None if url is None else url.origin,
            attempt=attempt.number,
            error=str(failure),
            again_in_s=None if gives_up else round(again_in_s, 1),
        )
        await self._write(
            lambda cursor: webhook_rows.failed(
                cursor, attempt, str(failure), None if gives_up else again_in_s
            )
        )

    async def _write(self, change: Callable[[Cursor[Any]], None]) -> None:
        """Write how an attempt ended; if the database is unavailable, the attempt's lease ends."""

        def write(connection: Connection[Any]) -> None:
            with connection.cursor() as cursor:
                change(cursor)

        try:
            await self._database.run(write)
        except DatabaseUnavailableError as error:
            logger.warning("deliveries cannot be kept now", error=str(error))


def message_id(attempt: DeliveryAttempt) -> str:
    """The same for every attempt at a revision; text that any header can hold."""
    return str(
        uuid5(_MESSAGE_NAMESPACE, f"{attempt.delivery.batch_id}:{attempt.delivery.revision}")
    )


def backoff_s(attempt: int, retry_after_s: float | None) -> float:
    """How long to wait after attempt number `attempt`, by chance, so that not all come at once."""
    # The exponent is bounded: the longest wait is reached long before it overflows.
    longest = min(_FIRST_BACKOFF_S * _BACKOFF_FACTOR ** min(attempt - 1, 50), _LONGEST_BACKOFF_S)
    chosen = random.uniform(longest / 2, longest)  # noqa: S311 - it keeps no secret
    return max(chosen, min(retry_after_s or 0.0, _LONGEST_BACKOFF_S))
