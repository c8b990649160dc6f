"""A recorder dies between commit and delivery; the webhook is told nevertheless."""

import secrets
import threading
from http.server import BaseHTTPRequestHandler
from typing import Any

import pytest
from webhook_receiver import SECRET, webhook_receiver
from whole_system import System, eventually

from ocrstream_local import processes
from ocrstream_schemas.topics import BATCHES_COMMANDS

pytestmark = [pytest.mark.integration, pytest.mark.timeout(240)]

SETTINGS = {
    "OCRSTREAM_WEBHOOK_SECRET": SECRET,
    "OCRSTREAM_WEBHOOK_ALLOWED_NETWORKS": "127.0.0.0/8",
    "OCRSTREAM_WEBHOOK_TIMEOUT_S": "2",
}


async def test_killed_between_commit_and_delivery(bare_system: System) -> None:
    system, batch_id = bare_system, secrets.token_hex(8)
    over = threading.Event()

    def never(request: BaseHTTPRequestHandler) -> None:
        over.wait(60)

    def deliveries() -> list[dict[str, Any]]:
        page = system.get(f"/v1/batches/{batch_id}/webhooks")
        return [] if page is None else page["items"]

    with webhook_receiver() as receiver:
        receiver.answers = [never]
        system.start("recorder", wait=True, **SETTINGS)
        event = {
            "type": "BatchSubmitted",
            "batch_id": batch_id,
            "total_images": 0,
            "options": {"webhook_url": receiver.url},
        }
        await system.send((BATCHES_COMMANDS, batch_id.encode(), event))
        eventually("an attempt", lambda: receiver.messages or None)
        processes.kill(system.processes["recorder"])
        system.start("recorder", wait=True, **SETTINGS)
        eventually("another attempt", lambda: receiver.messages[1:] or None)
        over.set()
        (delivery,) = eventually(
            "a delivery",
            lambda: [one for one in deliveries() if one["state"] == "delivered"] or None,
        )
        assert (delivery["revision"], delivery["attempts"]) == (1, 2)
        first, second = receiver.messages
        assert first == second
