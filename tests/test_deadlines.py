"""A deadline passes while recorders die: the batch is cancelled, by one command."""

import secrets
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from whole_system import System

from ocrstream_local import processes
from ocrstream_schemas.topics import BATCHES_COMMANDS

pytestmark = [pytest.mark.integration, pytest.mark.timeout(240)]

REPLICAS = ("recorder", "recorder-2", "recorder-3")


async def commands(system: System, batch_id: str) -> list[bytes]:
    """What the topic holds for a batch."""
    return [value for value in await system.read(BATCHES_COMMANDS) if batch_id.encode() in value]


async def test_a_deadline_passes(bare_system: System) -> None:
    system, batch_id, done = bare_system, secrets.token_hex(8), secrets.token_hex(8)
    for name in REPLICAS:
        system.start(name, wait=False)
    for name in REPLICAS:
        system.wait(name)
    deadline = datetime.now(UTC) + timedelta(seconds=6)

    def announcement(name: str, total: int) -> tuple[str, bytes, Any]:
        event: dict[str, Any] = {"type": "BatchSubmitted", "batch_id": name, "total_images": total}
        return BATCHES_COMMANDS, name.encode(), event | {"options": {"deadline": str(deadline)}}

    await system.send(announcement(batch_id, 3), announcement(done, 0))
    system.ended(done)
    for name in REPLICAS[1:]:
        processes.kill(system.processes[name])
    batch = system.ended(batch_id)
    assert (batch["status"], batch["revoked_images"]) == ("REVOKED", 3)
    assert datetime.fromisoformat(batch["finished_at"]) >= deadline
    for name in REPLICAS[1:]:
        system.start(name)
    told = await commands(system, batch_id)
    assert len([value for value in told if b"BatchRevoked" in value]) == 1
    assert len(await commands(system, done)) == 1
