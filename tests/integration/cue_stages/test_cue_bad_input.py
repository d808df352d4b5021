"""What is wrong with a request for a sheet costs that request alone: the next one is worked on."""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ops.audio import write_noise

pytestmark = [pytest.mark.rabbitmq, pytest.mark.redis, pytest.mark.asyncio(loop_scope="module")]

JOBS = ("job_id", "batch_job_id", "validation_job_id", "conversion_job_id")
Spoil = Callable[[Path], Path]


@pytest.fixture
def service(shared_service: Any) -> Any:
    return shared_service


@pytest.fixture
def mix(service: Any, track: Callable[[str], Path]) -> Path:
    """A file in a folder of the library that is the test's own."""
    folder = service.root / uuid.uuid4().hex
    folder.mkdir()
    return Path(shutil.copy(track("mp3"), folder / "mix.mp3"))


def vanished(mix: Path) -> Path:
    return mix.with_name("gone.mp3")


def empty(mix: Path) -> Path:
    mix.with_name("empty.mp3").touch()
    return mix.with_name("empty.mp3")


def outside(mix: Path) -> Path:
    library = mix.parent.parent
    return Path(shutil.copy(mix, library.parent / f"{mix.parent.name}.mp3"))


def link_out(mix: Path) -> Path:
    mix.with_name("link.mp3").symlink_to(outside(mix))
    return mix.with_name("link.mp3")


def dots_out(mix: Path) -> Path:
    return mix.parent / ".." / ".." / outside(mix).name


def relative(mix: Path) -> Path:
    return Path(mix.name)


def noise(mix: Path) -> Path:
    write_noise(mix.with_name("noise.mp3"), size=400_000)
    return mix.with_name("noise.mp3")


def folder(mix: Path) -> Path:
    mix.with_name("folder.mp3").mkdir()
    return mix.with_name("folder.mp3")


def text(mix: Path) -> Path:
    mix.with_name("notes.txt").write_text("side A")
    return mix.with_name("notes.txt")


AUDIO = [
    (vanished, "FILE_NOT_FOUND"),
    (empty, "FILE_EMPTY"),
    (outside, "PATH_NOT_ALLOWED"),
    (link_out, "PATH_NOT_ALLOWED"),
    (dots_out, "PATH_NOT_ALLOWED"),
    (relative, "PATH_NOT_ALLOWED"),
    (noise, "DECODE_ERROR"),
    (folder, "FILE_UNREADABLE"),
    (text, "UNSUPPORTED_FORMAT"),
]


async def fitting(service: Any, message: str, mix: Path) -> dict[str, Any]:
    """A request that is worked on."""
    if message.startswith("cue.generation"):
        body = service.body(message, tracklist_id=await service.tracklist(mix))
        return dict(body | {"audio_file_path": str(mix)}) if message == "cue.generation.single" else dict(body)
    cue_file_id, _ = await service.sheet(mix)
    if message == "cue.validation":
        return dict(service.body(message, cue_file_id=cue_file_id, audio_file_path=str(mix)))
    return dict(service.body(message, source_cue_file_id=cue_file_id))


async def refused(service: Any, message: str, body: dict[str, Any], code: str) -> dict[str, Any]:
    answer = await service.ask(message, body)
    assert (answer["success"], answer["error_code"]) == (False, code)
    assert answer["error"]
    assert str(service.root) not in answer["error"]
    assert str(service.data_dir) not in answer["error"]
    assert answer["original_message_id"] == body["message_id"]
    assert await service.dead_letter(message) == code
    frame = await service.ended(next(body[name] for name in JOBS if name in body))
    assert (frame["data"]["type"], frame["data"]["details"]["error_code"]) == ("error", code)
    return dict(answer)


@pytest.mark.parametrize(("spoil", "code"), AUDIO)
@pytest.mark.parametrize("message", ["cue.generation.single", "cue.validation"])
async def test_audio_that_cannot_be_held_against_a_sheet(
    message: str, spoil: Spoil, code: str, service: Any, mix: Path
) -> None:
    good = await fitting(service, message, mix)
    await refused(service, message, good | {"audio_file_path": str(spoil(mix))}, code)
    assert (await service.ask(message, good | {"message_id": str(uuid.uuid4())}))["success"]


@pytest.mark.parametrize(
    ("spoil", "code"), [(vanished, "FILE_NOT_FOUND"), (noise, "DECODE_ERROR"), (outside, "PATH_NOT_ALLOWED")]
)
async def test_audio_of_a_batch_that_cannot_be_opened_fails_each_format(
    spoil: Spoil, code: str, service: Any, mix: Path
) -> None:
    tracklist_id = await service.tracklist(spoil(mix))
    body = service.body("cue.generation.batch", tracklist_id=tracklist_id, validate_audio=True)
    answer = await refused(service, "cue.generation.batch", body, code)
    assert [each["error_code"] for each in answer["results"]] == [code] * 3


@pytest.mark.parametrize(
    ("message", "fields", "code"),
    [
        ("cue.generation.single", {"tracklist_id": "nobody"}, "UNKNOWN_TRACKLIST"),
        ("cue.generation.single", {"format": "vinyl"}, "UNKNOWN_FORMAT"),
        ("cue.generation.single", {"options": {"audio_file_name": 1}}, "INVALID_MESSAGE"),
        ("cue.generation.batch", {"tracklist_id": "nobody"}, "UNKNOWN_TRACKLIST"),
        ("cue.generation.batch", {"formats": ["vinyl"]}, "UNKNOWN_FORMAT"),
        ("cue.validation", {"cue_file_id": "nobody"}, "UNKNOWN_CUE_FILE"),
        ("cue.validation", {"validation_options": {"format": "vinyl"}}, "UNKNOWN_FORMAT"),
        ("cue.conversion", {"source_cue_file_id": "nobody"}, "UNKNOWN_CUE_FILE"),
        ("cue.conversion", {"target_format": "vinyl"}, "UNKNOWN_FORMAT"),
    ],
)
async def test_a_request_that_refers_to_nothing_is_answered_and_dead_lettered(
    message: str, fields: dict[str, Any], code: str, service: Any, mix: Path
) -> None:
    good = await fitting(service, message, mix)
    await refused(service, message, good | fields, code)
    assert (await service.ask(message, good | {"message_id": str(uuid.uuid4())}))["success"]


@pytest.mark.parametrize("message", ["cue.validation", "cue.conversion"])
async def test_a_sheet_whose_file_is_gone_is_answered_and_dead_lettered(message: str, service: Any, mix: Path) -> None:
    cue_file_id, path = await service.sheet(mix)
    path.unlink()
    ids = {"cue_file_id": cue_file_id, "source_cue_file_id": cue_file_id, "audio_file_path": str(mix)}
    await refused(service, message, service.body(message) | ids, "FILE_NOT_FOUND")


@pytest.mark.parametrize(
    ("message", "field"),
    [
        ("cue.generation.single", "tracklist_id"),
        ("cue.generation.single", "job_id"),
        ("cue.generation.batch", "formats"),
        ("cue.validation", "validation_job_id"),
        ("cue.conversion", "target_format"),
    ],
)
@pytest.mark.parametrize("value", [None, 7, ["a", {}]])
async def test_a_body_that_is_no_such_request_goes_to_the_dead_letters_and_the_next_is_worked_on(
    message: str, field: str, value: Any, service: Any, mix: Path
) -> None:
    good = await fitting(service, message, mix)
    bad = {name: each for name, each in good.items() if name != field} | ({} if value is None else {field: value})
    await service.publish(message, bad)
    assert await service.dead_letter(message) == "INVALID_MESSAGE"
    assert (await service.ask(message, good))["success"]
    assert await service.depth(f"{message.removesuffix('.single')}.complete") == 0
