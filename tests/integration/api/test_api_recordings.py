"""Recordings with what their tags say, and everything that is known of one."""

from __future__ import annotations

from typing import Any

import pytest

from tests.api_plane import RunningApi, until


async def add_metadata(api: RunningApi, recording_id: str, **tags: Any) -> None:
    document = {"recording_id": recording_id, "id3_tags": tags, "cover": None}
    await api.state.documents.put("metadata", recording_id, document)


async def fill(api: RunningApi) -> None:
    await api.add_recording("a", "/music/01.flac")
    await api.add_recording("b", "/music/02.flac")
    await api.add_recording("c", "/music/night/03.flac")
    await add_metadata(api, "a", title="Straße", artist="Élan", album="Night Drive")
    await add_metadata(api, "b", title="Morning", artist="Zed")


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("q=STRASSE", ["a"]),
        ("q=élan", ["a"]),
        ("q=night", ["a", "c"]),
        ("q=drive+01", ["a"]),
        ("q=zed+morning", ["b"]),
        ("q=zed+night", []),
        ("q=c", ["a", "b", "c"]),
        ("sort=title", ["b", "a", "c"]),
        ("sort=artist", ["b", "a", "c"]),
    ],
)
async def test_search_and_order_know_what_the_tags_say(api: RunningApi, query: str, expected: list[str]) -> None:
    await fill(api)
    query = query if "sort=" in query else f"{query}&sort=name"
    async with api.http() as http:
        page = (await http.get(f"/v1/recordings?{query}")).json()
    assert [item["recording_id"] for item in page["items"]] == expected


async def test_list_shows_title_artist_and_album_and_follows_their_changes(api: RunningApi) -> None:
    await fill(api)

    async def titles() -> dict[str, str | None]:
        page = (await http.get("/v1/recordings?sort=name")).json()
        return {item["recording_id"]: item["title"] for item in page["items"]}

    async with api.http() as http:
        item = (await http.get("/v1/recordings?q=01.flac")).json()["items"][0]
        assert (item["title"], item["artist"], item["album"]) == ("Straße", "Élan", "Night Drive")
        assert item["has_cover"] is False
        await add_metadata(api, "a", title="Other")
        await api.state.documents.delete("metadata", "b")

        async def changed() -> bool:
            return await titles() == {"a": "Other", "b": None, "c": None}

        await until(changed, "the new title is listed, and the removed one is not")


async def test_one_recording_is_shown_with_all_that_belongs_to_it(api: RunningApi) -> None:
    documents = api.state.documents
    await api.add_recording("a", "/music/01.flac", sha256_hash="ab", xxh128_hash="cd")
    await api.add_recording("twin", "/music/copies/01.flac", sha256_hash="ab")
    await api.add_recording("gone", "/music/gone.flac", sha256_hash="ab", deleted_at="2026-01-02T03:04:05Z")
    await documents.put(
        "metadata", "a", {"recording_id": "a", "id3_tags": {"title": "T"}, "cover": {"mime": "image/png"}}
    )
    await documents.put("analysis", "cd", {"results": {"bpm": 128.0}})
    for number in (1, 2):
        tracklist = {
            "tracklist_id": f"t{number}",
            "recording_id": "a",
            "source": "embedded",
            "confidence": 1.0,
            "title": "Mix",
            "created_at": f"2026-01-0{number}T00:00:00Z",
            "entries": [{"number": 1}] * number,
            "file_path": "/music/01.flac",
        }
        await documents.put("tracklist", f"t{number}", tracklist, index={"recording": "a"})
    cue_file = {
        "cue_file_id": "c1",
        "tracklist_id": "t1",
        "recording_id": "a",
        "format": "kodi",
        "file_path": "/data/c1.cue",
        "audio_file_path": "/music/01.flac",
        "created_at": "2026-01-02T00:00:00Z",
    }
    await documents.put("cue_file", "c1", cue_file, index={"recording": "a"})
    async with api.http() as http:
        shown = (await http.get("/v1/recordings/a")).json()
        tracklist = (await http.get("/v1/tracklists/t1")).json()
    assert (shown["title"], shown["has_cover"]) == ("T", True)
    assert shown["metadata"]["id3_tags"] == {"title": "T"}
    assert shown["analysis"] == {"results": {"bpm": 128.0}}
    assert [(each["tracklist_id"], each["track_count"]) for each in shown["tracklists"]] == [("t2", 2), ("t1", 1)]
    assert [(each["cue_file_id"], each["content_url"]) for each in shown["cue_files"]] == [
        ("c1", "/v1/cue-files/c1/content")
    ]
    assert shown["duplicates"] == [{"recording_id": "twin", "path": "copies/01.flac"}]
    assert shown["links"] == {"cover": "/v1/recordings/a/cover", "waveform": "/v1/recordings/a/waveform.svg"}
    assert tracklist["path"] == "01.flac"
    for answer in (shown, tracklist):
        assert "/music" not in str(answer)
        assert "/data" not in str(answer)


async def test_rename_is_shown_with_relative_paths_and_its_feedback(api: RunningApi) -> None:
    rename = {
        "rename_id": "n1",
        "original_path": "/music/a/old.mp3",
        "new_path": "/music/a/new.mp3",
        "file": {"inode": 1},
    }
    await api.state.documents.put("rename", "n1", rename)
    await api.state.documents.put(
        "rename_feedback", "f1", {"rename_id": "n1", "user_rating": 5}, index={"rename": "n1"}
    )
    async with api.http() as http:
        shown = (await http.get("/v1/renames/n1")).json()
    assert (shown["original_path"], shown["new_path"]) == ("a/old.mp3", "a/new.mp3")
    assert shown["feedback"] == [{"rename_id": "n1", "user_rating": 5}]
    assert "file" not in shown


async def test_name_that_is_no_text_is_shown_all_the_same(api: RunningApi) -> None:
    await api.add_recording("a", "/music/\udce9t\udce9.mp3")
    async with api.http() as http:
        assert (await http.get("/v1/recordings")).json()["items"][0]["path"] == "?t?.mp3"
        assert (await http.get("/v1/recordings/a")).json()["path"] == "?t?.mp3"
