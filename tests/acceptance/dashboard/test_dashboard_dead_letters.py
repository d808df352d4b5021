"""Dead letters on the dashboard: what they died of, choosing, replaying, correcting and purging them; the trail."""

from __future__ import annotations

import json
from typing import Any

import pytest
from playwright.async_api import Browser, Locator, Page, expect

from pipeline.messages.message import Message
from tests.acceptance.dashboard.conftest import Complaints
from tests.api_plane import RunningApi, until

pytestmark = pytest.mark.browser

_GOOD = {"recording_id": "r1", "file_path": "/music/one.flac"}


async def bury(
    api: RunningApi,
    *ids: str | None,
    code: str = "DECODE_ERROR",
    queue: str = "analysis_queue",
    name: str = "analysis.request",
    stage: str = "analysis",
    body: Any = _GOOD,
) -> None:
    for each in ids:
        headers = {
            "x-message-name": name,
            "x-error-code": code,
            "x-error-class": "Permanent",
            "x-error-message": f"Why {each} failed",
            "x-error-stage": stage,
            "x-attempt": 4,
            "x-failed-at": "2026-01-02T03:04:05Z",
        }
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        await api.broker.publish("", f"{queue}.dlq", Message(content, message_id=each, headers=headers))


async def opened(page: Page) -> None:
    await page.get_by_role("tab", name="Dead letters").click()
    await expect(page.locator(".letter").first).to_be_visible()


def section(page: Page, queue: str = "analysis_queue") -> Locator:
    return page.get_by_role("region", name=queue, exact=True)


async def until_kept(api: RunningApi, count: int) -> None:
    """The page reads the letters now and then, and has them in its hands meanwhile."""

    async def there() -> bool:
        return (await api.broker.depth("analysis_queue.dlq")).messages == count

    await until(there, f"{count} dead letters")


async def taken(api: RunningApi, queue: str) -> dict[str | None, Any]:
    """Bodies by message id of what waits in a queue, taken out."""
    found = {}
    while delivery := await api.broker.get(queue):
        delivery.ack()
        found[delivery.message.message_id] = json.loads(delivery.message.body)
    return found


async def test_groups_tell_what_letters_died_of_and_choose_them(page: Page, api: RunningApi) -> None:
    await bury(api, "a", "b", "c")
    await bury(api, "d", code="TIMEOUT")
    await bury(api, "e", queue="metadata.extract", name="metadata.extract", stage="metadata")
    await opened(page)
    groups = page.get_by_role("list", name="What they died of").get_by_role("button")
    await expect(groups).to_have_count(3)
    await expect(groups.first).to_contain_text("3 DECODE_ERROR")
    await expect(groups.first).to_contain_text("analysis_queue · Permanent · stage analysis")
    await groups.filter(has_text="TIMEOUT").click()
    await expect(groups.filter(has_text="TIMEOUT")).to_have_attribute("aria-pressed", "true")
    await expect(page.locator(".letter")).to_have_count(1)
    await expect(page.locator(".letter")).to_contain_text("Why d failed")
    await expect(page.get_by_label("Error code")).to_have_value("TIMEOUT")
    await expect(section(page).get_by_role("button", name="Replay it")).to_be_visible()
    await page.get_by_role("button", name="Show all").click()
    await expect(page.locator(".letter")).to_have_count(5)
    await page.get_by_label("Stage").select_option("metadata")
    await expect(page.locator(".letter")).to_have_count(1)
    await page.get_by_label("Stage").select_option("")
    await page.get_by_label("Message", exact=True).fill("analysis.request")
    await expect(page.locator(".letter")).to_have_count(4)
    await page.get_by_role("combobox", name="Died").select_option("In the last hour")
    await expect(page.get_by_role("heading", name="No dead letter matches")).to_be_visible()


async def test_several_are_chosen_and_a_replay_says_first_what_would_fail_again(page: Page, api: RunningApi) -> None:
    await bury(api, "a", "b", "c")
    await bury(api, "bad", code="INVALID_MESSAGE", body={"recording_id": "r1"})
    await opened(page)
    for each in ("a", "c", "bad"):
        await page.get_by_role("checkbox", name=f"Why {each} failed").check()
    await expect(section(page).get_by_role("checkbox", name="All that are shown")).to_have_js_property(
        "indeterminate", True
    )
    await section(page).get_by_role("button", name="Replay 3 chosen").click()
    dialog = page.get_by_role("dialog")
    await expect(dialog).to_contain_text("2 dead letters would go back to analysis_queue.")
    await expect(dialog).to_contain_text("One dead letter would fail again and stay.")
    refusals = dialog.get_by_role("list", name="Would fail again")
    await expect(refusals).to_contain_text("file_path: Field required")
    assert (await api.broker.depth("analysis_queue")).messages == 0
    await dialog.get_by_role("button", name="Replay 2").click()
    await expect(page.get_by_role("status").filter(has_text="Replayed 2, 1 stayed.")).to_be_visible()
    await expect(page.locator(".letter")).to_have_count(2)
    assert set(await taken(api, "analysis_queue")) == {"a", "c"}
    await section(page).get_by_role("checkbox", name="All that are shown").check()
    await section(page).get_by_role("button", name="Replay 2 chosen").click()
    await dialog.get_by_role("checkbox", name="Send those that would fail again").check()
    await dialog.get_by_role("spinbutton", name="At most so many a second").fill("50")
    await dialog.get_by_role("button", name="Replay 2").click()
    await expect(page.get_by_role("heading", name="No dead letters")).to_be_visible()
    assert set(await taken(api, "analysis_queue")) == {"b", "bad"}


async def test_a_dialog_that_is_cancelled_does_nothing_and_gives_the_focus_back(page: Page, api: RunningApi) -> None:
    await bury(api, "a")
    await opened(page)
    for name in ("Replay it", "Purge it"):
        button = section(page).get_by_role("button", name=name)
        await button.focus()
        await page.keyboard.press("Enter")
        await expect(page.get_by_role("dialog")).to_be_visible()
        await page.keyboard.press("Escape")
        await expect(page.get_by_role("dialog")).to_be_hidden()
        await expect(button).to_be_focused()
    await until_kept(api, 1)


async def test_a_body_is_corrected_with_what_is_wrong_told_beside_it(
    page: Page, api: RunningApi, complaints: Complaints
) -> None:
    await bury(api, "a", body={"recording_id": "r1", "analysis_types": ["bpm"]})
    await opened(page)
    await page.get_by_role("button", name="Edit analysis.request").click()
    dialog = page.get_by_role("dialog")
    body = dialog.get_by_role("textbox", name="Body")
    await expect(body).to_be_focused()
    assert json.loads(await body.input_value()) == {"recording_id": "r1", "analysis_types": ["bpm"]}
    await dialog.get_by_role("button", name="Check").click()
    problems = dialog.get_by_role("list", name="What is wrong")
    await expect(problems).to_contain_text("file_path Field required")
    await expect(body).to_have_attribute("aria-invalid", "true")
    await body.fill("{")
    await dialog.get_by_role("button", name="Send back").click()
    await expect(problems).to_contain_text("Invalid JSON")
    await until_kept(api, 1)
    await body.fill(json.dumps(_GOOD))
    await dialog.get_by_role("button", name="Check").click()
    await expect(dialog.get_by_role("status")).to_have_text("It would be taken: analysis_types, file_path changed.")
    await dialog.get_by_role("button", name="Send back").click()
    await expect(page.get_by_text("Sent back: analysis_types, file_path changed.")).to_be_visible()
    assert await taken(api, "analysis_queue") == {"a": _GOOD}
    complaints.forget("422")


@pytest.mark.parametrize(
    ("body", "shown"),
    [
        (b"\xff\x00", None),
        (b'{"recording_id": 12345678901234567890}', '{"recording_id": 12345678901234567890}'),
        (b"not json", "not json"),
    ],
)
async def test_a_body_is_shown_as_it_is_where_it_can_not_be_laid_out(
    page: Page, api: RunningApi, body: bytes, shown: str | None
) -> None:
    await bury(api, "a", body=body)
    await opened(page)
    await page.get_by_role("button", name="Edit analysis.request").click()
    dialog = page.get_by_role("dialog")
    if shown is None:
        await expect(dialog.get_by_role("status")).to_contain_text("It is not text")
        await expect(dialog.get_by_role("button", name="Send back")).to_be_disabled()
    else:
        await expect(dialog.get_by_role("textbox", name="Body")).to_have_value(shown)


async def test_a_purge_counts_first_offers_a_file_and_is_in_the_trail(page: Page, api: RunningApi) -> None:
    await bury(api, "a", "b")
    await bury(api, None, code="TIMEOUT")
    await opened(page)
    await expect(page.locator(".letter").filter(has_text="Without an id").get_by_role("checkbox")).to_be_disabled()
    await page.get_by_label("Error code").select_option("TIMEOUT")
    await section(page).get_by_role("button", name="Purge it").click()
    dialog = page.get_by_role("dialog")
    await expect(dialog).to_contain_text("One dead letter of analysis_queue would be gone for good.")
    async with page.expect_download() as download:
        await dialog.get_by_role("link", name="Save them in a file first").click()
    saved = json.loads((await (await download.value).path()).read_text())
    assert saved["headers"]["x-error-code"] == "TIMEOUT"
    await dialog.get_by_role("button", name="Purge 1").click()
    await expect(page.get_by_text("Purged 1.")).to_be_visible()
    await until_kept(api, 2)
    await page.get_by_text("What was done with dead letters, and by whom").click()
    row = page.locator("#letter-audit-rows tr")
    await expect(row).to_have_count(1)
    await expect(row).to_contain_text("anonymous, 127.0.0.1 (api)")
    await expect(row).to_contain_text("purge")
    await expect(row).to_contain_text("error_code TIMEOUT")


async def test_what_is_chosen_stays_so_while_others_arrive(page: Page, api: RunningApi) -> None:
    await bury(api, "a", "b")
    await opened(page)
    box = page.get_by_role("checkbox", name="Why b failed")
    await box.check()
    await box.focus()
    await bury(api, "c")
    await api.progress("r1", 0.1)
    await api.fail("r1", "again", "TIMEOUT")
    await expect(page.locator(".letter")).to_have_count(3)
    await expect(box).to_be_checked()
    await expect(box).to_be_focused()
    await expect(section(page).get_by_role("button", name="Replay 1 chosen")).to_be_visible()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1280])
async def test_everything_about_dead_letters_has_a_name_a_place_and_contrast(
    browser: Browser, api: RunningApi, complaints: Complaints, width: int, scheme: Any
) -> None:
    await bury(api, *(f"a-very-long-message-id-{number}-" + "x" * 60 for number in range(3)))
    await bury(api, "bad", body={"recording_id": "r1"}, code="A_CODE_OF_SOMEBODY_ELSE_THAT_IS_VERY_LONG_INDEED")
    context = await browser.new_context(
        viewport={"width": width, "height": 780}, color_scheme=scheme, reduced_motion="reduce"
    )
    page = await context.new_page()
    complaints.watch(page)
    await page.goto(f"{api.url}/")
    await opened(page)
    await page.get_by_text("What was done with dead letters, and by whom").click()
    await expect(page.get_by_text("Nothing was done with dead letters.")).to_be_visible()
    for name in ("Edit analysis.request", "Purge all 4", "Replay all 4"):
        await page.get_by_role("button", name=name).first.click()
        dialog = page.get_by_role("dialog")
        await expect(dialog.locator("button.primary, button.dangerous")).to_be_enabled()
        assert await dialog.evaluate("(node) => node.scrollWidth - node.clientWidth") <= 0
        assert await page.evaluate("document.documentElement.scrollWidth - window.innerWidth") <= 0
        unnamed = await page.evaluate(
            "() => [...document.querySelectorAll('#failures *, dialog *')]"
            ".filter((node) => node.matches('button, input, select, textarea, a'))"
            ".filter((node) => !(node.textContent.trim() || node.getAttribute('aria-label')"
            " || node.labels?.[0]?.textContent.trim())).map((node) => node.outerHTML)"
        )
        assert unnamed == []
        for button in await dialog.locator("button:enabled").all():
            assert await button.evaluate(_CONTRAST) >= 4.5
        await page.keyboard.press("Escape")
    await context.close()
    assert complaints == []


# The contrast of an element's text with what is behind it (WCAG 2.2, 1.4.3).
_CONTRAST = """(node) => {
  const channels = (colour) => colour.match(/[0-9.]+/g).map(Number);
  const light = (colour) => channels(colour).slice(0, 3)
    .map((value) => value / 255)
    .map((value) => (value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4))
    .reduce((sum, value, index) => sum + value * [0.2126, 0.7152, 0.0722][index], 0);
  let behind = node;
  const seen = (each) => channels(getComputedStyle(each).backgroundColor);
  while (behind.parentElement && (seen(behind)[3] ?? 1) === 0) behind = behind.parentElement;
  const [one, other] = [getComputedStyle(node).color, getComputedStyle(behind).backgroundColor].map(light);
  return (Math.max(one, other) + 0.05) / (Math.min(one, other) + 0.05);
}"""
