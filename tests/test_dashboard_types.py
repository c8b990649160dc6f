"""The dashboard's types are of the APIs as they are."""

import re

import dashboard_types
import pytest

from ocrstream_client.file_search import DOCUMENT_SUFFIXES, SUFFIXES


@pytest.mark.parametrize("service", ["recorder", "ingest"])
def test_the_types_are_of_the_present_api(service: str) -> None:
    types = dashboard_types.path_of(service).read_text(encoding="utf-8")
    heading = dashboard_types.heading(dashboard_types.documents()[service])
    assert types.startswith(heading), "run `make dashboard-types`"


def test_files_of_a_folder_are_those_that_the_command_takes() -> None:
    source = (dashboard_types.DASHBOARD / "src" / "submit" / "fileSelection.ts").read_text("utf-8")
    (listed,) = re.findall(r'new Set\(\s*"([a-z0-9 ]+)"\.split', source)
    assert {f".{suffix}" for suffix in listed.split()} == SUFFIXES | DOCUMENT_SUFFIXES
