from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from playwright.async_api import Browser, Page, async_playwright

from tests.api_plane import RunningApi, running_api

_ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@pytest.fixture
async def api() -> AsyncIterator[RunningApi]:
    """An API server on a free port, over empty embedded engines."""
    async with running_api() as running:
        yield running


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        running = await playwright.chromium.launch(executable_path="/usr/bin/chromium", args=_ARGUMENTS)
        yield running
        await running.close()


class Complaints(list[str]):
    """What the browser reported: errors, warnings, violations of the content security policy."""

    def watch(self, page: Page) -> None:
        page.on("console", lambda message: self._note(message.type, message.text))
        page.on("pageerror", lambda error: self.append(f"uncaught: {error}"))

    def forget(self, *expected: str) -> None:
        """Leave out what a test brings about itself."""
        self[:] = [each for each in self if not any(text in each for text in expected)]

    def _note(self, kind: str, text: str) -> None:
        if kind in ("error", "warning"):
            self.append(f"{kind}: {text}")


@pytest.fixture
def complaints() -> Complaints:
    return Complaints()


@pytest.fixture
async def page(browser: Browser, api: RunningApi, complaints: Complaints) -> AsyncIterator[Page]:
    """The dashboard, connected; at the end the browser must have had nothing to complain about."""
    context = await browser.new_context(viewport={"width": 1280, "height": 900}, reduced_motion="reduce")
    opened = await context.new_page()
    complaints.watch(opened)
    await opened.goto(f"{api.url}/")
    await opened.wait_for_selector("#connection[data-state=open]")
    yield opened
    await context.close()
    assert complaints == []
