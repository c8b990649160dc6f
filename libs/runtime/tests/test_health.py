"""Readiness and liveness."""

from ocrstream_runtime.errors import NotReadyError
from ocrstream_runtime.health import Health


async def test_a_check_that_is_added_while_others_are_asked_counts_the_next_time() -> None:
    health = Health()

    async def late() -> None:
        raise NotReadyError("late")

    async def first() -> None:
        health.add_check("late", late)

    health.add_check("first", first)
    assert await health.run_checks() == {"first": None}
    assert await health.run_checks() == {"first": None, "late": "NotReadyError: late"}
