"""The four requests for sheets through RabbitMQ and Redis: answers, sheets, jobs on the WebSocket, and retries."""

from __future__ import annotations

import hashlib
import shutil
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pipeline.dlq.queues import find_queue
from pipeline.dlq.replay import replay
from stages.cue.parse import parse
from tests.live_library import eventually

pytestmark = [pytest.mark.rabbitmq, pytest.mark.redis]


async def test_a_sheet_is_generated_held_against_its_audio_and_answered(service: Any, mix: Path) -> None:
    body = service.body(
        "cue.generation.single", tracklist_id=await service.tracklist(mix), audio_file_path=str(mix), format="standard"
    )
    answer = await service.ask("cue.generation.single", body)
    assert (answer["success"], answer["error"], answer["error_code"]) == (True, None, None)
    assert answer["original_message_id"] == body["message_id"]
    assert answer["correlation_id"] == body["correlation_id"]
    assert answer["validation_report"] == {"is_valid": True, "errors": []}
    assert answer["processing_time_ms"] > 0
    assert answer["queue_time_ms"] > 0
    content = Path(answer["file_path"]).read_bytes()
    assert (len(content), hashlib.sha256(content).hexdigest()) == (answer["file_size"], answer["checksum"])
    sheet = parse(content).sheet
    assert (sheet.files[0].name, sheet.files[0].type) == ("mix.mp3", "MP3")
    assert [(each.title, each.start) for each in sheet.tracks()] == [("Harbour Lights", 0), ("Night Bus", 450)]


async def test_a_job_is_shown_with_its_recording_its_progress_and_its_end(service: Any, mix: Path) -> None:
    job = str(uuid.uuid4())
    tracklist_id = await service.tracklist(mix)
    body = service.body("cue.generation.single", tracklist_id=tracklist_id, audio_file_path=str(mix), job_id=job)
    await service.request("cue.generation.single", body)
    answer = await service.answer("cue.generation.complete")
    last = await service.ended(job)
    document = await service.state.documents.get("tracklist", tracklist_id)
    assert (last["job_id"], last["recording_id"]) == (job, document["recording_id"])
    assert last["data"]["type"] == "cue_generation_complete"
    results = last["data"]["results"]
    assert (results["cue_file_id"], results["checksum"]) == (answer["cue_file_id"], answer["checksum"])
    assert "file_path" not in results
    statuses = [frame["data"].get("status") for frame in await service.events(job)]
    assert statuses[0] == "queued"
    assert "analyzing" in statuses


async def test_a_sheet_that_goes_beyond_its_audio_is_refused_with_the_track(service: Any, mix: Path) -> None:
    body = service.body("cue.generation.single", tracklist_id=await service.tracklist(mix, starts=(0.0, 6.0, 12.5)))
    answer = await service.ask("cue.generation.single", body | {"audio_file_path": str(mix)})
    assert (answer["success"], answer["error_code"]) == (False, "INVALID_CUE")
    assert [(each["code"], each["track"]) for each in answer["validation_report"]["errors"]] == [("AFTER_END", 3)]
    assert await service.dead_letter("cue.generation.single") == "INVALID_CUE"
    frame = await service.ended(body["job_id"])
    assert (frame["data"]["type"], frame["data"]["details"]["error_code"]) == ("error", "INVALID_CUE")
    unopened = service.body("cue.generation.single", tracklist_id=body["tracklist_id"], validate_audio=False)
    assert (await service.ask("cue.generation.single", unopened | {"audio_file_path": str(mix)}))["success"]


async def test_audio_that_was_cut_off_is_as_long_as_what_is_left(service: Any, track: Callable[[str], Path]) -> None:
    cut = service.root / "cut.wav"
    cut.write_bytes(track("wav").read_bytes()[:500_000])
    body = service.body("cue.generation.single", tracklist_id=await service.tracklist(cut), audio_file_path=str(cut))
    answer = await service.ask("cue.generation.single", body)
    assert [each["code"] for each in answer["validation_report"]["errors"]] == ["AFTER_END"]


async def test_without_a_named_audio_the_recordings_own_is_opened_where_it_is_now(service: Any, mix: Path) -> None:
    tracklist_id = await service.tracklist(mix)
    document = await service.state.documents.get("tracklist", tracklist_id)
    moved = mix.rename(service.root / "moved.mp3")
    await service.recording(document["recording_id"], moved)
    body = service.body("cue.generation.single", tracklist_id=tracklist_id, audio_file_path=None)
    answer = await service.ask("cue.generation.single", body)
    assert answer["success"], answer
    assert parse(Path(answer["file_path"]).read_bytes()).sheet.files[0].name == "moved.mp3"


async def test_a_request_that_comes_twice_is_answered_once_and_written_once(service: Any, mix: Path) -> None:
    body = service.body("cue.generation.single", tracklist_id=await service.tracklist(mix), audio_file_path=str(mix))
    for _ in range(3):
        await service.publish("cue.generation.single", body, id=body["message_id"])
    answer = await service.answer("cue.generation.complete")
    await eventually(lambda: service.held == 0)
    await eventually(lambda: _is_empty(service, "cue.generation"))
    assert await service.depth("cue.generation.complete") == 0
    assert [path.name for path in (service.data_dir / "cue").iterdir()] == [Path(answer["file_path"]).name]


async def _is_empty(service: Any, queue: str) -> bool:
    waiting = [f"{service.topology.name}.retry.{each}" for each in ("50ms", "60ms", "70ms")]
    return not any([await service.depth(name) for name in (queue, *waiting)])


async def test_each_format_of_a_batch_is_generated(service: Any, mix: Path) -> None:
    body = service.body("cue.generation.batch", tracklist_id=await service.tracklist(mix), validate_audio=True)
    answer = await service.ask("cue.generation.batch", body)
    assert (answer["success"], answer["batch_job_id"]) == (True, body["batch_job_id"])
    assert [(each["format"], each["success"]) for each in answer["results"]] == [
        ("standard", True),
        ("serato", True),
        ("traktor", True),
    ]
    frame = await service.ended(body["batch_job_id"])
    assert frame["data"]["type"] == "batch_cue_generation_complete"
    assert len(frame["data"]["results"]["results"]) == 3


async def test_a_batch_of_which_one_format_fails_is_answered_with_all_results_and_dead_lettered(
    service: Any, mix: Path
) -> None:
    body = service.body(
        "cue.generation.batch", tracklist_id=await service.tracklist(mix), formats=["kodi", "vinyl", "cdj"]
    )
    answer = await service.ask("cue.generation.batch", body)
    assert (answer["success"], answer["error_code"]) == (False, "UNKNOWN_FORMAT")
    assert [(each["format"], each["success"], each["error_code"]) for each in answer["results"]] == [
        ("kodi", True, None),
        ("vinyl", False, "UNKNOWN_FORMAT"),
        ("cdj", True, None),
    ]
    assert await service.dead_letter("cue.generation.batch") == "UNKNOWN_FORMAT"
    frame = await service.ended(body["batch_job_id"])
    assert frame["data"]["type"] == "error"
    assert [each["success"] for each in frame["data"]["details"]["results"]] == [True, False, True]
    assert str(service.data_dir) not in str(frame)


async def test_a_format_that_fails_for_now_is_written_by_a_retry_and_the_others_are_left(
    service: Any, mix: Path
) -> None:
    body = service.body("cue.generation.batch", tracklist_id=await service.tracklist(mix), formats=["kodi", "cdj"])
    first = await service.ask("cue.generation.batch", body)
    kodi, cdj = (Path(each["file_path"]) for each in first["results"])
    inode = kodi.stat().st_ino
    cdj.unlink()
    cdj.mkdir()  # in its place no file can be put
    await service.publish("cue.generation.batch", body, id=str(uuid.uuid4()))
    await eventually(lambda: _is_retried(service, body["batch_job_id"]))
    cdj.rmdir()
    again = await service.answer("cue.generation.batch.complete")
    assert again["success"], again
    assert kodi.stat().st_ino == inode
    assert cdj.is_file()
    assert await service.depth("cue.generation.batch.dlq") == 0


async def _is_retried(service: Any, job: str) -> bool:
    return any(frame["data"].get("status") == "retrying" for frame in await service.events(job))


async def test_a_disk_that_stays_broken_is_answered_after_the_last_attempt_alone(service: Any, mix: Path) -> None:
    (service.data_dir / "cue").touch()
    body = service.body("cue.generation.batch", tracklist_id=await service.tracklist(mix), formats=["kodi", "vinyl"])
    answer = await service.ask("cue.generation.batch", body)
    assert [(each["format"], each["error_code"]) for each in answer["results"]] == [
        ("kodi", "DEPENDENCY_UNAVAILABLE"),
        ("vinyl", "UNKNOWN_FORMAT"),
    ]
    assert (answer["success"], answer["error_code"]) == (False, "DEPENDENCY_UNAVAILABLE")
    assert await service.dead_letter("cue.generation.batch") == "DEPENDENCY_UNAVAILABLE"
    statuses = [frame["data"].get("status") for frame in await service.events(body["batch_job_id"])]
    assert statuses.count("retrying") == 3
    assert await service.depth("cue.generation.batch.complete") == 0


async def test_a_batch_from_the_dead_letters_writes_what_failed_and_leaves_the_rest(service: Any, mix: Path) -> None:
    body = service.body("cue.generation.batch", tracklist_id=await service.tracklist(mix), formats=["kodi", "cdj"])
    first = await service.ask("cue.generation.batch", body)
    kodi, cdj = (Path(each["file_path"]) for each in first["results"])
    inode = kodi.stat().st_ino
    cdj.unlink()
    cdj.mkdir()
    refused = await service.ask("cue.generation.batch", body)
    assert [each["success"] for each in refused["results"]] == [True, False]
    letters = find_queue(service.topology, "cue.generation.batch")
    await _buried(service, letters.name)
    assert (await replay(service.broker, letters)).replayed == 1
    refused_again = await service.answer("cue.generation.batch.complete")
    assert not refused_again["success"]
    await _buried(service, letters.name)
    cdj.rmdir()
    assert (await replay(service.broker, letters)).replayed == 1
    answer = await service.answer("cue.generation.batch.complete")
    assert [each["success"] for each in answer["results"]] == [True, True]
    assert (kodi.stat().st_ino, cdj.is_file()) == (inode, True)
    assert len({each["message_id"] for each in (first, refused, refused_again, answer)}) == 3
    assert len({each["results"][1]["cue_file_id"] for each in (first, answer)}) == 1


async def _buried(service: Any, queue: str) -> None:
    """Wait for the one dead letter."""
    await eventually(lambda: _has_one(service, queue))


async def _has_one(service: Any, queue: str) -> bool:
    return bool(await service.depth(queue) == 1)


async def test_a_stored_sheet_is_validated_against_the_audio_that_is_named(service: Any, mix: Path) -> None:
    cue_file_id, path = await service.sheet(mix)
    body = service.body("cue.validation", cue_file_id=cue_file_id, audio_file_path=str(mix))
    answer = await service.ask("cue.validation", body)
    assert (answer["success"], answer["cue_file_id"]) == (True, cue_file_id)
    assert answer["validation_report"] == {"is_valid": True, "errors": []}
    path.write_bytes(path.read_bytes().replace(b"INDEX 01 00:06:00", b"INDEX 01 00:13:00"))
    answer = await service.ask("cue.validation", service.body("cue.validation") | body | {"message_id": "second"})
    report = answer["validation_report"]
    assert (answer["success"], report["is_valid"]) == (True, False)
    line = path.read_text().splitlines().index("    INDEX 01 00:13:00") + 1
    assert [(each["code"], each["track"], each["line"]) for each in report["errors"]] == [("AFTER_END", 2, line)]
    assert [each["code"] for each in report["warnings"]] == ["CHECKSUM_MISMATCH"]
    frame = await service.ended(body["validation_job_id"])
    assert frame["data"]["type"] == "cue_validation_complete"
    assert frame["data"]["results"]["cue_file_id"] == cue_file_id


async def test_without_a_named_audio_a_sheet_is_held_against_the_recordings_own(service: Any, mix: Path) -> None:
    cue_file_id, path = await service.sheet(mix)
    path.write_bytes(path.read_bytes().replace(b"INDEX 01 00:06:00", b"INDEX 01 00:13:00"))
    body = service.body("cue.validation", cue_file_id=cue_file_id, audio_file_path=None)
    answer = await service.ask("cue.validation", body)
    assert [each["code"] for each in answer["validation_report"]["errors"]] == ["AFTER_END"]
    shutil.copy(service.root / "mix.mp3", service.root / "kept.mp3")
    mix.write_bytes(b"no audio any more")
    answer = await service.ask("cue.validation", body | {"message_id": "second"})
    assert answer["validation_report"]["errors"] == []
    assert "AUDIO_NOT_CHECKED" in {each["code"] for each in answer["validation_report"]["warnings"]}


async def test_a_stored_sheet_is_converted(service: Any, mix: Path) -> None:
    cue_file_id, _ = await service.sheet(mix)
    body = service.body("cue.conversion", source_cue_file_id=cue_file_id, target_format="cdj")
    answer = await service.ask("cue.conversion", body)
    assert (answer["success"], answer["source_cue_file_id"], answer["target_format"]) == (True, cue_file_id, "cdj")
    assert answer["losses"] == [
        {"field": "REM BPM", "track": 1, "reason": "cdj does not hold it"},
        {"field": "REM BPM", "track": 2, "reason": "cdj does not hold it"},
    ]
    converted = Path(answer["file_path"]).read_bytes()
    assert hashlib.sha256(converted).hexdigest() == answer["checksum"]
    assert b'TITLE "Night Bus"' in converted
    frame = await service.ended(body["conversion_job_id"])
    assert frame["data"]["type"] == "cue_conversion_complete"
