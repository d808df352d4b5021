"""By keyboard, on a phone, light and dark, with names for everything."""

from __future__ import annotations

import pytest
from playwright.async_api import Browser, Page, expect

from tests.acceptance.dashboard.conftest import Complaints
from tests.api_plane import RunningApi

pytestmark = pytest.mark.browser

LONG = "A very long name of a recording that goes on and on, as names from the internet do (Extended Original Mix)"


async def fill(api: RunningApi) -> None:
    for number in range(60):
        await api.add_recording(f"r{number}", f"/music/folder/{LONG} {number}.flac")
        await api.progress(f"r{number}", 0.4, "Finding the tempo")
    for number in range(30, 60):
        if number != 58:
            results = {"bpm": 128.0, "key": "C♯ major", "camelot": "3B", "energy": 0.8, "duration_seconds": 3725.0}
            await api.complete(f"r{number}", **results)
    await api.fail("r58", "Nothing in this file decodes as audio, whatever was tried", "UNSUPPORTED_FORMAT")


async def focused(page: Page) -> str:
    name: str = await page.evaluate(
        "() => document.activeElement.id || document.activeElement.dataset.status"
        " || document.activeElement.closest('.row')?.dataset.id || document.activeElement.tagName"
    )
    return name


async def test_keyboard_reaches_everything_in_order_and_focus_is_visible(page: Page, api: RunningApi) -> None:
    await fill(api)
    # A row that still moves would take the focus with it.
    for status, count in (("analyzing", 30), ("completed", 29), ("failed", 1)):
        await expect(page.locator(f"[data-status={status}]").first).to_contain_text(str(count))
    await expect(page.locator(".row")).to_have_count(50)
    # No worker runs here, and that is said.
    await expect(page.locator(".alert")).to_have_count(1)
    order = []
    for _ in range(62):
        await page.keyboard.press("Tab")
        order.append(await focused(page))
        outline = await page.evaluate(
            "() => { const of = (pseudo) => getComputedStyle(document.activeElement, pseudo);"
            " return of(null).outlineStyle !== 'none' || of('::after').outlineStyle !== 'none'; }"
        )
        assert outline, f"{order[-1]} has no visible focus"
    assert order[:11] == [
        "A",
        "A",
        "queued",
        "analyzing",
        "completed",
        "failed",
        "A",
        "tab-recordings",
        "search",
        "status",
        "sort",
    ]
    assert len(set(order[11:61])) == 50
    assert order[61] == "next"


async def test_details_open_by_keyboard_and_focus_returns(page: Page, api: RunningApi) -> None:
    await api.add_recording("r1", "/music/one.flac")
    await api.progress("r1", 0.5)
    button = page.locator(".row").get_by_role("button")
    await button.focus()
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("dialog")).to_be_visible()
    assert await focused(page) == "details-close"
    await page.keyboard.press("Escape")
    await expect(page.get_by_role("dialog")).to_be_hidden()
    assert await focused(page) == "r1"
    await api.progress("r1", 0.6)
    await expect(page.locator(".row")).to_contain_text("60 %")
    assert await focused(page) == "r1"


async def test_arrow_keys_change_the_tab(page: Page) -> None:
    await page.locator("#tab-recordings").focus()
    await page.keyboard.press("ArrowRight")
    assert await focused(page) == "tab-failures"
    await expect(page.get_by_role("tabpanel", name="Dead letters")).to_be_visible()
    await expect(page.locator("#recordings")).to_be_hidden()
    await page.keyboard.press("ArrowLeft")
    await expect(page.locator("#recordings")).to_be_visible()


async def test_controls_and_bars_have_names(page: Page, api: RunningApi) -> None:
    await api.add_recording("r1", "/music/one.flac")
    await api.progress("r1", 0.5)
    await expect(page.get_by_role("progressbar", name="Progress of one.flac")).to_be_visible()
    unnamed = await page.evaluate(
        "() => [...document.querySelectorAll('button, input, select, [role=progressbar]')]"
        ".filter((node) => !(node.textContent.trim() || node.getAttribute('aria-label')"
        " || node.labels?.[0]?.textContent.trim())).map((node) => node.outerHTML)"
    )
    assert unnamed == []
    await expect(page.get_by_role("status").first).to_have_text("Live")


@pytest.mark.parametrize("width", [360, 768, 1280])
async def test_nothing_scrolls_sideways(browser: Browser, api: RunningApi, complaints: Complaints, width: int) -> None:
    await fill(api)
    context = await browser.new_context(viewport={"width": width, "height": 780})
    page = await context.new_page()
    complaints.watch(page)
    await page.goto(f"{api.url}/")
    await expect(page.locator(".row")).to_have_count(50)
    for open_view in (None, "#tab-failures", "#tab-recordings", ".row[data-status=completed] .open"):
        if open_view:
            await page.locator(open_view).first.click()
        over = await page.evaluate("document.documentElement.scrollWidth - window.innerWidth")
        assert over <= 0, f"{over} px too wide with {open_view} open"
    dialog = page.get_by_role("dialog")
    assert await dialog.evaluate("(node) => node.scrollWidth - node.clientWidth") <= 0
    await context.close()
    assert complaints == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_text_has_enough_contrast(browser: Browser, api: RunningApi, scheme: str) -> None:
    await fill(api)
    context = await browser.new_context(color_scheme="dark" if scheme == "dark" else "light")
    page = await context.new_page()
    await page.goto(f"{api.url}/")
    await expect(page.locator(".row")).to_have_count(50)
    poor = await page.evaluate(CONTRAST)
    assert poor == []
    await context.close()


CONTRAST = """() => {
  const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  const rgba = (colour) => {
    canvas.clearRect(0, 0, 1, 1);
    canvas.fillStyle = colour;
    canvas.fillRect(0, 0, 1, 1);
    return canvas.getImageData(0, 0, 1, 1).data;
  };
  const luminance = ([r, g, b]) => {
    const part = (value) => { const v = value / 255; return v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4; };
    return 0.2126 * part(r) + 0.7152 * part(g) + 0.0722 * part(b);
  };
  const behind = (node) => {
    for (let at = node; at; at = at.parentElement) {
      const colour = rgba(getComputedStyle(at).backgroundColor);
      if (colour[3] === 255) return colour;
    }
    return [255, 255, 255, 255];
  };
  const poor = new Set();
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const node = walker.currentNode.parentElement;
    if (!walker.currentNode.textContent.trim() || !node.checkVisibility()) continue;
    if (node.closest("[disabled], script, noscript")) continue;
    const [a, b] = [luminance(rgba(getComputedStyle(node).color)), luminance(behind(node))];
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (ratio < 4.5) poor.add(`${node.className || node.tagName}: ${ratio.toFixed(2)}`);
  }
  return [...poor];
}"""
