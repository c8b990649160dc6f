"""The pages that describe the HTTP APIs, in a browser that reaches no other host."""

import pytest
from browsing import WIDE, Visitor
from playwright.async_api import Browser, Route, expect
from whole_system import API, System

pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]


@pytest.mark.parametrize(("service", "path"), [(API, "/v1/tasks"), ("ingest", "/v1/batches")])
async def test_the_docs_are_whole_without_another_host(
    chromium: Browser, system: System, service: str, path: str
) -> None:
    context = await chromium.new_context(viewport=WIDE)
    url = f"http://127.0.0.1:{system.ports[service]}"
    others: list[str] = []

    async def refuse_others(route: Route) -> None:
        if route.request.url.startswith((f"{url}/", "data:")):
            await route.continue_()
        else:
            others.append(route.request.url)
            await route.abort()

    await context.route("**/*", refuse_others)
    visitor = await Visitor.arrive(context, url)
    page = visitor.page
    await page.goto(f"{url}/docs")
    operation = page.locator(".opblock").filter(has=page.locator(f'[data-path="{path}"]')).first
    await operation.click()
    await operation.get_by_role("button", name="Try it out").click()
    await expect(operation.get_by_role("button", name="Execute")).to_be_visible()
    await visitor.settle()
    await visitor.shoot(f"docs {service}")
    await context.close()
    assert others == []
    assert visitor.faults == []
