"""A stored sheet looked at: every finding with its line, and whether the file is as it was written."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from stages.cue.parse import LARGEST


async def stored(service: Any, **fields: Any) -> tuple[str, Path]:
    await service.tracklist()
    answer = await service.single(**fields)
    return answer["cue_file_id"], Path(answer["file_path"])


async def test_a_sheet_as_it_was_written_is_valid(service: Any) -> None:
    cue_file_id, _ = await stored(service)
    answer = await service.validation(cue_file_id, validation_options={"check_audio": False})
    assert (answer["success"], answer["cue_file_id"]) == (True, cue_file_id)
    assert answer["validation_report"] == {"is_valid": True, "errors": []}
    assert answer["job_id"] == answer["validation_job_id"]
    assert service.context.tracked == ["recording-1"]
    report = {"is_valid": True, "errors": [], "warnings": []}
    assert service.completed.results == {"cue_file_id": cue_file_id, "validation_report": report}


async def test_every_fault_of_a_sheet_is_found_with_its_line(service: Any) -> None:
    cue_file_id, path = await stored(service)
    path.write_text(
        'FILE "night.flac" WAVE\n  TRACK 01 AUDIO\n    INDEX 01 00:00:00\n'
        "  TRACK 03 AUDIO\n    ISRC wrong\n    INDEX 01 00:61:00\nNONSENSE\n"
    )
    answer = await service.validation(cue_file_id)
    report = answer["validation_report"]
    assert (answer["success"], report["is_valid"]) == (True, False)
    assert [(each["code"], each["track"], each["line"]) for each in report["errors"]] == [
        ("NUMBERS_NOT_CONSECUTIVE", 3, 4),
        ("INDEX_01_MISSING", 3, 4),
        ("BAD_ISRC", 3, 5),
        ("BAD_TIME", 3, 6),
    ]
    assert [(each["code"], each["line"]) for each in report["warnings"]] == [
        ("CHECKSUM_MISMATCH", None),
        ("AUDIO_NOT_CHECKED", None),
        ("UNKNOWN_COMMAND", 7),
    ]


async def test_a_sheet_may_be_held_against_the_limits_of_another_format(service: Any) -> None:
    cue_file_id, _ = await stored(service)
    answer = await service.validation(cue_file_id, validation_options={"format": "cdj", "check_audio": False})
    warnings = answer["validation_report"]["warnings"]
    assert [(each["code"], each["track"]) for each in warnings] == [("NOT_IN_PROFILE", 1), ("NOT_IN_PROFILE", 2)]
    assert [each["line"] for each in warnings] == [7, 12]


@pytest.mark.parametrize(
    ("options", "code"),
    [
        ({"format": "vinyl"}, "UNKNOWN_FORMAT"),
        ({"format": 3}, "INVALID_MESSAGE"),
        ({"check_audio": "no"}, "INVALID_MESSAGE"),
    ],
)
async def test_options_that_make_no_sense_are_refused(options: dict[str, Any], code: str, service: Any) -> None:
    cue_file_id, _ = await stored(service)
    answer = await service.validation(cue_file_id, validation_options=options)
    assert (answer["success"], answer["error_code"], answer["validation_report"]) == (False, code, None)


async def test_an_unknown_sheet_is_refused(service: Any) -> None:
    answer = await service.validation("nobody")
    assert (answer["success"], answer["error_code"], answer["cue_file_id"]) == (False, "UNKNOWN_CUE_FILE", "nobody")


async def test_a_sheet_whose_file_is_gone_is_refused_without_its_path(service: Any) -> None:
    cue_file_id, path = await stored(service)
    path.unlink()
    answer = await service.validation(cue_file_id)
    assert (answer["success"], answer["error_code"]) == (False, "FILE_NOT_FOUND")
    assert str(service.data_dir) not in answer["error"]


async def test_what_is_too_large_for_a_sheet_is_not_read(service: Any) -> None:
    cue_file_id, path = await stored(service)
    with path.open("ab") as file:
        file.truncate(LARGEST * 100)
    answer = await service.validation(cue_file_id)
    assert (answer["success"], answer["error_code"]) == (False, "INVALID_CUE")


async def test_bytes_that_are_no_sheet_are_reported_and_not_refused(service: Any) -> None:
    cue_file_id, path = await stored(service)
    path.write_bytes(bytes(range(256)) * 40)
    answer = await service.validation(cue_file_id)
    assert answer["success"]
    assert "NO_TRACKS" in {each["code"] for each in answer["validation_report"]["errors"]}
    assert all(each["message"].isprintable() for each in answer["validation_report"]["warnings"])


async def test_audio_that_nobody_named_and_that_is_not_there_is_a_warning(service: Any) -> None:
    cue_file_id, _ = await stored(service)
    answer = await service.validation(cue_file_id)
    report = answer["validation_report"]
    assert (answer["success"], report["is_valid"]) == (True, True)
    assert [each["code"] for each in report["warnings"]] == ["AUDIO_NOT_CHECKED"]
    assert "night.flac is not there" in report["warnings"][0]["message"]


async def test_audio_that_was_named_and_is_not_there_is_a_failure(service: Any) -> None:
    cue_file_id, _ = await stored(service)
    answer = await service.validation(cue_file_id, audio_file_path=str(service.root / "gone.mp3"))
    assert (answer["success"], answer["error_code"]) == (False, "FILE_NOT_FOUND")
