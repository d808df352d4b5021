"""Batches: each format has a result, whatever becomes of the others."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from pipeline.errors import Transient
from pipeline.stage import Failed
from stages.contracts import BatchCueGenerationRequest
from stages.cue import failures
from stages.cue_files import CueFile, CueFiles
from stages.examples import EXAMPLES


def by_format(answer: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {each["format"]: each for each in answer["results"]}


async def test_each_format_of_a_batch_is_written(service: Any) -> None:
    await service.tracklist()
    answer = await service.batch("standard", "serato", "traktor", batch_job_id="job-7")
    assert (answer["success"], answer["job_id"], answer["batch_job_id"]) == (True, "job-7", "job-7")
    assert [each["format"] for each in answer["results"]] == ["standard", "serato", "traktor"]
    for each in answer["results"]:
        assert (each["success"], each["error_code"]) == (True, None)
        assert Path(each["file_path"]).stat().st_size == each["file_size"]
        assert each["validation_report"]["is_valid"]


async def test_a_format_that_is_named_twice_is_written_once(service: Any) -> None:
    await service.tracklist()
    answer = await service.batch("kodi", "cdj", "kodi")
    assert [each["format"] for each in answer["results"]] == ["kodi", "cdj"]


async def test_one_format_that_fails_fails_the_batch_and_leaves_the_others_written(service: Any) -> None:
    await service.tracklist()
    answer = await service.batch("standard", "vinyl", "kodi")
    assert (answer["success"], answer["error_code"]) == (False, "UNKNOWN_FORMAT")
    assert "1 of 3 formats failed" in answer["error"]
    results = by_format(answer)
    assert [(name, each["success"]) for name, each in results.items()] == [
        ("standard", True),
        ("vinyl", False),
        ("kodi", True),
    ]
    assert results["vinyl"]["error_code"] == "UNKNOWN_FORMAT"
    assert all(Path(results[name]["file_path"]).is_file() for name in ("standard", "kodi"))
    assert results["kodi"]["validation_report"]["is_valid"]
    assert "file_path" not in str(service.failure.details)


async def test_a_batch_without_its_tracklist_has_a_result_for_each_format(service: Any) -> None:
    answer = await service.batch("standard", "kodi", tracklist_id="nobody")
    assert (answer["success"], answer["error_code"]) == (False, "UNKNOWN_TRACKLIST")
    assert [(each["format"], each["error_code"]) for each in answer["results"]] == [
        ("standard", "UNKNOWN_TRACKLIST"),
        ("kodi", "UNKNOWN_TRACKLIST"),
    ]


async def test_only_the_format_that_failed_for_now_is_written_by_the_next_attempt(service: Any) -> None:
    await service.tracklist()
    paths = {name: Path(each["file_path"]) for name, each in by_format(await service.batch("standard", "kodi")).items()}
    paths["kodi"].unlink()
    paths["kodi"].mkdir()  # a folder cannot be replaced by a file
    os.utime(paths["standard"], (1, 1))
    refused = await service.batch("standard", "kodi")
    assert isinstance(service.failure, Transient)
    assert {name: each["success"] for name, each in by_format(refused).items()} == {"standard": True, "kodi": False}
    paths["kodi"].rmdir()
    answer = await service.batch("standard", "kodi")
    assert answer["success"]
    assert paths["kodi"].is_file()
    assert paths["standard"].stat().st_mtime == 1
    assert answer["message_id"] != refused["message_id"]


async def test_a_failure_that_may_pass_outweighs_one_that_does_not(service: Any) -> None:
    await service.tracklist()
    (service.data_dir / "cue").touch()
    answer = await service.batch("vinyl", "standard")
    assert isinstance(service.failure, Transient)
    assert {each["format"]: each["error_code"] for each in answer["results"]} == {
        "vinyl": "UNKNOWN_FORMAT",
        "standard": "DEPENDENCY_UNAVAILABLE",
    }


async def test_a_batch_that_ran_out_of_time_tells_of_the_sheets_that_were_written(service: Any) -> None:
    tracklist = await service.tracklist()
    written = by_format(await service.batch("standard", "kodi"))
    Path(written["kodi"]["file_path"]).unlink()
    fields = {"tracklist_id": tracklist.tracklist_id, "formats": ["standard", "kodi"]}
    request = BatchCueGenerationRequest.model_validate(EXAMPLES["cue.generation.batch"][0] | fields)
    emit = await failures.batch_failed(request, Failed("Took longer than 60 s", "TIMEOUT", 4, 1.0), service.context)
    answer = emit.body.model_dump(mode="json")
    assert (answer["success"], answer["error_code"]) == (False, "TIMEOUT")
    results = by_format(answer)
    assert (results["standard"]["success"], results["standard"]["checksum"]) == (True, written["standard"]["checksum"])
    assert (results["kodi"]["success"], results["kodi"]["error_code"]) == (False, "TIMEOUT")


async def test_the_sheets_of_a_batch_are_stored_under_its_job(service: Any) -> None:
    await service.tracklist()
    answer = await service.batch("standard", batch_job_id="job-7")
    stored: CueFile = await CueFiles(service.store.documents).known(answer["results"][0]["cue_file_id"])
    assert (stored.job_id, stored.tracklist_id) == ("job-7", "tracklist-1")
