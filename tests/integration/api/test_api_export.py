"""The whole library as CSV and JSON, sent while it is read."""

from __future__ import annotations

import csv
import io
import tracemalloc
from typing import Any

import httpx
import pytest

from api.http.export import COLUMNS
from pipeline.errors import StateUnavailable
from tests.api_plane import RunningApi


async def fill(api: RunningApi) -> None:
    await api.add_recording("b", "/music/b.mp3", sha256_hash="ab", file_type="mp3")
    await api.add_recording("a", '/music/a, "the" first.mp3')
    await api.add_recording("gone", "/music/gone.mp3", deleted_at="2026-01-02T03:04:05Z")
    metadata = {
        "id3_tags": {"title": "=HYPERLINK(1)", "artist": "Zoë\nTwo lines", "year": 1999, "comment": " +1"},
        "audio_analysis": {"codec": "mp3", "sample_rate": 44100},
        "file_path": "/music/b.mp3",
        "cover": {"mime": "image/png", "file": "covers/x.png"},
    }
    await api.state.documents.put("metadata", "b", metadata)
    await api.progress("b", 0.5)
    await api.complete("b", bpm=128.0, key="C major", camelot="8B", loudness_lufs=-9.5)
    await api.progress("a", 0.1)
    await api.fail("a", "@broken", "DECODE_ERROR")


async def rows(http: httpx.AsyncClient) -> list[dict[str, str]]:
    answer = await http.get("/v1/export.csv")
    assert answer.status_code == 200
    return list(csv.DictReader(io.StringIO(answer.content.decode("utf-8"), newline="")))


async def test_csv_has_a_line_for_each_recording_with_tags_and_results(api: RunningApi) -> None:
    await fill(api)
    async with api.http() as http:
        answer = await http.get("/v1/export.csv")
        first, second = await rows(http)
    assert answer.headers["content-type"].startswith("text/csv")
    assert answer.headers["content-disposition"] == 'attachment; filename="library.csv"'
    assert answer.text.startswith(",".join(COLUMNS) + "\r\n")
    assert answer.text.endswith("\r\n")
    assert (first["path"], first["status"], first["error_code"]) == ('a, "the" first.mp3', "failed", "DECODE_ERROR")
    assert second["artist"] == "Zoë\nTwo lines"
    assert [second[name] for name in ("year", "bpm", "key", "camelot", "codec", "sample_rate", "sha256_hash")] == [
        *("1999", "128.0", "C major", "8B", "mp3", "44100", "ab")
    ]


async def test_no_text_in_the_csv_is_run_by_a_spreadsheet_and_numbers_stay_numbers(api: RunningApi) -> None:
    await fill(api)
    async with api.http() as http:
        first, second = await rows(http)
    assert (second["title"], second["comment"], first["error"]) == ("'=HYPERLINK(1)", "' +1", "'@broken")
    assert second["loudness_lufs"] == "-9.5"


@pytest.mark.parametrize("beginning", ["=", "+", "-", "@", "\t", "\r", "\n", "＝", " ="])
async def test_every_beginning_of_a_formula_is_defused(api: RunningApi, beginning: str) -> None:
    await api.add_recording("a", "/music/a.mp3")
    await api.state.documents.put("metadata", "a", {"id3_tags": {"title": f"{beginning}cmd|' /C calc'!A0"}})
    async with api.http() as http:
        assert (await rows(http))[0]["title"].startswith("'")


async def test_json_is_an_array_with_everything_that_is_known(api: RunningApi) -> None:
    await fill(api)
    async with api.http() as http:
        answer = await http.get("/v1/export.json")
    first, second = answer.json()
    assert (first["recording_id"], first["error"]["error_code"], first["metadata"]) == ("a", "DECODE_ERROR", None)
    assert second["results"]["bpm"] == 128.0
    assert second["metadata"]["id3_tags"]["title"] == "=HYPERLINK(1)"
    assert second["file"]["sha256_hash"] == "ab"
    assert "/music" not in answer.text
    assert "covers/" not in answer.text


async def test_empty_library_is_an_empty_array_and_a_line_of_names(api: RunningApi) -> None:
    async with api.http() as http:
        assert (await http.get("/v1/export.json")).json() == []
        assert await rows(http) == []


async def test_name_that_is_no_text_is_exported_all_the_same(api: RunningApi) -> None:
    await api.add_recording("a", "/music/\udce9.mp3")
    async with api.http() as http:
        assert (await http.get("/v1/export.json")).json()[0]["path"] == "?.mp3"
        assert (await rows(http))[0]["path"] == "?.mp3"


async def test_export_holds_a_part_of_a_large_library_at_a_time(api: RunningApi) -> None:
    comment = "x" * 20_000
    for number in range(3000):
        await api.add_recording(f"r{number:04}", f"/music/{number:04}.mp3")
        await api.state.documents.put("metadata", f"r{number:04}", {"id3_tags": {"other": {"x": [comment]}}})
    async with api.http() as http:
        await http.get("/v1/recordings?limit=1")
        tracemalloc.start()
        size = 0
        async with http.stream("GET", "/v1/export.json") as answer:
            async for part in answer.aiter_bytes():
                size += len(part)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert size > 3000 * len(comment)
    # Copies of one chunk, on their way from the store to the client, which is in this process too.
    assert peak < size / 3


async def test_export_that_breaks_off_is_not_taken_for_a_whole_one(
    api: RunningApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(500):
        await api.add_recording(f"r{number:04}", f"/music/{number:04}.mp3")
    real = api.state.documents.get_many

    async def get_many(kind: str, ids: Any) -> Any:
        if "r0300" in ids:
            raise StateUnavailable("gone")
        return await real(kind, ids)

    monkeypatch.setattr(api.state.documents, "get_many", get_many)
    async with api.http() as http:
        with pytest.raises(httpx.RemoteProtocolError):
            await http.get("/v1/export.json")


async def test_export_without_a_state_store_is_503(api: RunningApi, monkeypatch: pytest.MonkeyPatch) -> None:
    await api.add_recording("a", "/music/a.mp3")

    async def get_many(kind: str, ids: Any) -> Any:
        raise StateUnavailable("gone")

    monkeypatch.setattr(api.state.documents, "get_many", get_many)
    async with api.http() as http:
        answer = await http.get("/v1/export.json")
    assert answer.status_code == 503
    assert answer.json()["error_code"] == "DEPENDENCY_UNAVAILABLE"
