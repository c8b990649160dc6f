"""The dashboard's types are of the APIs as they are."""

import dashboard_types
import pytest


@pytest.mark.parametrize("service", ["recorder", "ingest"])
def test_the_types_are_of_the_present_api(service: str) -> None:
    types = dashboard_types.path_of(service).read_text(encoding="utf-8")
    heading = dashboard_types.heading(dashboard_types.documents()[service])
    assert types.startswith(heading), "run `make dashboard-types`"
