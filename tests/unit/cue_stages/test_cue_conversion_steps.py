"""A stored sheet in another format: what stays, what is lost, and what cannot be converted."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from stages.cue.parse import parse
from stages.cue.profiles import PROFILES
from stages.cue_files import CueFiles
from stages.tracklists import TracklistEntry


async def stored(service: Any, **fields: Any) -> tuple[str, Path]:
    await service.tracklist(genre="House", catalog="1234567890123", **fields)
    answer = await service.single()
    assert answer["success"], answer
    return answer["cue_file_id"], Path(answer["file_path"])


async def test_a_sheet_is_converted_into_a_new_one_and_the_losses_are_listed(service: Any) -> None:
    source, path = await stored(service)
    before = path.read_bytes()
    answer = await service.conversion(source, "serato", conversion_job_id="job-9")
    assert (answer["success"], answer["job_id"], answer["conversion_job_id"]) == (True, "job-9", "job-9")
    assert (answer["source_cue_file_id"], answer["target_format"]) == (source, "serato")
    assert answer["cue_file_id"] != source
    assert answer["losses"] == [{"field": "isrc", "track": 2, "reason": "serato does not hold it"}]
    assert path.read_bytes() == before
    sheet = parse(Path(answer["file_path"]).read_bytes()).sheet
    first, second = sheet.tracks()
    assert (first.title, second.title, second.isrc) == ("Opening", "Say 'yes'", None)
    stored_new = await CueFiles(service.store.documents).known(answer["cue_file_id"])
    assert (stored_new.source_cue_file_id, stored_new.format, stored_new.tracklist_id) == (
        source,
        "serato",
        "tracklist-1",
    )
    assert service.completed.type == "cue_conversion_complete"
    assert "file_path" not in service.completed.results


@pytest.mark.parametrize("target", PROFILES)
async def test_every_format_can_be_converted_to_with_titles_and_times_kept(target: str, service: Any) -> None:
    source, _ = await stored(service)
    answer = await service.conversion(source, target)
    assert answer["success"], answer["error"]
    assert answer["validation_report"]["is_valid"]
    sheet = parse(Path(answer["file_path"]).read_bytes()).sheet
    assert [(each.title, each.performer, each.start) for each in sheet.tracks()] == [
        ("Opening", "A", 0),
        ("Say 'yes'", "Ünder", 450),
    ]


async def test_a_sheet_becomes_a_programs_own_form_which_cannot_be_converted_or_checked(service: Any) -> None:
    source, _ = await stored(service)
    answer = await service.conversion(source, "traktor_nml")
    assert answer["success"], answer["error"]
    names = [mark.attrib["NAME"] for mark in ElementTree.parse(answer["file_path"]).iter("CUE_V2")]
    assert [name for name in names if "Opening" in name or "Say 'yes'" in name] == names
    assert len(names) == 2
    back = await service.conversion(answer["cue_file_id"], "standard")
    assert (back["success"], back["error_code"]) == (False, "UNKNOWN_FORMAT")
    checked = await service.validation(answer["cue_file_id"])
    assert (checked["success"], checked["error_code"]) == (False, "UNKNOWN_FORMAT")


async def test_without_its_metadata_a_sheet_keeps_times_titles_and_performers_alone(service: Any) -> None:
    source, _ = await stored(service)
    answer = await service.conversion(source, "standard", preserve_metadata=False)
    assert [(each["field"], each["track"], each["reason"]) for each in answer["losses"]] == [
        ("catalog", None, "left out as asked"),
        ("REM GENRE", None, "left out as asked"),
        ("REM BPM", 1, "left out as asked"),
        ("isrc", 2, "left out as asked"),
    ]
    text = Path(answer["file_path"]).read_text(encoding="utf-8")
    assert not any(word in text for word in ("REM", "CATALOG", "ISRC"))
    assert 'TITLE "A Night"' in text
    assert 'PERFORMER "Ünder"' in text


async def test_very_many_losses_of_one_sort_are_told_together_with_their_tracks(service: Any) -> None:
    await service.tracklist(*(TracklistEntry(number=n, start_seconds=60.0 * (n - 1)) for n in range(1, 701)))
    source = (await service.single(format="cdj"))["cue_file_id"]
    answer = await service.conversion(source, "kodi")
    assert answer["losses"] == [
        {"field": "track", "track": None, "reason": "kodi holds 99 tracks", "tracks": list(range(100, 701))}
    ]


async def test_a_conversion_that_is_delivered_again_leaves_the_sheet_as_it_is(service: Any) -> None:
    source, _ = await stored(service)
    first = await service.conversion(source, "kodi")
    before = Path(first["file_path"]).stat()
    again = await service.conversion(source, "kodi")
    after = Path(again["file_path"]).stat()
    assert (again["cue_file_id"], again["message_id"]) == (first["cue_file_id"], first["message_id"])
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


async def test_a_sheet_that_somebody_edited_is_converted_as_it_is_now_with_a_warning(service: Any) -> None:
    source, path = await stored(service)
    path.write_bytes(path.read_bytes().replace(b"Opening", b"Overture"))
    answer = await service.conversion(source, "kodi")
    assert answer["success"]
    assert "CHECKSUM_MISMATCH" in {each["code"] for each in answer["validation_report"]["warnings"]}
    assert next(parse(Path(answer["file_path"]).read_bytes()).sheet.tracks()).title == "Overture"


async def test_a_sheet_that_is_not_valid_is_not_converted(service: Any) -> None:
    source, path = await stored(service)
    path.write_text('FILE "x" WAVE\n  TRACK 01 AUDIO\n')
    answer = await service.conversion(source, "kodi")
    assert (answer["success"], answer["error_code"], answer["cue_file_id"]) == (False, "INVALID_CUE", None)
    assert [each["code"] for each in answer["validation_report"]["errors"]] == ["INDEX_01_MISSING"]


async def test_the_new_sheet_may_call_its_audio_otherwise(service: Any) -> None:
    source, _ = await stored(service)
    options = {"audio_file_name": "night.mp3", "loud": True}
    answer = await service.conversion(source, "kodi", conversion_options=options)
    file = parse(Path(answer["file_path"]).read_bytes()).sheet.files[0]
    assert (file.name, file.type) == ("night.mp3", "MP3")
    assert "UNKNOWN_OPTION" in {each["code"] for each in answer["validation_report"]["warnings"]}


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"source_cue_file_id": "nobody"}, "UNKNOWN_CUE_FILE"),
        ({"target_format": "vinyl"}, "UNKNOWN_FORMAT"),
        ({"conversion_options": {"audio_file_name": "a/b"}}, "INVALID_MESSAGE"),
    ],
)
async def test_what_cannot_be_converted_is_answered_with_its_code(
    fields: dict[str, Any], code: str, service: Any
) -> None:
    source, _ = await stored(service)
    arguments = {"source_cue_file_id": source, "target_format": "kodi", **fields}
    given = arguments.pop("source_cue_file_id"), arguments.pop("target_format")
    answer = await service.conversion(*given, **arguments)
    assert (answer["success"], answer["error_code"], answer["losses"]) == (False, code, [])


async def test_a_sheet_whose_file_is_gone_cannot_be_converted(service: Any) -> None:
    source, path = await stored(service)
    path.unlink()
    answer = await service.conversion(source, "kodi")
    assert (answer["success"], answer["error_code"]) == (False, "FILE_NOT_FOUND")
