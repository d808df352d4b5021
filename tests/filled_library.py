"""A small library with one of everything, for tests of what shows it."""

from __future__ import annotations

import base64
import hashlib
from pathlib import Path
from typing import Any

from pipeline.state.port import Status, Update
from tests.api_plane import RunningApi

SHEET = b'TITLE "Mix"\r\n'
# One red pixel.
PNG = bytes.fromhex(
    "89504e470d0a1a0a0000000d49484452000000010000000108020000009077"
    "53de0000000c4944415408d763f8cfc0000003010100c9fe92ef0000000049454e44ae426082"
)
IDS = {"recording_id": "r1", "tracklist_id": "t1", "cue_file_id": "c1", "rename_id": "n1", "job_id": "j1"}


async def fill(api: RunningApi, data_dir: Path) -> None:
    """Two recordings of the same content; the first with tags, cover, results, a tracklist, a sheet and a rename."""
    documents = api.state.documents
    (data_dir / "c1.cue").write_bytes(SHEET)
    (data_dir / "cover.png").write_bytes(PNG)
    await api.add_recording("r1", "/music/sets/mix.mp3", sha256_hash="ab", xxh128_hash="cd", file_type="mp3")
    await api.add_recording("r2", "/music/copies/mix.mp3", sha256_hash="ab", xxh128_hash="cd", file_type="mp3")
    await documents.put("metadata", "r1", METADATA)
    await documents.put("waveform", "r1", WAVEFORM)
    await documents.put("analysis", "cd", {"results": {"bpm": 128.0}})
    await documents.put("tracklist", "t1", TRACKLIST, index={"recording": "r1"})
    cue_file = CUE_FILE | {"file_size": len(SHEET), "checksum": hashlib.sha256(SHEET).hexdigest()}
    await documents.put("cue_file", "c1", cue_file, index={"recording": "r1", "tracklist": "t1"})
    await documents.put(
        "rename", "n1", {"rename_id": "n1", "original_path": "/music/a.mp3", "new_path": "/music/b.mp3"}
    )
    await documents.put("rename_pattern", "p1", {"pattern": "{artist} - {title}", "score": 0.5})
    await api.progress("r1", 0.5)
    await api.complete("r1", bpm=128.0, key="C major", camelot="8B", energy=0.7, duration_seconds=3600.0)
    results = {"results": {"tracklist_id": "t1"}}
    update = Update("r1", "m1", "1", "done", Status.COMPLETED, 1.0, results, begins=True, job_id="j1")
    assert await api.state.progress.record(update)


METADATA: dict[str, Any] = {
    "recording_id": "r1",
    "file_path": "/music/sets/mix.mp3",
    "id3_tags": {"title": "Night Drive", "artist": "Zoë", "album": "Sets", "year": 1999},
    "audio_analysis": {"codec": "mp3", "sample_rate": 44100, "channels": 2},
    "cover": {"mime": "image/png", "width": 1, "height": 1, "file": "cover.png"},
    "warnings": [],
}
WAVEFORM: dict[str, Any] = {
    "recording_id": "r1",
    "xxh128": "cd",
    "version": "1",
    "points": 4,
    "duration_seconds": 3600.0,
    "peaks": {
        "low": base64.b64encode(bytes([0, 256 - 64, 256 - 127, 256 - 32])).decode(),
        "high": base64.b64encode(bytes([0, 64, 127, 96])).decode(),
        "rms": base64.b64encode(bytes([0, 51, 255, 102])).decode(),
    },
}
TRACKLIST: dict[str, Any] = {
    "tracklist_id": "t1",
    "recording_id": "r1",
    "file_path": "/music/sets/mix.mp3",
    "source": "embedded",
    "confidence": 1.0,
    "title": "Night Drive",
    "created_at": "2026-01-02T03:04:05Z",
    "entries": [
        {"number": 1, "start_seconds": 0.0, "title": "One", "performer": "Someone"},
        {"number": 2, "start_seconds": 1800.0, "title": None, "performer": None},
    ],
}
CUE_FILE: dict[str, Any] = {
    "cue_file_id": "c1",
    "tracklist_id": "t1",
    "recording_id": "r1",
    "format": "standard",
    "file_path": "c1.cue",
    "created_at": "2026-01-02T03:04:05Z",
    "audio_file_path": "/music/sets/mix.mp3",
}
