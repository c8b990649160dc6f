"""docTR's own tests need an environment that has it; `make test-doctr` makes one and runs them."""

from importlib.util import find_spec

import pytest

HAS_DOCTR = find_spec("doctr") is not None

collect_ignore = [] if HAS_DOCTR else ["doctr"]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say what was left to another command."""
    if not HAS_DOCTR:
        terminalreporter.write_line("docTR's tests are run by: make test-doctr", yellow=True)
