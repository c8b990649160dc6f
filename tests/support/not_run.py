"""How a test says that this machine has not got what it needs."""

import os
from typing import NoReturn

import pytest

NOT_RUN = "not run: "


def not_run(what: str, why: object) -> NoReturn:
    """Skips the test, and the end of the output says why; under CI=true it fails instead."""
    reason = f"{NOT_RUN}{what}: {why}"
    if os.environ.get("CI", "").lower() in {"1", "true"}:
        pytest.fail(reason)
    pytest.skip(reason)
