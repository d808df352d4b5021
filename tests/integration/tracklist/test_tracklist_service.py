"""`tracklist.generate` through the real broker and store: what is answered, what is stored, what is dead-lettered."""

from __future__ import annotations

import random
import uuid
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from ops.audio import write_noise, write_track
from pipeline.messages.message import ERROR_CODE, Envelope, derive_message_id
from stages.contracts import TracklistGenerationRequest
from stages.examples import EXAMPLES
from stages.tracklist.generate import locate
from stages.tracklists import Tracklists
from tests.live_library import LiveLibrary, eventually

pytestmark = [pytest.mark.rabbitmq, pytest.mark.redis]

QUEUE, ANSWERS = "tracklist.generate", "tracklist.generate.complete"
SHEET = """\
PERFORMER "Several"
TITLE "An Evening"
REM GENRE House
REM DATE 2019
FILE "mix.wav" WAVE
  TRACK 01 AUDIO
    TITLE "Harbour Lights"
    PERFORMER "The Tidewater Band"
    INDEX 01 00:00:00
  TRACK 02 AUDIO
    TITLE "Night Bus"
    INDEX 00 00:02:37
    INDEX 01 00:03:00
"""


@pytest.fixture
async def service(library: LiveLibrary) -> LiveLibrary:
    await library.start(["tracklist"])
    return library


def mix(service: LiveLibrary, name: str = "mix.flac", seconds: float = 6) -> Path:
    path = service.root / name
    write_track(path, bpm=120, key="A minor", seconds=seconds, style="pop")
    return path


async def test_the_documents_example_is_answered_from_the_sheet_beside_the_file(service: LiveLibrary) -> None:
    path = mix(service)
    path.with_suffix(".cue").write_text(SHEET)
    example = EXAMPLES["tracklist.generate"][0]
    await service.recording(example["recording_id"], path)
    asked = await service.publish("tracklist.generate", example)
    answer = await service.answer(ANSWERS)
    assert (answer["success"], answer["error"], answer["error_code"]) == (True, None, None)
    assert (answer["recording_id"], answer["correlation_id"]) == (example["recording_id"], example["correlation_id"])
    assert (answer["original_message_id"], answer["job_id"]) == (asked, asked)
    assert (answer["source"], answer["confidence"], answer["track_count"]) == ("sidecar", 1, 2)
    assert [track["title"] for track in answer["tracks"]] == ["Harbour Lights", "Night Bus"]
    assert answer["tracklist_id"] == derive_message_id(asked, "tracklist")
    stored = await Tracklists(service.state.documents).known(answer["tracklist_id"])
    assert (stored.title, stored.performer, stored.genre, stored.date) == ("An Evening", "Several", "House", "2019")
    assert (stored.recording_id, stored.file_path) == (example["recording_id"], str(path))
    assert [entry.start_seconds for entry in stored.entries] == [0, 3]
    assert stored.entries[0].end_seconds == pytest.approx(2 + 37 / 75)
    assert stored.duration_seconds == pytest.approx(6, abs=0.05)
    assert await Tracklists(service.state.documents).of_recording(stored.recording_id) == [stored.tracklist_id]
    ended = await service.ended(asked)
    assert (ended["recording_id"], ended["job_id"]) == (example["recording_id"], asked)
    assert ended["data"]["type"] == "tracklist_complete"
    assert ended["data"]["results"]["tracklist_id"] == stored.tracklist_id
    assert await service.state.progress.snapshot(example["recording_id"]) is None


async def test_without_a_list_that_somebody_wrote_the_audio_is_listened_to(service: LiveLibrary) -> None:
    await service.recording("rec", mix(service, "song.mp3", seconds=30))
    job = str(uuid.uuid4())
    await service.request("tracklist.generate", {"recording_id": "rec", "job_id": job})
    answer = await service.answer(ANSWERS)
    assert (answer["source"], answer["track_count"], answer["job_id"]) == ("audio", 1, job)
    assert 0.5 < answer["confidence"] <= 1
    assert (answer["tracks"][0]["start_seconds"], answer["tracks"][0]["title"]) == (0, None)
    messages = {frame["data"].get("message") for frame in await service.events(job)}
    assert messages & {"reading", "listening", "comparing"}


async def test_a_request_that_comes_twice_makes_one_list_and_one_answer(service: LiveLibrary) -> None:
    path = mix(service)
    path.with_suffix(".cue").write_text(SHEET)
    await service.recording("rec", path)
    for _ in range(3):
        await service.publish("tracklist.generate", {"recording_id": "rec"}, id="the-same")
    first = await service.answer(ANSWERS)
    await eventually(lambda: _at_rest(service))
    assert await service.depth(ANSWERS) == 0
    assert first["original_message_id"] == "the-same"
    assert len(await Tracklists(service.state.documents).of_recording("rec")) == 1


async def _at_rest(service: LiveLibrary) -> bool:
    delays = [f"{service.topology.name}.retry.{delay}" for delay in ("5s", "30s", "2m")]
    waiting = [await service.depth(name) for name in (QUEUE, *delays)]
    return not any(waiting) and service.held == 0


async def test_a_request_that_was_cut_off_after_its_list_was_stored_is_answered_with_that_list(
    service: LiveLibrary,
) -> None:
    path = mix(service)
    path.with_suffix(".cue").write_text(SHEET)
    await service.recording("rec", path)
    asked = await service.publish("tracklist.generate", {"recording_id": "rec"})
    first = await service.answer(ANSWERS)
    path.unlink()
    envelope = Envelope("tracklist.generate", asked, None, QUEUE, "tracktion.events", "tracklist.generate")
    again = SimpleNamespace(envelope=envelope, state=service.state.documents, roots=(service.root,))
    outputs = await locate(TracklistGenerationRequest(recording_id="rec"), again)  # type: ignore[arg-type]
    assert isinstance(outputs, list)
    body = outputs[0].body.model_dump(mode="json")  # type: ignore[union-attr]
    passed = {"timestamp", "processing_time_ms", "queue_time_ms"}
    assert {key: body[key] for key in first.keys() - passed} == {key: first[key] for key in first.keys() - passed}


@pytest.mark.parametrize("hint", ["embedded", "sidecar"])
async def test_a_source_that_was_asked_for_and_is_not_there_is_answered_so(hint: str, service: LiveLibrary) -> None:
    await service.recording("rec", mix(service))
    job = str(uuid.uuid4())
    await service.publish("tracklist.generate", {"recording_id": "rec", "source_hint": hint, "job_id": job})
    answer = await service.answer(ANSWERS)
    assert (answer["success"], answer["error_code"], answer.get("tracklist_id")) == (False, "NO_TRACKLIST", None)
    assert (await service.take(f"{QUEUE}.dlq")).headers[ERROR_CODE] == "NO_TRACKLIST"
    frame = await service.ended(job)
    assert (frame["data"]["type"], frame["data"]["details"]["error_code"]) == ("error", "NO_TRACKLIST")


@pytest.mark.parametrize(
    "body",
    [
        {"source_hint": "auto"},
        {"recording_id": ["a", "list"]},
        {"recording_id": ""},
        {"recording_id": "rec", "source_hint": "guess"},
        {"recording_id": "rec", "source_hint": None},
        b"{",
    ],
)
async def test_a_body_that_is_not_valid_goes_to_the_dead_letters_and_the_next_is_worked_on(
    body: Any, service: LiveLibrary
) -> None:
    path = mix(service)
    path.with_suffix(".cue").write_text(SHEET)
    await service.recording("rec", path)
    await service.publish("tracklist.generate", body)
    await service.publish("tracklist.generate", {"recording_id": "rec"})
    assert (await service.take(f"{QUEUE}.dlq")).headers[ERROR_CODE] == "INVALID_MESSAGE"
    assert (await service.answer(ANSWERS))["success"]
    assert await service.depth(ANSWERS) == 0


def vanished(folder: Path) -> Path:
    return folder / "gone.mp3"


def empty(folder: Path) -> Path:
    (folder / "empty.mp3").touch()
    return folder / "empty.mp3"


def outside(folder: Path) -> Path:
    path = folder.parent / "elsewhere.mp3"
    write_noise(path)
    return path


def link_to_the_outside(folder: Path) -> Path:
    (folder / "link.mp3").symlink_to(outside(folder))
    return folder / "link.mp3"


def random_bytes(folder: Path) -> Path:
    (folder / "noise.mp3").write_bytes(random.Random(1).randbytes(300_000))
    return folder / "noise.mp3"


def random_bytes_with_a_sheet(folder: Path) -> Path:
    path = random_bytes(folder)
    path.with_suffix(".cue").write_text(SHEET)
    return path


def text(folder: Path) -> Path:
    (folder / "notes.txt").write_text("side A")
    return folder / "notes.txt"


@pytest.mark.parametrize(
    ("make", "code"),
    [
        (vanished, "FILE_NOT_FOUND"),
        (empty, "FILE_EMPTY"),
        (outside, "PATH_NOT_ALLOWED"),
        (link_to_the_outside, "PATH_NOT_ALLOWED"),
        (random_bytes, "DECODE_ERROR"),
        (random_bytes_with_a_sheet, "DECODE_ERROR"),
        (text, "UNSUPPORTED_FORMAT"),
    ],
)
async def test_a_file_that_cannot_be_read_is_answered_and_dead_lettered_with_its_code(
    make: Callable[[Path], Path], code: str, service: LiveLibrary
) -> None:
    await service.recording("rec", make(service.root))
    await service.publish("tracklist.generate", {"recording_id": "rec"})
    answer = await service.answer(ANSWERS)
    assert (answer["success"], answer["error_code"]) == (False, code)
    assert answer["error"]
    assert str(service.root) not in answer["error"]
    assert (await service.take(f"{QUEUE}.dlq")).headers[ERROR_CODE] == code
    assert await Tracklists(service.state.documents).of_recording("rec") == []


async def test_an_unknown_recording_is_answered_and_dead_lettered(service: LiveLibrary) -> None:
    await service.publish("tracklist.generate", {"recording_id": "nobody", "correlation_id": "mine"})
    answer = await service.answer(ANSWERS)
    assert (answer["success"], answer["error_code"]) == (False, "UNKNOWN_RECORDING")
    assert (answer["recording_id"], answer["correlation_id"]) == ("nobody", "mine")
    assert (await service.take(f"{QUEUE}.dlq")).headers[ERROR_CODE] == "UNKNOWN_RECORDING"
