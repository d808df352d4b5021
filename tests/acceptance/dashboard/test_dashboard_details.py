"""The panel of one recording: what is known of it, and what may be asked for it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Locator, Page, expect

from pipeline.state.port import Status, Update
from stages.cue.formats import FORMATS
from tests.acceptance.dashboard.conftest import Complaints
from tests.api_plane import RunningApi, running_api, until
from tests.filled_library import CUE_FILE, SHEET, TRACKLIST, fill

pytestmark = pytest.mark.browser


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[RunningApi]:
    """An API server over a small library with one of everything."""
    async with running_api(data_dir=tmp_path) as running:
        await fill(running, tmp_path)
        yield running


@pytest.fixture
async def panel(page: Page) -> Locator:
    """The open details of the recording that has everything."""
    await page.locator(".row", has_text="Night Drive").get_by_role("button").click()
    dialog = page.get_by_role("dialog")
    await expect(dialog.get_by_role("heading", name="Night Drive")).to_be_visible()
    return dialog


async def asked(api: RunningApi, queue: str) -> dict[str, Any]:
    async def arrived() -> bool:
        return bool((await api.broker.depth(queue)).messages)

    await until(arrived, f"a message in {queue}")
    return await api.published(queue)


async def report(api: RunningApi, job_id: str, type: str, status: Status, fraction: float, **data: Any) -> None:
    begins = status is Status.ANALYZING
    update = Update("r1", job_id, "1", type, status, fraction, data, begins=begins, job_id=job_id)
    assert await api.state.progress.record(update)


async def test_details_show_cover_names_waveform_tags_and_the_same_content_elsewhere(
    page: Page, panel: Locator
) -> None:
    await expect(panel).to_contain_text("Zoë · Sets")
    await expect(panel.locator(".camelot")).to_have_text("8B")
    cover = panel.get_by_role("img", name="Cover")
    await expect(cover).to_be_visible()
    assert await cover.evaluate("(node) => node.complete && node.naturalWidth === 1")
    await expect(panel.get_by_role("img", name="Waveform, 1:00:00")).to_have_class("waveform drawn")
    for text in ("Year", "1999", "mp3, 44.1 kHz", "2 tracks · from the file's own sheet · 100 % sure"):
        await expect(panel).to_contain_text(text)
    await panel.get_by_role("button", name="copies/mix.mp3").click()
    await expect(panel.get_by_role("heading", name="mix.mp3")).to_be_visible()
    await expect(cover).to_be_hidden()
    await expect(panel.get_by_role("heading", name="Tracklists and sheets")).to_be_hidden()


async def test_list_shows_title_and_artist_and_finds_by_them(page: Page) -> None:
    await expect(page.locator(".row", has_text="Night Drive")).to_contain_text("Zoë · sets/mix.mp3")
    await page.get_by_label("Search").fill("zoë drive")
    await expect(page.locator(".row")).to_have_count(1)


async def test_analysis_is_asked_for_and_cancelled_by_keyboard(page: Page, panel: Locator, api: RunningApi) -> None:
    again, cancel = (panel.get_by_role("button", name=name) for name in ("Analyse again", "Cancel analysis"))
    await expect(cancel).to_be_disabled()
    await expect(panel.get_by_role("button", name="Close details")).to_be_focused()
    await page.keyboard.press("Tab")
    await expect(again).to_be_focused()
    await page.keyboard.press("Enter")
    await expect(panel.get_by_role("status")).to_have_text("Analysis requested.")
    assert (await asked(api, "analysis_queue"))["file_path"] == "/music/sets/mix.mp3"
    await expect(panel.locator(".details-line")).to_contain_text("Queued")
    await page.keyboard.press("Tab")
    await expect(cancel).to_be_focused()
    await page.keyboard.press("Enter")
    await expect(panel.get_by_role("status")).to_have_text("Cancellation requested.")
    assert (await asked(api, "analysis.cancel"))["recording_id"] == "r1"


async def test_progress_of_the_recording_leaves_focus_and_what_is_being_written_alone(
    page: Page, panel: Locator, api: RunningApi
) -> None:
    await panel.get_by_role("button", name="Rename").click()
    name = panel.get_by_label("New name")
    await name.fill("Half written")
    for step in range(1, 4):
        await api.progress("r1", step / 10, "once more", run="second")
        await expect(panel.locator(".details-line")).to_contain_text(f"{step * 10} %")
    await expect(name).to_be_focused()
    await expect(name).to_have_value("Half written")


async def test_rename_offers_the_name_without_its_ending_and_follows_the_job(
    page: Page, panel: Locator, api: RunningApi
) -> None:
    opener = panel.get_by_role("button", name="Rename")
    await opener.click()
    assert await page.evaluate("getSelection().toString()") == "mix"
    await page.keyboard.press("Escape")
    await expect(panel).to_be_visible()
    await expect(opener).to_be_focused()
    await page.keyboard.press("Enter")
    await page.keyboard.type("Zoë - Night Drive")
    await page.keyboard.press("Enter")
    request = await asked(api, "file_rename.request")
    assert request["suggested_name"] == "Zoë - Night Drive.mp3"
    await expect(panel.get_by_role("status")).to_have_text("Renaming…")
    await report(api, request["job_id"], "progress", Status.ANALYZING, 0.1)
    await api.add_recording("r1", "/music/sets/Zoë - Night Drive.mp3", sha256_hash="ab")
    await report(api, request["job_id"], "rename_complete", Status.COMPLETED, 1.0, results={"success": True})
    await expect(panel.get_by_role("status")).to_have_text("Renamed.")
    await expect(panel).to_contain_text("sets/Zoë - Night Drive.mp3")


async def test_tracklist_is_looked_for_and_shown_when_it_is_there(panel: Locator, api: RunningApi) -> None:
    await panel.get_by_role("button", name="Find tracklist").click()
    job_id = (await asked(api, "tracklist.generate"))["job_id"]
    await report(api, job_id, "progress", Status.ANALYZING, 0.5)
    await expect(panel.get_by_role("status")).to_have_text("Looking for the tracks… 50 %")
    await api.state.documents.put(
        "tracklist",
        "t2",
        TRACKLIST | {"tracklist_id": "t2", "source": "audio", "title": None},
        index={"recording": "r1"},
    )
    await report(api, job_id, "tracklist_complete", Status.COMPLETED, 1.0, results={"tracklist_id": "t2"})
    await expect(panel.get_by_role("status")).to_have_text("Tracklist found.")
    await expect(panel).to_contain_text("heard in the audio")
    assert (await api.state.progress.snapshot("r1")).status is Status.COMPLETED  # type: ignore[union-attr]


async def test_failed_job_says_why(panel: Locator, api: RunningApi) -> None:
    await panel.get_by_role("button", name="Find tracklist").click()
    job_id = (await asked(api, "tracklist.generate"))["job_id"]
    await report(api, job_id, "progress", Status.ANALYZING, 0.1)
    error = {"error": "No chapters in it", "details": {"error_code": "NO_TRACKLIST"}}
    await report(api, job_id, "error", Status.FAILED, 0.0, **error)
    await expect(panel.get_by_role("status")).to_have_text("Failed: No chapters in it (NO_TRACKLIST).")


async def test_sheet_is_made_in_the_format_chosen_and_downloaded(
    page: Page, panel: Locator, api: RunningApi, tmp_path: Path
) -> None:
    await panel.get_by_label("Format").select_option("kodi")
    await panel.get_by_role("button", name="Make sheet").click()
    request = await asked(api, "cue.generation")
    assert (request["tracklist_id"], request["format"]) == ("t1", "kodi")
    (tmp_path / "c2.cue").write_bytes(SHEET)
    first = await api.state.documents.get("cue_file", "c1")
    assert first is not None
    second = first | {"cue_file_id": "c2", "format": "kodi", "file_path": "c2.cue"}
    await api.state.documents.put("cue_file", "c2", second, index={"recording": "r1", "tracklist": "t1"})
    await report(api, request["job_id"], "progress", Status.ANALYZING, 0.1)
    await report(api, request["job_id"], "cue_complete", Status.COMPLETED, 1.0, results={"cue_file_id": "c2"})
    await expect(panel.get_by_role("status")).to_have_text("Sheet written.")
    async with page.expect_download() as download:
        await panel.get_by_role("link", name="Download CUE for Kodi").click()
    file = await download.value
    assert file.suggested_filename == "mix.cue"
    assert Path(await file.path()).read_bytes() == SHEET


async def test_every_format_there_is_can_be_chosen(panel: Locator) -> None:
    offered = await panel.get_by_label("Format").locator("option").evaluate_all("(all) => all.map((one) => one.value)")
    assert sorted(offered) == sorted(FORMATS)


async def test_job_is_polled_while_the_socket_is_away(page: Page, api: RunningApi, complaints: Complaints) -> None:
    await page.route_web_socket("**/v1/ws", lambda socket: socket.close(code=1013))
    await page.reload()
    await page.locator(".row", has_text="Night Drive").get_by_role("button").click()
    panel = page.get_by_role("dialog")
    await panel.get_by_role("button", name="Find tracklist").click()
    job_id = (await asked(api, "tracklist.generate"))["job_id"]
    await report(api, job_id, "progress", Status.ANALYZING, 0.1)
    await report(api, job_id, "tracklist_complete", Status.COMPLETED, 1.0, results={})
    await expect(panel.get_by_role("status")).to_have_text("Tracklist found.", timeout=10_000)
    complaints.forget("404 (Not Found)")


async def test_request_that_is_refused_says_why(panel: Locator, api: RunningApi, complaints: Complaints) -> None:
    await api.broker.close()
    await panel.get_by_role("button", name="Read tags").click()
    await expect(panel.get_by_role("status")).to_contain_text("Not done: A server behind the API does not answer")
    await api.broker.connect()
    complaints.forget("503 (Service Unavailable)")


@pytest.mark.parametrize("width", [360, 1280])
async def test_details_with_everything_do_not_scroll_sideways(page: Page, api: RunningApi, width: int) -> None:
    title = "A very long title that goes on and on, as titles from the internet do (Extended Original Mix) " * 2
    await api.state.documents.put("metadata", "r1", {"id3_tags": {"title": title, "artist": "x" * 200}, "cover": None})
    cue_file = CUE_FILE | {"cue_file_id": "c3", "format": "x" * 80, "file_size": 1, "checksum": ""}
    await api.state.documents.put("cue_file", "c3", cue_file, index={"recording": "r1"})
    await page.set_viewport_size({"width": width, "height": 780})
    await page.reload()
    await page.locator(".row", has_text="A very long title").get_by_role("button").click()
    dialog = page.get_by_role("dialog")
    await dialog.get_by_role("button", name="Rename").click()
    assert await dialog.evaluate("(node) => node.scrollWidth - node.clientWidth") <= 0
