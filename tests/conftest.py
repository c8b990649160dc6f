"""Whole systems for the tests that look from outside."""

import shutil
from collections.abc import AsyncGenerator, Generator
from pathlib import Path

import pytest
from browsing import CHROMIUM_OPTIONS, WIDE, Visitor
from not_run import not_run
from playwright.async_api import Browser, async_playwright, expect
from real_servers import Broker, fresh_database
from whole_system import System

from ocrstream_recorder.api.dashboard import BUILT

expect.set_options(timeout=60_000)


@pytest.fixture(scope="module")
def system(
    kafka_bootstrap: str, postgres_url: str, tmp_path_factory: pytest.TempPathFactory
) -> Generator[System]:
    """Ingest, a recorder and a worker with the noop engine, ready."""
    with fresh_database(postgres_url) as database:
        system = System(tmp_path_factory.mktemp("system"), kafka_bootstrap, database)
        try:
            for name in ("recorder", "ingest", "worker-1"):
                system.start(name, wait=False)
            for name in ("recorder", "ingest", "worker-1"):
                system.wait(name)
            yield system
        finally:
            system.stop()


@pytest.fixture
def bare_system(kafka_bootstrap: str, database_url: str, tmp_path: Path) -> Generator[System]:
    """A system for one test alone, nothing of it started."""
    system = System(tmp_path, kafka_bootstrap, database_url)
    try:
        yield system
    finally:
        system.stop()


@pytest.fixture
def own_system(own_broker: Broker, database_url: str, tmp_path: Path) -> Generator[System]:
    """As `bare_system`, with topics that no other test reads: what is written may be any harm."""
    system = System(tmp_path, own_broker.bootstrap, database_url)
    try:
        yield system
    finally:
        system.stop()


@pytest.fixture
async def chromium() -> AsyncGenerator[Browser]:
    """A browser for a dashboard that is built."""
    program = shutil.which("chromium")
    if program is None:
        not_run("Chromium", "it is not installed; make system-packages, as root, installs it")
    if not (BUILT / "index.html").exists():
        not_run("the dashboard", "it is not built; make dashboard builds it")
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=program, args=CHROMIUM_OPTIONS)
        yield browser
        await browser.close()


@pytest.fixture
async def visitor(chromium: Browser, system: System) -> AsyncGenerator[Visitor]:
    """A person with a window on the system's dashboard, where nothing may go wrong."""
    context = await chromium.new_context(viewport=WIDE, reduced_motion="reduce")
    visitor = await Visitor.arrive(context, system.recorder_url)
    yield visitor
    await context.close()
    assert visitor.faults == []
