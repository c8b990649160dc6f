"""What others' packages are licensed under: known, allowed, and on the page."""

import licences
import pytest
from licences import Package
from not_run import not_run

PAGE = licences.PAGE.read_text(encoding="utf-8")


def test_the_page_lists_the_locked_python_packages() -> None:
    assert licences.python_section() in PAGE, "run `make licences`"


def test_the_page_lists_what_the_dashboard_bundles() -> None:
    if not licences.BUNDLED.exists():
        not_run("the dashboard", "it is not built; make dashboard builds it")
    assert licences.page() == PAGE, "run `make licences`"


def test_every_licence_is_allowed() -> None:
    listed = licences.listed_packages(PAGE)
    assert {"react", "pydantic"} <= {package.name for package in listed}
    assert licences.refused(listed) == []


@pytest.mark.parametrize(
    "licence", ["GPL-3.0-only", "MIT AND AGPL-3.0-only", "MIT OR GPL-2.0-only", licences.UNKNOWN]
)
def test_others_are_refused(licence: str) -> None:
    package = Package("other", "1.0", licence)
    assert licences.refused([Package("known", "1.0", "MIT AND (0BSD OR ISC)"), package]) == [
        package
    ]


def test_a_bundled_package_without_a_licence_is_unknown() -> None:
    written = "# Licenses\n\n## @a/b-c - 1.0.0-rc (MIT)\n\ntext\n\n## d - 2.0\n"
    assert licences.bundled_packages(written) == [
        Package("@a/b-c", "1.0.0-rc", "MIT"),
        Package("d", "2.0", licences.UNKNOWN),
    ]
