"""The topology on the dashboard: the picture, live, and the table beside it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from playwright.async_api import Browser, Page, expect

from pipeline.messages.message import Message
from tests.acceptance.dashboard.conftest import Complaints
from tests.api_plane import RunningApi

pytestmark = pytest.mark.browser


async def test_the_picture_follows_what_waits_in_the_queues(page: Page, api: RunningApi) -> None:
    await page.get_by_role("tab", name="Topology").click()
    queue = page.locator('[data-queue="analysis_queue"]')
    await expect(queue).to_contain_text("0 messages · 0 consumers")
    for _ in range(3):
        await api.broker.publish("", "analysis_queue", Message(b"{}"))
    await api.broker.publish("", "metadata.extract.dlq", Message(b"{}"))
    await api.broker.publish("", "tracktion.retry.30s", Message(b"{}"))
    await expect(queue).to_contain_text("3 messages · 0 consumers")
    await expect(page.locator('[data-queue="metadata.extract"]')).to_contain_text("dead letters: 1")
    await expect(page.locator('[data-queue="tracktion.retry.30s"]')).to_contain_text("tracktion.retry.30s: 1")
    await page.locator('[data-queue="metadata.extract"]').click()
    await expect(page.get_by_role("tab", name="Dead letters")).to_have_attribute("aria-selected", "true")


async def test_every_queue_and_stage_is_in_the_picture_and_in_the_table(page: Page, api: RunningApi) -> None:
    await page.get_by_role("tab", name="Topology").click()
    await expect(page.locator("#picture [data-node]")).to_have_count(
        sum(map(len, (api.topology.sources, api.topology.exchanges, api.topology.queues, api.topology.stages)))
    )
    await page.get_by_text("The queues as a table").click()
    await expect(page.locator("#topology-rows tr")).to_have_count(len(api.topology.queues) + 3)
    row = page.get_by_role("row", name="analysis_queue")
    await expect(row).to_contain_text("analysis")


@pytest.mark.parametrize(("scheme", "width"), [("light", 1280), ("dark", 1280), ("dark", 390)])
async def test_it_is_shown_in_the_light_in_the_dark_and_on_a_phone(
    browser: Browser, api: RunningApi, complaints: Complaints, scheme: str, width: int
) -> None:
    await api.broker.publish("", "metadata.extract.dlq", Message(b"{}"))
    await api.broker.publish("", "analysis_queue", Message(b"{}"))
    context = await browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)  # type: ignore[arg-type]
    page = await context.new_page()
    complaints.watch(page)
    await page.goto(f"{api.url}/")
    await page.get_by_role("tab", name="Topology").click()
    box = page.locator('[data-queue="analysis_queue"] .box')
    await expect(box).to_be_attached()
    fill = await box.evaluate("node => getComputedStyle(node).fill")
    assert fill == {"light": "rgb(219, 234, 254)", "dark": "rgb(30, 58, 95)"}[scheme]
    # The picture scrolls by itself; the page does not get wider for it.
    assert await page.evaluate("document.documentElement.scrollWidth") <= width
    if folder := os.environ.get("SCREENSHOTS"):
        await page.screenshot(path=Path(folder) / f"topology-{scheme}-{width}.png", full_page=True)
    await context.close()
    assert complaints == []
