"""From a file dropped into a folder to the dashboard's WebSocket."""

from __future__ import annotations

import asyncio
import json
import shutil
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from websockets.asyncio.client import ClientConnection, connect

from ops.audio import write_track
from tests.acceptance.commands import Commands, answers, eventually, fetch

FINAL = ("analysis_complete", "error")


@pytest.fixture
def song(tmp_path: Path) -> Path:
    """A FLAC of 128 BPM in C major, outside the watched folder."""
    path = tmp_path / "song.flac"
    write_track(path, bpm=128.0, key="C major", seconds=30.0, style="house", seed=7)
    return path


async def receive(socket: ClientConnection) -> dict[str, Any]:
    async with asyncio.timeout(60):
        message: dict[str, Any] = json.loads(await socket.recv())
    return message


async def watch_song_arrive(api: str, song: Path, folder: Path) -> list[dict[str, Any]]:
    """Drop the song into the folder; all that a subscriber of its recording is told, up to the end."""
    address = api.replace("http", "ws") + "/v1/ws"
    async with connect(f"{address}?client_id=finder") as finder, connect(f"{address}?client_id=listener") as listener:
        assert (await receive(finder))["type"] == "welcome"
        assert (await receive(listener))["type"] == "welcome"
        await finder.send(json.dumps({"type": "subscribe", "recording_id": "*"}))
        assert (await receive(finder))["type"] == "subscribed"
        shutil.copy(song, folder / "dropped.flac")
        recording_id = (await receive(finder))["recording_id"]
        await listener.send(json.dumps({"type": "subscribe", "recording_id": recording_id}))
        assert (await receive(listener))["type"] == "subscribed"
        events = []
        while not events or events[-1]["data"]["type"] not in FINAL:
            events.append(await receive(listener))
        return events


def assert_told_of_128_bpm_in_c_major(events: list[dict[str, Any]]) -> None:
    shown = [event["data"]["progress"] for event in events if event["data"]["type"] == "progress"]
    assert shown == sorted(shown)
    sequences = [event["sequence"] for event in events]
    assert sequences == sorted(set(sequences))
    assert events[-1]["data"]["type"] == "analysis_complete"
    results = events[-1]["data"]["results"]
    assert results["bpm"] == pytest.approx(128.0, rel=0.005)
    assert results["key"] == "C major"
    assert 0.0 <= results["energy"] <= 1.0


def test_a_dropped_flac_reaches_a_subscriber_on_the_embedded_engines(
    commands: Commands, song: Path, tmp_path: Path
) -> None:
    music = tmp_path / "music"
    music.mkdir()
    commands.start("up", str(music))
    eventually("ready", lambda: answers(f"{commands.api}/health/ready"))
    assert_told_of_128_bpm_in_c_major(asyncio.run(watch_song_arrive(commands.api, song, music)))


def test_a_dropped_flac_reaches_a_subscriber_through_three_processes(
    commands: Commands, servers: dict[str, str], song: Path, tmp_path: Path
) -> None:
    music = tmp_path / "music"
    music.mkdir()
    applied = commands.run("apply", "--yes", **servers)
    assert applied.returncode == 0, applied.stderr
    assert commands.run("plan", **servers).returncode == 0
    for arguments in (["run"], ["api"], ["watch", str(music)]):
        commands.start(*arguments, **servers)
    eventually("ready", lambda: answers(f"{commands.api}/health/ready"))
    assert_told_of_128_bpm_in_c_major(asyncio.run(watch_song_arrive(commands.api, song, music)))


def test_a_broken_file_is_an_error_with_a_code_and_can_be_replayed(
    commands: Commands, song: Path, tmp_path: Path
) -> None:
    music = tmp_path / "music"
    music.mkdir()
    (music / "broken.mp3").write_bytes(bytes(range(256)) * 200)
    (music / "empty.wav").touch()
    (music / "cover.jpg").write_bytes(b"not a song")
    shutil.copy(song, music / "good.flac")
    commands.start("up", str(music))

    def finished() -> dict[str, dict[str, Any]] | None:
        if not answers(f"{commands.api}/v1/recordings"):
            return None
        items = {item["path"]: item for item in fetch(f"{commands.api}/v1/recordings")["items"]}
        done = [item for item in items.values() if item["status"] in ("completed", "failed")]
        return items if len(done) == 3 else None

    items = eventually("three files done", finished)
    assert items["good.flac"]["status"] == "completed"
    assert items["broken.mp3"]["error"]["error_code"] == "DECODE_ERROR"
    assert items["empty.wav"]["error"]["error_code"] == "FILE_EMPTY"

    listed = json.loads(commands.run("dlq", "list", "--output", "json").stdout)
    waiting = {each["name"]: each["messages"] for each in listed["items"] if each["messages"]}
    assert waiting == {"analysis_queue.dlq": 2, "metadata.extract.dlq": 2}
    refused = commands.run("publish", "analysis.request", '{"recording_id": 5}')
    assert refused.returncode == 1
    assert "file_path" in refused.stderr

    listing = commands.run("dlq", "show", "analysis_queue").stdout
    assert "DECODE_ERROR: broken.mp3" in listing
    shown = json.loads(commands.run("dlq", "show", "analysis_queue", "--output", "json").stdout)
    assert {letter["error_code"] for letter in shown["items"]} == {"DECODE_ERROR", "FILE_EMPTY"}

    shutil.copy(song, music / "broken.mp3.part")
    (music / "broken.mp3.part").replace(music / "empty.wav")
    eventually("the new content is analysed", lambda: _status(commands.api, "empty.wav") == "completed")
    replayed = commands.run("dlq", "replay", "analysis_queue", "--error-code", "FILE_EMPTY")
    assert replayed.returncode == 0, replayed.stderr
    assert "1 replayed" in replayed.stdout


def test_up_ends_by_itself_with_a_table_when_every_file_is_done(commands: Commands, song: Path, tmp_path: Path) -> None:
    music = tmp_path / "music"
    music.mkdir()
    shutil.copy(song, music / "one.flac")
    first = commands.run("up", str(music), "--until-done")
    assert first.returncode == 0, first.stderr
    assert "C major" in first.stdout
    second = commands.run("up", str(music), "--until-done")
    assert second.returncode == 0, second.stderr
    assert "C major" in second.stdout, "results are kept"
    assert "completed  one.flac" not in second.stdout, "and not made again"


def _status(api: str, name: str) -> str | None:
    answer = httpx.get(f"{api}/v1/recordings?q={quote(name)}", timeout=10).json()
    return next((item["status"] for item in answer["items"]), None)
