"""Sends one message to a webhook, signed after Standard Webhooks.

https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
"""

import asyncio
import base64
import hmac
import time
from collections.abc import Sequence

import httpcore

from ocrstream_recorder.errors import DeliveryFailedError
from ocrstream_runtime.errors import AddressRefusedError, UnknownHostError
from ocrstream_schemas.batch_options import WebhookUrl

_GONE = 410


def signature(keys: Sequence[bytes], message_id: str, timestamp_s: int, body: bytes) -> str:
    """The header `webhook-signature`: one signature for each key, any of which may be checked."""
    signed = f"{message_id}.{timestamp_s}.".encode() + body
    macs = (hmac.digest(key, signed, "sha256") for key in keys)
    return " ".join(f"v1,{base64.b64encode(mac).decode()}" for mac in macs)


class WebhookClient:
    """Posts messages. `timeout_s` bounds all of a request, from the name's look-up on."""

    def __init__(
        self, keys: Sequence[bytes], backend: httpcore.AsyncNetworkBackend, timeout_s: float
    ) -> None:
        self._keys = keys
        self._timeout_s = timeout_s
        # A connection serves one message: the next one's name is looked up and checked again.
        self._pool = httpcore.AsyncConnectionPool(
            network_backend=backend, max_connections=None, max_keepalive_connections=0
        )

    async def post(self, url: WebhookUrl, message_id: str, body: bytes) -> None:
        """Returns when the receiver has answered with success; raises DeliveryFailedError.

        Redirects are not followed, and of the answer only its head is read.
        """
        timestamp_s = int(time.time())
        headers: dict[str | bytes, str | bytes] = {
            "content-type": "application/json",
            "user-agent": "ocrstream",
            "webhook-id": message_id,
            "webhook-timestamp": str(timestamp_s),
            "webhook-signature": signature(self._keys, message_id, timestamp_s, body),
        }
        try:
            async with (
                asyncio.timeout(self._timeout_s),
                self._pool.stream("POST", url.url, headers=headers, content=body) as response,
            ):
                _check(response)
        except TimeoutError as error:
            raise DeliveryFailedError(f"no answer within {self._timeout_s:g} s") from error
        except (AddressRefusedError, UnknownHostError) as error:
            raise DeliveryFailedError(str(error)) from error
        except httpcore.ProtocolError as error:
            raise DeliveryFailedError("the answer is no HTTP, or too large") from error
        except (httpcore.NetworkError, httpcore.TimeoutException) as error:
            raise DeliveryFailedError(
                f"the connection failed: {error or type(error).__name__}"
            ) from error

    async def close(self) -> None:
        """Close what is open."""
        await self._pool.aclose()


def _check(response: httpcore.Response) -> None:
    status = response.status
    if 200 <= status < 300:
        return
    if 300 <= status < 400:
        raise DeliveryFailedError(f"answered {status}; redirects are not followed")
    headers = {name.lower(): value for name, value in response.headers}
    retry_after = headers.get(b"retry-after", b"")
    raise DeliveryFailedError(
        f"answered {status}",
        final=status == _GONE,
        retry_after_s=float(retry_after) if retry_after.isdigit() else None,
    )
