"""Every path of both HTTP APIs refuses query parameters that it does not have."""

import dashboard_types
import httpx
import pytest
from fastapi import FastAPI

APIS = dashboard_types.apis()


@pytest.mark.parametrize("api", APIS.values(), ids=APIS.keys())
async def test_no_path_ignores_a_parameter(api: FastAPI) -> None:
    accepted: list[str] = []
    transport = httpx.ASGITransport(api)
    async with httpx.AsyncClient(transport=transport, base_url="http://api") as client:
        for path, operations in api.openapi()["paths"].items():
            for method in operations:
                answer = await client.request(method, path, params={"no_such": "x"})
                told = answer.json().get("detail", "")
                if answer.status_code != 422 or not told.startswith("query no_such: "):
                    accepted.append(f"{method} {path}: {answer.status_code} {told}")
    assert not accepted
