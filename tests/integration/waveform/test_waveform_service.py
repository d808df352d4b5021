"""`waveform.generate` through the real broker and store."""

from __future__ import annotations

import base64
import json
import os
import random
import shutil
import struct
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ops.audio import encode, write_noise
from pipeline.messages.message import ERROR_CODE
from tests.live_library import LiveLibrary, eventually, live_library

pytestmark = [pytest.mark.rabbitmq, pytest.mark.redis]

QUEUE, ANSWERS = "waveform.generate", "waveform.generate.complete"
RATE = 44_100


@pytest.fixture
async def service(
    rabbitmq_url: str, rabbitmq_management_url: str, redis_url: str, tmp_path: Path
) -> AsyncIterator[LiveLibrary]:
    async with live_library(rabbitmq_url, rabbitmq_management_url, redis_url, tmp_path) as opened:
        await opened.start(["waveform"])
        yield opened


def swelling(path: Path, seconds: float = 6.0) -> None:
    """A tone from silence to half of full scale, in both channels."""
    time = np.arange(round(seconds * RATE)) / RATE
    tone = (np.sin(2 * np.pi * 220 * time) * 0.5 * time / seconds).astype(np.float32)
    encode(path, np.stack([tone, tone]), rate=RATE)


async def waveform(service: LiveLibrary, recording_id: str = "rec") -> dict[str, Any]:
    document = await service.state.documents.get("waveform", recording_id)
    assert document is not None
    return document


def curve(document: dict[str, Any], name: str) -> np.ndarray:
    data = base64.b64decode(document["peaks"][name])
    return np.frombuffer(data, dtype=np.uint8 if name == "rms" else np.int8).astype(float)


async def ask(service: LiveLibrary, recording_id: str = "rec") -> dict[str, Any]:
    await service.publish("waveform.generate", {"recording_id": recording_id, "correlation_id": "mine"})
    return await service.answer(ANSWERS)


@pytest.mark.parametrize("suffix", ["wav", "aiff", "flac", "mp3", "ogg", "opus", "m4a", "wma", "wv"])
async def test_the_waveform_follows_the_loudness_of_the_file(suffix: str, service: LiveLibrary) -> None:
    path = service.root / f"track.{suffix}"
    swelling(path)
    await service.recording("rec", path)
    answer = await ask(service)
    assert (answer["success"], answer["error_code"], answer["points"]) == (True, None, 1800)
    assert answer["duration_seconds"] == pytest.approx(6, abs=0.1)
    assert (answer["recording_id"], answer["correlation_id"]) == ("rec", "mine")
    document = await waveform(service)
    low, high, rms = curve(document, "low"), curve(document, "high"), curve(document, "rms")
    assert low.size == high.size == rms.size == 1800
    half_up = slice(890, 910)
    assert high[half_up].max() == pytest.approx(0.25 * 127, abs=4)
    assert low[half_up].min() == pytest.approx(-0.25 * 127, abs=4)
    assert rms[half_up].mean() == pytest.approx(0.25 / 2**0.5 * 255, abs=8)
    assert high[:20].max() < 4
    frame = await service.ended(answer["job_id"])
    assert (frame["recording_id"], frame["data"]["type"]) == ("rec", "waveform_complete")


async def test_the_same_content_is_not_decoded_again(service: LiveLibrary) -> None:
    path = service.root / "track.flac"
    swelling(path)
    await service.recording("rec", path)
    await ask(service)
    copy = Path(shutil.copy(path, service.root / "copy.flac"))
    await service.recording("copy", copy)
    # What is stored of it is changed, to tell whether it is drawn anew.
    document = await waveform(service)
    marked = document | {"points": 7}
    await service.state.documents.put("waveform", "rec", marked, index={"xxh128": document["xxh128"]})
    for recording_id in ("rec", "copy"):
        assert (await ask(service, recording_id))["points"] == 7
    assert await waveform(service, "copy") == marked | {"recording_id": "copy"}


async def test_a_changed_file_is_drawn_anew(service: LiveLibrary) -> None:
    path = service.root / "track.flac"
    swelling(path)
    await service.recording("rec", path)
    await ask(service)
    swelling(path, 3.0)
    assert (await ask(service))["duration_seconds"] == pytest.approx(3, abs=0.05)
    assert (await waveform(service))["duration_seconds"] == pytest.approx(3, abs=0.05)


async def test_a_file_of_ten_hours_is_drawn(service: LiveLibrary) -> None:
    path = service.root / "night.wav"
    size = 36_000 * 8000
    pcm = struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, 1, 8000, 8000, 1, 8)
    path.write_bytes(b"RIFF" + struct.pack("<I", size + 36) + b"WAVE" + pcm + b"data" + struct.pack("<I", size))
    os.truncate(path, size + 44)  # a hole: unsigned samples of 0 are full scale below
    await service.recording("rec", path)
    answer = await ask(service)
    assert (answer["points"], answer["duration_seconds"]) == (1800, 36_000)
    assert set(curve(await waveform(service), "low")[1:-1]) == {-127}


async def test_damage_in_the_middle_is_drawn_as_silence(service: LiveLibrary) -> None:
    path = service.root / "scratched.flac"
    swelling(path)
    content = bytearray(path.read_bytes())
    middle = len(content) // 2
    content[middle : middle + len(content) // 10] = random.Random(1).randbytes(len(content) // 10)
    path.write_bytes(content)
    await service.recording("rec", path)
    answer = await ask(service)
    assert answer["success"]
    assert answer["duration_seconds"] == pytest.approx(6, abs=0.2)
    assert curve(await waveform(service), "high")[-20:].max() == pytest.approx(0.5 * 127, abs=5)


@pytest.mark.parametrize("body", [{}, {"recording_id": 7}, {"recording_id": "rec", "job_id": ["a"]}, b"[]"])
async def test_a_body_that_is_not_valid_goes_to_the_dead_letters(body: Any, service: LiveLibrary) -> None:
    await service.publish("waveform.generate", body)
    assert (await service.take(f"{QUEUE}.dlq")).headers[ERROR_CODE] == "INVALID_MESSAGE"
    assert await service.depth(ANSWERS) == 0


def vanished(folder: Path) -> Path:
    return folder / "gone.mp3"


def empty(folder: Path) -> Path:
    (folder / "empty.mp3").touch()
    return folder / "empty.mp3"


def outside(folder: Path) -> Path:
    write_noise(folder.parent / "elsewhere.mp3")
    return folder.parent / "elsewhere.mp3"


def link_to_the_outside(folder: Path) -> Path:
    (folder / "link.mp3").symlink_to(outside(folder))
    return folder / "link.mp3"


def noise_of_a_hundred_megabytes(folder: Path) -> Path:
    path = folder / "noise.mp3"
    block = random.Random(1).randbytes(1_000_000)
    with path.open("wb") as file:
        for number in range(100):
            file.write(struct.pack(">I", number) + block[4:])
    return path


@pytest.mark.parametrize(
    ("make", "code"),
    [
        (vanished, "FILE_NOT_FOUND"),
        (empty, "FILE_EMPTY"),
        (outside, "PATH_NOT_ALLOWED"),
        (link_to_the_outside, "PATH_NOT_ALLOWED"),
        (noise_of_a_hundred_megabytes, "DECODE_ERROR"),
    ],
)
async def test_a_file_that_cannot_be_drawn_is_answered_and_dead_lettered_with_its_code(
    make: Any, code: str, service: LiveLibrary
) -> None:
    await service.recording("rec", make(service.root))
    answer = await ask(service)
    assert (answer["success"], answer["error_code"]) == (False, code)
    buried = await service.take(f"{QUEUE}.dlq")
    assert buried.headers[ERROR_CODE] == code
    assert json.loads(buried.body)["recording_id"] == "rec"
    assert await service.state.documents.get("waveform", "rec") is None
    path = service.root / "good.wav"
    swelling(path, 1.0)
    await service.recording("good", path)
    assert (await ask(service, "good"))["success"]


async def test_an_unknown_recording_is_answered_and_dead_lettered(service: LiveLibrary) -> None:
    answer = await ask(service, "nobody")
    assert (answer["success"], answer["error_code"]) == (False, "UNKNOWN_RECORDING")
    assert (await service.take(f"{QUEUE}.dlq")).headers[ERROR_CODE] == "UNKNOWN_RECORDING"


async def test_a_request_that_comes_twice_is_answered_once(service: LiveLibrary) -> None:
    path = service.root / "track.flac"
    swelling(path)
    await service.recording("rec", path)
    for _ in range(3):
        await service.publish("waveform.generate", {"recording_id": "rec"}, id="the-same")
    await service.answer(ANSWERS)
    await eventually(lambda: _at_rest(service))
    assert await service.depth(ANSWERS) == 0


async def _at_rest(service: LiveLibrary) -> bool:
    waiting = [await service.depth(name) for name in (QUEUE, f"{service.topology.name}.retry.5s")]
    return not any(waiting) and service.held == 0
