"""Readiness and liveness."""

from ocrstream_runtime.health import Health, NotReady


async def test_a_check_that_is_added_while_others_are_asked_counts_the_next_time() -> None:
    health = Health()

    async def late() -> None:
        raise NotReady("late")

    async def first() -> None:
        health.add_check("late", late)

    health.add_check("first", first)
    assert await health.troubles() == {}
    assert await health.troubles() == {"late": "NotReady: late"}
