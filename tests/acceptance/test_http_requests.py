"""What clients ask for over HTTP is done by the workers, and what comes of it is downloaded."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import httpx
import pytest

from ops.audio import write_track
from tests.acceptance.commands import Commands, answers, eventually
from tests.tag_bytes import apic, frame, id3, png, text_frame

SHEET = """FILE "song.mp3" MP3
  TRACK 01 AUDIO
    TITLE "Erstes"
    PERFORMER "Zoë"
    INDEX 01 00:00:00
  TRACK 02 AUDIO
    TITLE "Zweites"
    PERFORMER "Zoë"
    INDEX 01 00:10:00
"""
ENDED = ("completed", "failed", "cancelled")


@pytest.fixture
def music(tmp_path: Path) -> Path:
    """A folder with one MP3 that has a title, an artist and a cover, and a sheet beside it."""
    folder = tmp_path / "music"
    folder.mkdir()
    plain = tmp_path / "plain.mp3"
    write_track(plain, bpm=128.0, key="C major", seconds=20.0, style="house", seed=7)
    tags = id3(text_frame("TIT2", "Nächte"), text_frame("TPE1", "Zoë"), frame("APIC", apic(png(8, 8))))
    (folder / "song.mp3").write_bytes(tags + plain.read_bytes())
    (folder / "song.cue").write_text(SHEET, encoding="utf-8")
    return folder


class Client:
    """A client of the API that follows its jobs by polling."""

    def __init__(self, http: httpx.Client) -> None:
        self.http = http

    def recording(self) -> dict[str, Any]:
        """The only one, once it is analysed."""

        def analysed() -> dict[str, Any] | None:
            items = self.http.get("/v1/recordings").json()["items"]
            return items[0] if len(items) == 1 and items[0]["status"] == "completed" else None

        return eventually("the song is analysed", analysed)

    def done(self, method: str, path: str, body: Any = None) -> dict[str, Any]:
        """The job of a request, when it has ended."""
        answer = self.http.request(method, path, json=body)
        assert answer.status_code == 202, answer.text

        def ended() -> dict[str, Any] | None:
            job: dict[str, Any] = self.http.get(answer.headers["location"]).json()
            return job if job.get("status") in ENDED else None

        return eventually(f"{path} is done", ended)

    def picture(self, path: str) -> httpx.Response:
        """Asked for until it is there."""

        def there() -> httpx.Response | None:
            answer = self.http.get(path)
            assert answer.status_code in (200, 202), answer.text
            return answer if answer.status_code == 200 else None

        return eventually(f"{path} is there", there)


def ask_for_everything(client: Client, music: Path) -> None:
    recording_id = client.recording()["recording_id"]
    base = f"/v1/recordings/{recording_id}"

    job = client.done("POST", f"{base}/metadata")
    assert (job["status"], job["recording_id"]) == ("completed", recording_id), job
    shown = client.http.get(base).json()
    assert (shown["title"], shown["artist"], shown["has_cover"]) == ("Nächte", "Zoë", True)
    cover = client.picture(shown["links"]["cover"])
    assert (cover.content, cover.headers["content-type"]) == (png(8, 8), "image/png")
    found = {"q": "zoë nächte"}
    eventually("it is found by its tags", lambda: client.http.get("/v1/recordings", params=found).json()["total"] == 1)

    assert client.picture(shown["links"]["waveform"]).headers["content-type"] == "image/svg+xml"
    parts = client.http.get(f"{base}/waveform.json", params={"columns": 100}).json()
    assert parts["duration_seconds"] == pytest.approx(20.0, abs=0.2)
    assert len(parts["rms"]) == 100
    assert max(parts["high"]) > 0.1

    sheets_are_made(client, base)

    before = client.http.get(base).json()["sequence"]
    assert client.http.post(f"{base}/analysis", json={"analysis_types": ["bpm"]}).status_code == 202

    def again() -> bool:
        state = client.http.get(base).json()
        return state["sequence"] > before and state["status"] == "completed" and "key" not in state["results"]

    eventually("it is analysed again", again)

    job = client.done("POST", f"{base}/rename", {"suggested_name": "Zoë - Nächte.mp3"})
    assert job["status"] == "completed", job
    assert (music / "Zoë - Nächte.mp3").exists()
    eventually("the new name is listed", lambda: client.recording()["path"] == "Zoë - Nächte.mp3")
    assert client.recording()["recording_id"] == recording_id

    renamed = f"/v1/renames/{job['results']['rename_id']}"
    feedback = {"feedback_type": "success", "user_rating": 5}
    assert client.http.post(f"{renamed}/feedback", json=feedback).status_code == 202
    eventually("the feedback is kept", lambda: client.http.get(renamed).json()["feedback"])
    job = client.done("POST", "/v1/renames/patterns", {"recording_ids": [recording_id]})
    assert (job["status"], job["results"]["file_count"]) == ("completed", 1), job
    eventually("the pattern has a score", lambda: client.http.get("/v1/renames/patterns").json()["items"])

    (row,) = client.http.get("/v1/export.json").json()
    assert (row["path"], row["results"]["bpm"]) == ("Zoë - Nächte.mp3", pytest.approx(128.0, rel=0.005))
    assert "Zoë - Nächte.mp3" in client.http.get("/v1/export.csv").text


def sheets_are_made(client: Client, base: str) -> None:
    job = client.done("POST", f"{base}/tracklist", {"source_hint": "sidecar"})
    assert job["status"] == "completed", job
    tracklist = client.http.get(f"/v1/tracklists/{job['results']['tracklist_id']}").json()
    assert [entry["title"] for entry in tracklist["entries"]] == ["Erstes", "Zweites"]
    sheets = f"/v1/tracklists/{tracklist['tracklist_id']}"

    job = client.done("POST", f"{sheets}/cue", {"format": "standard", "validate_audio": True})
    assert job["status"] == "completed", job
    sheet = f"/v1/cue-files/{job['results']['cue_file_id']}"
    content = client.http.get(f"{sheet}/content")
    assert 'filename="song.cue"' in content.headers["content-disposition"]
    assert 'TITLE "Erstes"' in content.text
    assert client.http.get(sheet).json()["checksum"] == hashlib.sha256(content.content).hexdigest()

    job = client.done("POST", f"{sheet}/validation")
    assert (job["status"], job["results"]["validation_report"]["is_valid"]) == ("completed", True), job
    job = client.done("POST", f"{sheet}/conversion", {"target_format": "kodi"})
    assert job["status"] == "completed", job
    job = client.done("POST", f"{sheets}/cue-batch", {"formats": ["traktor", "traktor_nml", "rekordbox_xml"]})
    assert job["status"] == "completed", job
    made = {each["format"]: each["content_url"] for each in client.http.get(base).json()["cue_files"]}
    assert set(made) == {"standard", "kodi", "traktor", "traktor_nml", "rekordbox_xml"}
    nml = client.http.get(made["traktor_nml"])
    assert nml.headers["content-type"] == "application/xml"
    assert "Zweites" in nml.text

    job = client.done("POST", f"{sheets}/cue", {"format": "cassette"})
    assert (job["status"], job["error"]["error_code"]) == ("failed", "UNKNOWN_FORMAT"), job


def test_every_request_is_done_on_the_embedded_engines(commands: Commands, music: Path) -> None:
    commands.start("up", str(music))
    eventually("ready", lambda: answers(f"{commands.api}/health/ready"))
    with httpx.Client(base_url=commands.api, timeout=30) as http:
        ask_for_everything(Client(http), music)


def test_every_request_is_done_through_three_processes(
    commands: Commands, servers: dict[str, str], music: Path
) -> None:
    applied = commands.run("apply", "--yes", **servers)
    assert applied.returncode == 0, applied.stderr
    servers = {**servers, "LIBRARY_ROOTS": str(music)}
    for arguments in (["run"], ["api"], ["watch", str(music)]):
        commands.start(*arguments, **servers)
    eventually("ready", lambda: answers(f"{commands.api}/health/ready"))
    with httpx.Client(base_url=commands.api, timeout=30) as http:
        ask_for_everything(Client(http), music)
