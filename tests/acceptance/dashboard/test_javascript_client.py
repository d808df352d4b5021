"""The JavaScript client, as a page of one's own uses it."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.async_api import Page

from tests.acceptance.dashboard.conftest import Complaints
from tests.api_plane import RunningApi, until

pytestmark = pytest.mark.browser

_FOLLOW = """
async () => {
  const { LiveClient } = await import("/client.js");
  window.seen = [];
  window.states = [];
  const live = new LiveClient(`ws://${location.host}/v1/ws?client_id=mine`);
  live.addEventListener("message", ({ detail }) => window.seen.push(detail));
  live.addEventListener("state", ({ detail }) => window.states.push(detail.state));
  live.subscribe("r1");
  live.subscribe("*", { status: ["failed"] });
  live.start();
}
"""


async def seen(page: Page) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = await page.evaluate("window.seen")
    return found


async def sequences(page: Page) -> list[int]:
    return [each["sequence"] for each in await seen(page) if "sequence" in each]


async def test_it_goes_on_where_it_was(page: Page, api: RunningApi, complaints: Complaints) -> None:
    await page.evaluate(_FOLLOW)

    async def follows(count: int) -> bool:
        return [each["type"] for each in await seen(page) if "type" in each].count("subscribed") == count

    await until(lambda: follows(2), "it follows")
    await api.progress("r1", 0.1)
    await api.progress("r2", 0.1)
    await until(lambda: _equal(page, [1]), "the first event")
    await api.server.stop()
    for fraction in (0.2, 0.3):
        await api.progress("r1", fraction)
    await api.restart_server()
    await until(lambda: follows(4), "it follows again")
    await api.complete("r1")
    await until(lambda: _equal(page, [1, 2, 3, 4]), "everything, once")
    answers = [each for each in await seen(page) if each.get("type") == "subscribed"]
    assert [each["recovered"] for each in answers if "recovered" in each] == [True]
    assert (await page.evaluate("window.states"))[-1] == "open"
    complaints.forget("WebSocket connection to", "ERR_CONNECTION_REFUSED")


async def _equal(page: Page, expected: list[int]) -> bool:
    return await sequences(page) == expected
