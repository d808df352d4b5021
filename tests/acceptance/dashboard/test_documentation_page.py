"""/docs: the description of the API as its user sees it, without anything from elsewhere."""

from __future__ import annotations

import pytest
from playwright.async_api import Browser, expect

from tests.acceptance.dashboard.conftest import Complaints
from tests.api_plane import RunningApi

pytestmark = pytest.mark.browser


async def test_documentation_lists_the_routes_and_tries_one_with_nothing_loaded_from_elsewhere(
    browser: Browser, api: RunningApi, complaints: Complaints
) -> None:
    await api.add_recording("r1", "/music/Night Drive.flac")
    context = await browser.new_context(viewport={"width": 1280, "height": 900})
    page = await context.new_page()
    complaints.watch(page)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    await page.goto(f"{api.url}/docs")
    operation = page.locator("#operations-recordings-list_recordings")
    await operation.locator(".opblock-summary-control").click()
    await operation.get_by_role("button", name="Execute").click()
    await expect(operation.locator(".live-responses-table")).to_contain_text("Night Drive.flac")
    await expect(page.locator("#operations-messages-publish_analysis_request")).to_be_attached()
    assert [url for url in asked if not url.startswith((api.url, "data:", "blob:"))] == []
    await context.close()
    assert complaints == []
