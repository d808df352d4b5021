"""`metadata.extract` through the real broker and store: what is answered, what is stored, what is dead-lettered."""

from __future__ import annotations

import os
import random
import struct
import uuid
from pathlib import Path
from typing import Any

import pytest

from ops.audio import write_noise, write_track
from pipeline.messages.message import ERROR_CODE
from stages.examples import EXAMPLES
from tests.live_library import LiveLibrary, eventually
from tests.tag_bytes import apic, frame, id3, png, text_frame

pytestmark = [pytest.mark.rabbitmq, pytest.mark.redis]

QUEUE, ANSWERS = "metadata.extract", "metadata.extract.complete"


@pytest.fixture
async def service(library: LiveLibrary) -> LiveLibrary:
    await library.start(["metadata"])
    return library


async def test_the_documents_example_is_answered_with_tags_and_technical_data(service: LiveLibrary) -> None:
    path = service.root / "track.mp3"
    write_track(path, bpm=120, key="A minor", seconds=2, style="pop", tags={"title": "Song", "date": "1999"})
    path.write_bytes(id3(text_frame("TIT2", "Song"), frame("APIC", apic(png(4, 4)))) + path.read_bytes())
    example = EXAMPLES["metadata.extract"][0]
    await service.recording(example["recording_id"], path, sha256_hash="a" * 64, xxh128_hash="b" * 32)
    asked = await service.publish("metadata.extract", example)
    answer = await service.answer(ANSWERS)
    assert (answer["success"], answer["error"], answer["error_code"]) == (True, None, None)
    assert (answer["recording_id"], answer["correlation_id"]) == (example["recording_id"], example["correlation_id"])
    assert (answer["original_message_id"], answer["job_id"]) == (asked, asked)
    assert answer["id3_tags"]["title"] == "Song"
    assert answer["audio_analysis"]["codec"] == "mp3"
    assert answer["processing_time_ms"] > 0
    assert (service.data_dir / answer["cover"]["file"]).read_bytes() == png(4, 4)
    document = await service.state.documents.get("metadata", example["recording_id"])
    assert document is not None
    assert document == document | {name: answer[name] for name in ("id3_tags", "audio_analysis", "cover", "warnings")}
    assert (document["sha256_hash"], document["xxh128_hash"]) == ("a" * 64, "b" * 32)
    ended = await service.ended(asked)
    assert (ended["recording_id"], ended["job_id"]) == (example["recording_id"], asked)
    assert ended["data"]["type"] == "metadata_extraction_complete"
    assert await service.state.progress.snapshot(example["recording_id"]) is None


async def test_a_request_that_comes_twice_is_answered_once(service: LiveLibrary, tmp_path: Path) -> None:
    path = service.root / "track.flac"
    write_track(path, bpm=120, key="A minor", seconds=1, style="pop")
    await service.recording("rec", path)
    for _ in range(3):
        await service.publish("metadata.extract", {"recording_id": "rec"}, id="the-same")
    first = await service.answer(ANSWERS)
    await eventually(lambda: _at_rest(service))
    assert await service.depth(ANSWERS) == 0
    assert first["original_message_id"] == "the-same"


async def _at_rest(service: LiveLibrary) -> bool:
    delays = [f"{service.topology.name}.retry.{delay}" for delay in ("5s", "30s", "2m")]
    waiting = [await service.depth(name) for name in (QUEUE, *delays)]
    return not any(waiting) and service.held == 0


async def test_what_is_known_of_the_same_content_stays_when_only_a_part_is_asked_for(service: LiveLibrary) -> None:
    path = service.root / "track.flac"
    write_track(path, bpm=120, key="A minor", seconds=1, style="pop", tags={"title": "Song"})
    await service.recording("rec", path, xxh128_hash="1" * 32)
    for types in (["id3_tags"], ["audio_analysis"]):
        await service.publish("metadata.extract", {"recording_id": "rec", "extraction_types": types})
        answer = await service.answer(ANSWERS)
        assert [name for name in ("id3_tags", "audio_analysis") if answer.get(name)] == types
    document = await service.state.documents.get("metadata", "rec")
    assert document is not None
    assert document["id3_tags"]["title"] == "Song"
    await service.recording("rec", path, xxh128_hash="2" * 32)
    await service.publish("metadata.extract", {"recording_id": "rec", "extraction_types": ["audio_analysis"]})
    await service.answer(ANSWERS)
    document = await service.state.documents.get("metadata", "rec")
    assert document is not None
    assert "id3_tags" not in document


async def test_a_file_of_another_size_than_the_catalog_knows_is_not_given_its_hashes(service: LiveLibrary) -> None:
    path = service.root / "track.flac"
    write_track(path, bpm=120, key="A minor", seconds=1, style="pop")
    await service.recording("rec", path, size_bytes=1, sha256_hash="a" * 64, xxh128_hash="b" * 32)
    await service.publish("metadata.extract", {"recording_id": "rec"})
    assert (await service.answer(ANSWERS))["success"]
    document = await service.state.documents.get("metadata", "rec")
    assert document is not None
    assert (document["sha256_hash"], document["xxh128_hash"]) == (None, None)


@pytest.mark.parametrize(
    "body",
    [
        {"extraction_types": ["id3_tags"]},
        {"recording_id": ["a", "list"]},
        {"recording_id": ""},
        {"recording_id": "rec", "extraction_types": "id3_tags"},
        {"recording_id": "rec", "extraction_types": ["lyrics"]},
        b"{",
    ],
)
async def test_a_body_that_is_not_valid_goes_to_the_dead_letters_and_the_next_is_worked_on(
    body: Any, service: LiveLibrary
) -> None:
    path = service.root / "track.wav"
    write_track(path, bpm=120, key="A minor", seconds=1, style="pop")
    await service.recording("rec", path)
    await service.publish("metadata.extract", body)
    await service.publish("metadata.extract", {"recording_id": "rec"})
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


def dots_to_the_outside(folder: Path) -> Path:
    return folder / ".." / outside(folder).name


def noise_of_a_hundred_megabytes(folder: Path) -> Path:
    path = folder / "noise.mp3"
    block = random.Random(1).randbytes(1_000_000)
    with path.open("wb") as file:
        for number in range(100):
            file.write(struct.pack(">I", number) + block[4:])
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
        (dots_to_the_outside, "PATH_NOT_ALLOWED"),
        (noise_of_a_hundred_megabytes, "DECODE_ERROR"),
        (text, "UNSUPPORTED_FORMAT"),
    ],
)
async def test_a_file_that_cannot_be_read_is_answered_and_dead_lettered_with_its_code(
    make: Any, code: str, service: LiveLibrary
) -> None:
    await service.recording("rec", make(service.root))
    job = str(uuid.uuid4())
    await service.publish("metadata.extract", {"recording_id": "rec", "job_id": job})
    answer = await service.answer(ANSWERS)
    assert (answer["success"], answer["error_code"], answer["job_id"]) == (False, code, job)
    assert answer["error"]
    assert str(service.root) not in answer["error"]
    assert (await service.take(f"{QUEUE}.dlq")).headers[ERROR_CODE] == code
    frame = await service.ended(job)
    assert (frame["data"]["type"], frame["data"]["details"]["error_code"]) == ("error", code)
    assert await service.state.documents.get("metadata", "rec") is None
    assert service.held == 0 or await eventually(lambda: service.held == 0)


async def test_an_unknown_recording_is_answered_and_dead_lettered(service: LiveLibrary) -> None:
    await service.publish("metadata.extract", {"recording_id": "nobody", "correlation_id": "mine"})
    answer = await service.answer(ANSWERS)
    assert (answer["success"], answer["error_code"]) == (False, "UNKNOWN_RECORDING")
    assert (answer["recording_id"], answer["correlation_id"]) == ("nobody", "mine")
    assert (await service.take(f"{QUEUE}.dlq")).headers[ERROR_CODE] == "UNKNOWN_RECORDING"


def ten_hours_of_silence(path: Path) -> None:
    """A WAV file of 8000 bytes a second, whose silence is a hole in the file."""
    size = 36_000 * 8000
    header = struct.pack(
        "<4sI4s4sIHHIIHH4sI", b"RIFF", size + 36, b"WAVE", b"fmt ", 16, 1, 1, 8000, 8000, 1, 8, b"data", size
    )
    path.write_bytes(header)
    os.truncate(path, size + len(header))


async def test_a_file_of_ten_hours_is_read_by_its_headers(service: LiveLibrary) -> None:
    path = service.root / "night.wav"
    ten_hours_of_silence(path)
    await service.recording("rec", path)
    await service.publish("metadata.extract", {"recording_id": "rec"})
    answer = await service.answer(ANSWERS)
    assert answer["audio_analysis"]["duration_seconds"] == 36_000
