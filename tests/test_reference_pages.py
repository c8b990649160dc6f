"""The pages that the code tells are up to date."""

from pathlib import Path

import pytest
import reference


@pytest.mark.parametrize("page", reference.pages(), ids=lambda page: page.name)
def test_the_page_is_what_the_code_tells(page: Path) -> None:
    assert page.read_text(encoding="utf-8") == reference.pages()[page], "run `make docs`"
