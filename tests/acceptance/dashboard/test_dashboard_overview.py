"""Queues, workers and alerts on the dashboard, and addresses that lead to them."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest
from playwright.async_api import Browser, Page, expect

from api.plane import Plane
from pipeline.messages.message import Message
from tests.acceptance.dashboard.conftest import Complaints
from tests.api_plane import RunningApi

pytestmark = pytest.mark.browser

WORKER = {
    "host": "studio",
    "pid": 4711,
    "revision": "5f2a9c01",
    "refused": "",
    "stages": ["analysis", "catalog"],
    "away": {},
}


async def a_worker(api: RunningApi, **changed: object) -> None:
    """One that has just told of itself."""
    now = time.time()
    told = {"started_at": now - 60, "in_force_since": now - 60, "seen_at": now}
    await api.state.documents.put("worker", "w1", WORKER | told | changed)
    await api.app.state.plane.workers.look()


async def sampled(api: RunningApi, times: int = 1) -> None:
    """What the service does by itself every five seconds."""
    plane: Plane = api.app.state.plane
    for _ in range(times):
        await plane.history.look()


async def test_queues_show_what_waits_and_how_that_was(page: Page, api: RunningApi) -> None:
    await page.get_by_role("tab", name="Queues").click()
    row = page.locator('[data-queue-row="analysis_queue"]')
    await expect(row).to_contain_text("analysis")
    line = row.locator(".depth")
    before = await line.get_attribute("points")
    for number in range(30):
        await api.broker.publish("", "analysis_queue", Message(b"{}", message_id=str(number)))
    await api.broker.publish("", "analysis_queue.dlq", Message(b"{}"))
    await sampled(api, 3)
    await expect(row.locator("td").first).to_contain_text("30", timeout=15_000)
    assert await line.get_attribute("points") != before
    await row.get_by_role("link", name="1").click()
    await expect(page.get_by_role("tab", name="Dead letters")).to_have_attribute("aria-selected", "true")
    await expect(page.locator("#letter-queue")).to_have_value("analysis_queue.dlq")
    await page.go_back()
    await expect(page.get_by_role("tab", name="Queues")).to_have_attribute("aria-selected", "true")


async def test_an_alert_comes_leads_somewhere_and_goes(page: Page, api: RunningApi) -> None:
    await expect(page.locator('[data-code="NO_WORKER"]')).to_contain_text("pipeline run")
    await api.broker.publish("", "analysis_queue", Message(b"{}"))
    await sampled(api, 3)
    alert = page.locator('[data-code="NO_CONSUMER"]')
    await expect(alert).to_contain_text("Nobody consumes analysis_queue, and 1 message waits in it.", timeout=15_000)
    await alert.get_by_role("link", name="Show").click()
    await expect(page.locator('[data-queue-row="analysis_queue"]')).to_have_attribute("aria-current", "true")
    await api.broker.purge("analysis_queue")
    await a_worker(api)
    await sampled(api)
    await expect(page.locator("#alerts")).to_be_hidden(timeout=15_000)


async def test_workers_say_where_they_are_and_what_they_wait_for(page: Page, api: RunningApi) -> None:
    await page.get_by_role("tab", name="Workers").click()
    await expect(page.locator("#no-workers")).to_be_visible()
    await a_worker(api, away={"disk": "open"}, refused="no queue named thumbnails")
    worker = page.locator(".worker")
    await expect(worker).to_contain_text("studio · process 4711", timeout=15_000)
    for text in ("5f2a9c01", "analysis", "Waits for disk: its breaker is open", "no queue named thumbnails"):
        await expect(worker).to_contain_text(text)
    await expect(page.locator('[data-code="DEPENDENCY_AWAY"]')).to_be_visible()


async def test_addresses_lead_to_a_place_and_back(page: Page, api: RunningApi) -> None:
    for address, tab in (
        ("#/queues/analysis_queue", "Queues"),
        ("#/workers", "Workers"),
        ("#/topology", "Topology"),
        ("#/recordings?status=failed&q=blue", "Recordings"),
        ("#/nowhere/at/all", "Recordings"),
    ):
        await page.goto(f"{api.url}/{address}")
        await expect(page.get_by_role("tab", name=tab)).to_have_attribute("aria-selected", "true")
    await page.goto(f"{api.url}/#/recordings?status=failed&q=blue")
    await page.reload()
    await expect(page.locator("#status")).to_have_value("failed")
    await expect(page.locator("#search")).to_have_value("blue")
    await page.locator("#status").select_option("")
    await expect(page).to_have_url(f"{api.url}/#/recordings?q=blue")
    await page.get_by_role("tab", name="Recordings").focus()
    await page.keyboard.press("ArrowLeft")
    await expect(page.get_by_role("tab", name="Workers")).to_be_focused()
    await expect(page).to_have_url(f"{api.url}/#/workers")
    await page.go_back()
    await expect(page.get_by_role("tab", name="Recordings")).to_have_attribute("aria-selected", "true")
    await expect(page.locator("#search")).to_have_value("blue")


@pytest.mark.parametrize(("scheme", "width"), [("light", 1280), ("dark", 1280), ("dark", 360)])
async def test_they_are_shown_in_the_light_in_the_dark_and_on_a_phone(
    browser: Browser, api: RunningApi, complaints: Complaints, scheme: str, width: int
) -> None:
    await a_worker(api, refused="no queue named thumbnails")
    for burst in range(12):
        for number in range(burst * 3 % 11):
            await api.broker.publish("", "analysis_queue", Message(b"{}", message_id=f"{burst}-{number}"))
        if burst % 5 == 4:
            await api.broker.purge("analysis_queue")
        await sampled(api)
    context = await browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)  # type: ignore[arg-type]
    page = await context.new_page()
    complaints.watch(page)
    for view, shown in (("queues/analysis_queue", "#queue-rows tr"), ("workers", ".worker")):
        await page.goto(f"{api.url}/#/{view}")
        await expect(page.locator(shown).first).to_be_visible()
        await expect(page.locator(".alert").first).to_be_visible()
        assert await page.evaluate("document.documentElement.scrollWidth") <= width
        if folder := os.environ.get("SCREENSHOTS"):
            await page.screenshot(path=Path(folder) / f"{view.split('/')[0]}-{scheme}-{width}.png")
    await context.close()
    assert complaints == []
