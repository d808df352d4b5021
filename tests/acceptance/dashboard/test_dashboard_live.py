"""The dashboard as its user sees it: live, after a restart, with many recordings."""

from __future__ import annotations

import asyncio

import pytest
from playwright.async_api import Page, expect

from pipeline.messages.message import Message
from tests.acceptance.dashboard.conftest import Complaints
from tests.api_plane import RunningApi

pytestmark = pytest.mark.browser


async def test_recording_appears_moves_its_bar_and_shows_its_results(page: Page, api: RunningApi) -> None:
    await expect(page.get_by_role("heading", name="Nothing here yet")).to_be_visible()
    await expect(page.get_by_text("/music", exact=True)).to_be_visible()

    await api.add_recording("r1", "/music/set/Night Drive.flac")
    await api.queue("r1")
    row = page.locator(".row", has_text="Night Drive.flac")
    await expect(row).to_contain_text("Queued")
    bar = row.get_by_role("progressbar")
    for fraction in (0.1, 0.45, 0.8):
        await api.progress("r1", fraction, "Finding the key")
        await expect(bar).to_have_attribute("aria-valuenow", str(round(fraction * 100)))
    await expect(row).to_contain_text("80 % · Finding the key")
    await expect(page.locator("#count-analyzing")).to_have_text("1")

    await api.complete("r1", bpm=127.96, key="C major", camelot="8B", energy=0.83, duration_seconds=245.0)
    await expect(row).to_contain_text("Completed")
    await expect(bar).to_be_hidden()
    for text in ("128.0", "C major", "8B", "0.83", "4:05"):
        await expect(row).to_contain_text(text)
    await expect(page.locator("#count-completed")).to_have_text("1")
    await expect(page.locator("#throughput")).to_have_text("1")


async def test_failure_shows_its_reason_and_code_in_the_list_and_in_the_details(page: Page, api: RunningApi) -> None:
    await api.add_recording("r1", "/music/broken.mp3")
    await api.progress("r1", 0.1, "Decoding")
    await api.fail("r1", "Nothing in this file decodes", "DECODE_ERROR")
    row = page.locator(".row", has_text="broken.mp3")
    await expect(row).to_contain_text("Nothing in this file decodes (DECODE_ERROR)")
    await row.get_by_role("button").click()
    dialog = page.get_by_role("dialog")
    await expect(dialog.get_by_role("heading", name="broken.mp3")).to_be_visible()
    await expect(dialog.locator(".failure")).to_contain_text("DECODE_ERROR")
    await expect(dialog.locator(".history li")).to_have_count(2)


async def test_open_details_follow_the_work(page: Page, api: RunningApi) -> None:
    await api.add_recording("r1", "/music/one.flac")
    await api.progress("r1", 0.2, "Decoding")
    await page.locator(".row").get_by_role("button").click()
    dialog = page.get_by_role("dialog")
    await expect(dialog).to_contain_text("20 %")
    await api.complete("r1", bpm=120.0, bpm_confidence=0.93, bpm_alternatives=[60.0], key="A minor", energy=0.5)
    await expect(dialog).to_contain_text("93 % sure")
    await expect(dialog).to_contain_text("Or 60.0")
    await page.keyboard.press("Escape")
    await expect(dialog).to_be_hidden()


async def test_dead_letter_is_shown_with_its_reason_and_replayed(page: Page, api: RunningApi) -> None:
    headers = {
        "x-message-name": "analysis.request",
        "x-error-code": "DECODE_ERROR",
        "x-error-message": "Nothing in this file decodes",
        "x-error-stage": "analysis",
        "x-attempt": 4,
    }
    body = b'{"recording_id": "r1", "file_path": "/music/one.flac"}'
    await api.broker.publish("", "analysis_queue.dlq", Message(body, message_id="m1", headers=headers))
    await page.get_by_role("tab", name="Dead letters").click()
    letter = page.locator(".letter")
    await expect(letter).to_contain_text("DECODE_ERROR Nothing in this file decodes")
    await expect(letter).to_contain_text("stage analysis · 4 attempts")
    await letter.get_by_role("button", name="Replay").click()
    await page.get_by_role("dialog").get_by_role("button", name="Replay 1").click()
    await expect(page.get_by_text("Replayed 1.")).to_be_visible()
    await expect(page.get_by_role("heading", name="No dead letters")).to_be_visible()
    assert (await api.broker.depth("analysis_queue")).messages == 1


async def test_page_reconnects_after_a_restart_and_catches_up(
    page: Page, api: RunningApi, complaints: Complaints
) -> None:
    await api.add_recording("r1", "/music/one.flac")
    await api.progress("r1", 0.5)
    await expect(page.locator(".row")).to_contain_text("50 %")
    await api.server.stop()
    await expect(page.locator("#connection")).to_have_text("Reconnecting")
    await api.complete("r1", bpm=120.0)
    await api.restart_server()
    await expect(page.locator("#connection")).to_have_text("Live", timeout=20_000)
    await expect(page.locator(".row")).to_contain_text("Completed")
    await api.progress("r1", 0.3, "once more", run="second")
    await expect(page.locator(".row")).to_contain_text("30 % · once more")
    complaints.forget("WebSocket connection to", "ERR_CONNECTION_REFUSED")


async def test_list_is_polled_while_the_socket_is_away(page: Page, api: RunningApi) -> None:
    await page.route_web_socket("**/v1/ws", lambda socket: socket.close(code=1013))
    await page.reload()
    await expect(page.locator("#connection")).to_have_text("Reconnecting")
    await api.add_recording("r1", "/music/one.flac")
    await api.progress("r1", 0.5)
    await expect(page.locator(".row")).to_contain_text("50 %", timeout=10_000)
    await api.complete("r1", bpm=120.0)
    await expect(page.locator(".row")).to_contain_text("Completed", timeout=10_000)


async def test_search_status_and_order_choose_what_is_listed(page: Page, api: RunningApi) -> None:
    for number, name in enumerate(("alpha", "beta", "gamma")):
        await api.add_recording(f"r{number}", f"/music/{name}.flac")
        await api.progress(f"r{number}", 0.1)
    await api.complete("r1", bpm=120.0)
    await expect(page.locator(".row")).to_have_count(3)
    await page.get_by_label("Search").fill("GAM")
    await expect(page.locator(".row .name")).to_have_text(["gamma.flac"])
    await page.get_by_label("Search").fill("nothing like it")
    await expect(page.get_by_role("heading", name="No recordings match")).to_be_visible()
    await page.get_by_label("Search").fill("")
    await page.get_by_label("Order").select_option("name")
    await expect(page.locator(".row .name")).to_have_text(["alpha.flac", "beta.flac", "gamma.flac"])
    await page.get_by_role("button", name="Completed").click()
    await expect(page.locator(".row .name")).to_have_text(["beta.flac"])
    await expect(page.get_by_label("Status")).to_have_value("completed")
    await page.get_by_role("button", name="Completed").click()
    await expect(page.locator(".row")).to_have_count(3)


async def test_work_on_a_recording_that_is_not_on_the_page_is_counted(page: Page, api: RunningApi) -> None:
    await page.get_by_role("button", name="Completed").click()
    await expect(page.get_by_label("Status")).to_have_value("completed")
    for number in range(1, 4):
        await api.progress(f"r{number}", 0.1, "first")
        await expect(page.locator("#count-analyzing")).to_have_text(str(number))
        await page.wait_for_load_state("networkidle")


async def test_ten_thousand_recordings_are_paged_and_events_do_not_hold_up_the_page(
    page: Page, api: RunningApi
) -> None:
    for number in range(10_000):
        await api.state.documents.put("recording", f"r{number}", {"path": f"/music/{number:05}.flac"})
    await page.reload()
    await expect(page.locator("#total")).to_have_text("10,000")
    await expect(page.locator(".row")).to_have_count(50)
    await expect(page.locator("#range")).to_have_text("1 to 50 of 10,000")
    await page.get_by_role("button", name="Next").click()
    await expect(page.locator("#range")).to_have_text("51 to 100 of 10,000")

    await page.evaluate(
        """() => {
            window.slowest = 0;
            let last = performance.now();
            const tick = (now) => { window.slowest = Math.max(window.slowest, now - last); last = now;
              window.measuring = requestAnimationFrame(tick); };
            window.measuring = requestAnimationFrame(tick);
            new PerformanceObserver((list) => { for (const entry of list.getEntries())
              window.longest = Math.max(window.longest ?? 0, entry.duration); }).observe({type: "longtask"});
        }"""
    )
    for number in range(9850, 9950):
        await api.progress(f"r{number}", 0.0, "first")
    for step in range(1, 20):
        for number in range(9850, 9950):
            await api.progress(f"r{number}", step / 20, "working")
        await asyncio.sleep(0)
    await expect(page.locator("#count-analyzing")).to_have_text("100")
    drawn = await page.evaluate("document.querySelectorAll('.row').length")
    assert drawn == 50
    longest = await page.evaluate("window.longest ?? 0")
    assert longest < 500, f"one task held the page up for {longest} ms"


async def test_text_from_files_is_shown_as_text(page: Page, api: RunningApi) -> None:
    nasty = "<img src=x onerror=alert(1)>.flac"
    await api.add_recording("r1", f"/music/{nasty}")
    await api.progress("r1", 0.1, "<script>alert(1)</script>")
    await api.fail("r1", "<b>bold</b>", "DECODE_ERROR")
    await expect(page.locator(".row .name")).to_have_text(nasty)
    await expect(page.locator(".row .note")).to_contain_text("<b>bold</b>")
    await page.locator(".row").get_by_role("button").click()
    await expect(page.get_by_role("dialog")).to_contain_text("<script>alert(1)</script>")
    assert await page.locator(".row img, dialog script, dialog b").count() == 0


async def test_letter_that_failed_again_is_shown_as_it_is_now(page: Page, api: RunningApi) -> None:
    async def bury(reason: str) -> None:
        headers = {"x-message-name": "analysis.request", "x-error-code": "TIMEOUT", "x-error-message": reason}
        await api.broker.publish("", "analysis_queue.dlq", Message(b"{}", message_id="m1", headers=headers))

    await bury("the first time")
    await page.get_by_role("tab", name="Dead letters").click()
    await expect(page.locator(".letter")).to_contain_text("the first time")
    await api.broker.purge("analysis_queue.dlq")
    await bury("the second time")
    await api.progress("r1", 0.1)
    await api.fail("r1", "the second time", "TIMEOUT")
    await expect(page.locator(".letter")).to_contain_text("the second time")
