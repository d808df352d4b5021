"""A recording's waveform: made when it is first asked for, once, and shown when it is there."""

from __future__ import annotations

import asyncio
import time
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from pipeline.state.port import Status, Update
from tests.api_plane import RunningApi
from tests.filled_library import WAVEFORM

QUEUE = "waveform.generate"
SVG = "/v1/recordings/r1/waveform.svg"
JSON = "/v1/recordings/r1/waveform.json"


async def report(api: RunningApi, job_id: str, status: Status, type: str = "progress", **data: Any) -> None:
    update = Update("r1", job_id, "1", type, status, 0.1, data, begins=status is Status.ANALYZING, job_id=job_id)
    assert await api.state.progress.record(update)


async def test_waveform_is_asked_for_once_and_shown_when_it_is_there(api: RunningApi) -> None:
    await api.add_recording("r1", "/music/one.mp3", xxh128_hash="cd")
    async with api.http() as http:
        answers = await asyncio.gather(*(http.get(address) for address in (SVG, JSON, SVG, JSON)))
        assert {answer.status_code for answer in answers} == {202}
        assert {answer.headers["retry-after"] for answer in answers} == {"2"}
        (job_id,) = {answer.json()["job_id"] for answer in answers}
        depth = (await api.broker.depth(QUEUE)).messages
        ids = set()
        for _ in range(depth):
            published = await api.broker.get(QUEUE)
            assert published is not None
            ids.add(published.message.message_id)
            published.ack()
        assert ids == {job_id}
        assert (await http.get(answers[0].headers["location"])).json()["status"] == "queued"
        await report(api, job_id, Status.ANALYZING)
        assert (await http.get(SVG)).status_code == 202
        assert (await api.broker.depth(QUEUE)).messages == 0
        await api.state.documents.put("waveform", "r1", WAVEFORM)
        shown = await http.get(SVG)
        assert (shown.status_code, shown.headers["content-type"]) == (200, "image/svg+xml")
        assert ET.fromstring(shown.text).attrib["aria-label"] == "Waveform of 60 min 0 s"
        again = await http.get(SVG, headers={"If-None-Match": shown.headers["etag"]})
        assert again.status_code == 304


async def test_waveform_as_numbers_has_as_many_parts_as_are_asked_for(api: RunningApi) -> None:
    await api.add_recording("r1", "/music/one.mp3", xxh128_hash="cd")
    peaks = {name: WAVEFORM["peaks"][name] for name in ("low", "high", "rms")}
    await api.state.documents.put("waveform", "r1", WAVEFORM | {"peaks": peaks})
    async with api.http() as http:
        shown = (await http.get(JSON)).json()
    assert shown["duration_seconds"] == 3600.0
    assert shown["rms"] == [0.0, 0.2, 1.0, 0.4]
    assert shown["low"] == [0.0, -0.504, -1.0, -0.252]
    assert shown["high"] == [0.0, 0.504, 1.0, 0.756]


@pytest.mark.parametrize("stored", [WAVEFORM | {"xxh128": "other"}, WAVEFORM | {"peaks": {"low": "AA=="}}])
async def test_waveform_of_another_content_or_damaged_is_made_anew(api: RunningApi, stored: dict[str, Any]) -> None:
    await api.add_recording("r1", "/music/one.mp3", xxh128_hash="cd")
    await api.state.documents.put("waveform", "r1", stored)
    async with api.http() as http:
        assert (await http.get(SVG)).status_code == 202
    assert (await api.published(QUEUE))["recording_id"] == "r1"


async def test_waveform_that_could_not_be_made_is_404_and_says_why(api: RunningApi) -> None:
    await api.add_recording("r1", "/music/one.mp3", xxh128_hash="cd")
    async with api.http() as http:
        job_id = (await http.get(SVG)).json()["job_id"]
        await report(api, job_id, Status.ANALYZING)
        data = {"error": "Nothing in it decodes", "details": {"error_code": "DECODE_ERROR"}}
        await report(api, job_id, Status.FAILED, "error", **data)
        answer = await http.get(SVG)
        assert (answer.status_code, answer.json()["error_code"]) == (404, "DECODE_ERROR")
        assert "Nothing in it decodes" in answer.json()["error"]
        await api.add_recording("r1", "/music/one.mp3", xxh128_hash="ef")
        assert (await http.get(SVG)).status_code == 202


async def test_request_that_was_announced_and_perhaps_never_sent_is_sent_again_under_its_id(
    api: RunningApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    await api.add_recording("r1", "/music/one.mp3", xxh128_hash="cd")
    async with api.http() as http:
        job_id = (await http.get(SVG)).json()["job_id"]
        assert (await api.published(QUEUE))["_id"] == job_id
        now = time.time()
        monkeypatch.setattr("api.http.pictures.time.time", lambda: now + 61)
        assert (await http.get(SVG)).status_code == 202
    assert (await api.published(QUEUE))["_id"] == job_id


async def test_waveform_of_a_deleted_or_unknown_recording_is_not_asked_for(api: RunningApi) -> None:
    await api.add_recording("r1", "/music/one.mp3", deleted_at="2026-01-02T03:04:05Z")
    async with api.http() as http:
        assert (await http.get(SVG)).status_code == 410
        assert (await http.get("/v1/recordings/x/waveform.svg")).status_code == 404
    assert (await api.broker.depth(QUEUE)).messages == 0
