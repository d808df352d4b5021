"""Covers and sheets over HTTP: what was generated, nothing else, and only what was written."""

from __future__ import annotations

import hashlib
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest

from tests.api_plane import RunningApi, running_api

SHEET = 'TITLE "Nächte"\r\n'.encode()
PNG = b"\x89PNG\r\n\x1a\n" + b"\0" * 20


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    folder.mkdir()
    return folder


@pytest.fixture
async def api(data_dir: Path) -> AsyncIterator[RunningApi]:
    """An API server over empty embedded engines, with a data folder of its own."""
    async with running_api(data_dir=data_dir) as running:
        yield running


async def add_sheet(api: RunningApi, path: str, content: bytes = SHEET, **fields: Any) -> None:
    document = {
        "cue_file_id": "c1",
        "tracklist_id": "t1",
        "recording_id": "r1",
        "format": "standard",
        "file_path": path,
        "file_size": len(content),
        "checksum": hashlib.sha256(content).hexdigest(),
        "created_at": "2026-01-02T03:04:05Z",
        "audio_file_path": "/music/before.mp3",
        **fields,
    }
    await api.state.documents.put("cue_file", "c1", document, index={"recording": "r1", "tracklist": "t1"})


async def add_cover(api: RunningApi, file: str, mime: str = "image/png") -> None:
    await api.add_recording("r1", "/music/one.mp3")
    await api.state.documents.put("metadata", "r1", {"recording_id": "r1", "cover": {"mime": mime, "file": file}})


async def test_sheet_is_downloaded_under_its_audios_name_and_revalidated(api: RunningApi, data_dir: Path) -> None:
    (data_dir / "c1.cue").write_bytes(SHEET)
    await api.add_recording("r1", "/music/sets/Nächte.mp3")
    await add_sheet(api, str(data_dir / "c1.cue"))
    async with api.http() as http:
        answer = await http.get("/v1/cue-files/c1/content")
        assert answer.status_code == 200
        assert answer.content == SHEET
        assert answer.headers["content-type"] == "application/x-cue"
        assert answer.headers["content-disposition"] == (
            "attachment; filename=\"N_chte.cue\"; filename*=UTF-8''N%C3%A4chte.cue"
        )
        again = await http.get("/v1/cue-files/c1/content", headers={"If-None-Match": f"W/{answer.headers['etag']}"})
        assert (again.status_code, again.content) == (304, b"")
        other = await http.get("/v1/cue-files/c1/content", headers={"If-None-Match": '"other"'})
        assert other.status_code == 200


@pytest.mark.parametrize(
    ("stem", "expected"),
    [
        ('a"b\\c', "abc"),
        ("a\r\nSet-Cookie: x=1", "aSet-Cookie x=1"),
        ("...", "download"),
        ("100% house", "100% house"),
        ("\udce9t\udce9", "t"),
        ("日本" * 100, "日本" * 30),
        ("con", "con"),
    ],
)
async def test_name_of_a_download_is_safe_whatever_the_audio_is_called(
    api: RunningApi, data_dir: Path, stem: str, expected: str
) -> None:
    (data_dir / "c1.nml").write_bytes(SHEET)
    await api.add_recording("r1", f"/music/{stem}.mp3")
    await add_sheet(api, "c1.nml")
    async with api.http() as http:
        answer = await http.get("/v1/cue-files/c1/content")
    assert answer.headers["content-type"] == "application/xml"
    found = re.fullmatch(
        r"attachment; filename=\"([ -!#-~]*)\"; filename\*=UTF-8''(.*)", answer.headers["content-disposition"]
    )
    assert found is not None
    assert unquote(found[2]) == f"{expected}.nml"
    assert "%" not in found[1]


async def test_sheet_of_a_forgotten_recording_has_the_name_of_its_audio_then(api: RunningApi, data_dir: Path) -> None:
    (data_dir / "c1.cue").write_bytes(SHEET)
    await add_sheet(api, "c1.cue")
    async with api.http() as http:
        answer = await http.get("/v1/cue-files/c1/content")
        shown = (await http.get("/v1/cue-files/c1")).json()
    assert 'filename="before.cue"' in answer.headers["content-disposition"]
    assert shown["audio_path"] == "before.mp3"
    assert shown["content_url"] == "/v1/cue-files/c1/content"
    assert str(data_dir) not in str(shown)


async def test_sheet_that_was_changed_or_removed_is_not_handed_out(api: RunningApi, data_dir: Path) -> None:
    (data_dir / "c1.cue").write_bytes(SHEET + b"!")
    await add_sheet(api, "c1.cue")
    async with api.http() as http:
        changed = await http.get("/v1/cue-files/c1/content")
        assert (changed.status_code, changed.json()["error_code"]) == (409, "FILE_CHANGED")
        (data_dir / "c1.cue").unlink()
        gone = await http.get("/v1/cue-files/c1/content")
        assert (gone.status_code, gone.json()["error_code"]) == (404, "FILE_NOT_FOUND")


@pytest.mark.parametrize(
    "path", ["../secret", "{root}/secret", "link", "folder", "", "a\0b", "loop", "folder/../../secret"]
)
async def test_nothing_outside_the_data_folder_is_handed_out(api: RunningApi, data_dir: Path, path: str) -> None:
    (data_dir.parent / "secret").write_bytes(SHEET)
    (data_dir / "link").symlink_to(data_dir.parent / "secret")
    (data_dir / "loop").symlink_to(data_dir / "loop")
    (data_dir / "folder").mkdir()
    file = path.format(root=data_dir.parent)
    await add_cover(api, file)
    await add_sheet(api, file)
    async with api.http() as http:
        for address in ("/v1/recordings/r1/cover", "/v1/cue-files/c1/content"):
            answer = await http.get(address)
            assert answer.status_code == 404, answer.text
            assert SHEET not in answer.content


async def test_cover_is_served_with_its_type_and_revalidated(api: RunningApi, data_dir: Path) -> None:
    (data_dir / "covers").mkdir()
    (data_dir / "covers" / "x.png").write_bytes(PNG)
    await add_cover(api, "covers/x.png")
    async with api.http() as http:
        answer = await http.get("/v1/recordings/r1/cover")
        assert (answer.status_code, answer.content, answer.headers["content-type"]) == (200, PNG, "image/png")
        assert answer.headers["x-content-type-options"] == "nosniff"
        again = await http.get("/v1/recordings/r1/cover", headers={"If-None-Match": answer.headers["etag"]})
        assert again.status_code == 304


@pytest.mark.parametrize("mime", ["text/html", "image/svg+xml", "image/png; x=\r\ny", None])
async def test_cover_of_a_type_that_a_browser_might_run_is_only_bytes(
    api: RunningApi, data_dir: Path, mime: Any
) -> None:
    (data_dir / "x").write_bytes(b"<script>alert(1)</script>")
    await add_cover(api, "x", mime)
    async with api.http() as http:
        answer = await http.get("/v1/recordings/r1/cover")
    assert answer.headers["content-type"] == "application/octet-stream"


async def test_recording_without_a_cover_is_404(api: RunningApi) -> None:
    await api.add_recording("r1", "/music/one.mp3")
    async with api.http() as http:
        answer = await http.get("/v1/recordings/r1/cover")
    assert (answer.status_code, answer.json()["error_code"]) == (404, "NO_COVER")
