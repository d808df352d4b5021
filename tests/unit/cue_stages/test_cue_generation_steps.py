"""Sheets of a tracklist: what is written, where, under which id, and what is answered."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from stages.cue.parse import parse
from stages.cue_files import CueFiles
from stages.tracklists import TracklistEntry


async def test_the_answer_says_what_was_written_and_the_store_remembers_it(service: Any) -> None:
    await service.tracklist()
    answer = await service.single(job_id="job-1")
    content = Path(answer["file_path"]).read_bytes()
    assert Path(answer["file_path"]) == service.data_dir / "cue" / f"{answer['cue_file_id']}.cue"
    assert (answer["file_size"], answer["checksum"]) == (len(content), hashlib.sha256(content).hexdigest())
    assert (answer["success"], answer["error"], answer["error_code"]) == (True, None, None)
    assert (answer["job_id"], answer["tracklist_id"]) == ("job-1", "tracklist-1")
    assert answer["validation_report"]["is_valid"]
    assert service.context.tracked == ["recording-1"]
    stored = await CueFiles(service.store.documents).known(answer["cue_file_id"])
    assert (stored.checksum, stored.format, stored.job_id) == (answer["checksum"], "standard", "job-1")
    assert (stored.recording_id, stored.audio_file_path) == ("recording-1", str(service.root / "night.flac"))
    assert stored.validation_report is not None
    assert stored.validation_report["is_valid"]


async def test_dashboards_are_not_told_where_the_sheet_is_on_the_server(service: Any) -> None:
    await service.tracklist()
    answer = await service.single()
    assert service.completed.type == "cue_generation_complete"
    assert service.completed.results["cue_file_id"] == answer["cue_file_id"]
    assert "file_path" not in service.completed.results
    await service.batch("standard", "kodi")
    assert [each["format"] for each in service.completed.results["results"]] == ["standard", "kodi"]
    assert str(service.data_dir) not in str(service.completed)


async def test_a_redelivery_leaves_the_sheet_as_it_is_and_answers_the_same(service: Any) -> None:
    await service.tracklist()
    first = await service.single()
    path = Path(first["file_path"])
    os.utime(path, (1, 1))
    inode = path.stat().st_ino
    again = await service.single()
    changing = {"timestamp", "processing_time_ms", "queue_time_ms"}
    assert {name: again[name] for name in again.keys() - changing} == {
        name: first[name] for name in first.keys() - changing
    }
    assert (path.stat().st_ino, path.stat().st_mtime) == (inode, 1)
    assert [each.name for each in path.parent.iterdir()] == [path.name]


async def test_a_sheet_that_was_spoilt_is_written_again_by_a_redelivery(service: Any) -> None:
    await service.tracklist()
    first = await service.single()
    path = Path(first["file_path"])
    good = path.read_bytes()
    path.write_bytes(b"FILE")
    assert (await service.single())["cue_file_id"] == first["cue_file_id"]
    assert path.read_bytes() == good


async def test_requests_of_their_own_and_formats_of_their_own_get_sheets_of_their_own(service: Any) -> None:
    await service.tracklist()
    wanted = [(request, name) for request in ("first", "second") for name in ("cdj", "kodi")]
    ids = {(await service.single(message_id=request, format=name))["cue_file_id"] for request, name in wanted}
    assert len(ids) == 4


@pytest.mark.parametrize("name", ["traktor_nml", "rekordbox_xml"])
async def test_a_title_with_quotes_has_a_place_in_a_programs_own_form(name: str, service: Any) -> None:
    await service.tracklist(TracklistEntry(number=1, start_seconds=0.0, title='Theme from "Jaws" & <more>\x01\n2'))
    answer = await service.single(format=name)
    assert answer["success"], answer["error"]
    assert answer["validation_report"]["is_valid"]
    marks = ElementTree.fromstring(Path(answer["file_path"]).read_bytes()).iter()
    assert any('Theme from "Jaws" & <more>' in value for mark in marks for value in mark.attrib.values())
    assert Path(answer["file_path"]).suffix == f".{name.rpartition('_')[2]}"


async def test_titles_with_quotes_and_line_ends_still_make_a_valid_sheet(service: Any) -> None:
    await service.tracklist(
        TracklistEntry(number=1, start_seconds=0.0, title='Theme from "Jaws"\nlive ', performer=" A "),
        title='The "Night"',
        file_path=str(service.root / 'a "b".mp3'),
    )
    answer = await service.single()
    assert answer["success"], answer["error"]
    sheet = parse(Path(answer["file_path"]).read_bytes()).sheet
    assert (sheet.title, sheet.files[0].name) == ("The 'Night'", "a 'b'.mp3")
    assert next(sheet.tracks()).title == "Theme from 'Jaws' live"


async def test_a_code_that_is_none_is_left_out_with_a_warning(service: Any) -> None:
    await service.tracklist(
        TracklistEntry(number=1, start_seconds=0.0, isrc="nope"),
        TracklistEntry(number=2, start_seconds=9.0, isrc="gb-aye-66-00001"),
        catalog="12",
    )
    answer = await service.single()
    report = answer["validation_report"]
    assert (report["is_valid"], [each["code"] for each in report["warnings"]]) == (True, ["BAD_CATALOG", "BAD_ISRC"])
    first, second = parse(Path(answer["file_path"]).read_bytes()).sheet.tracks()
    assert (first.isrc, second.isrc) == (None, "GBAYE6600001")


async def test_a_tracklist_that_makes_no_valid_sheet_is_refused_with_the_report_and_nothing_is_written(
    service: Any,
) -> None:
    await service.tracklist(
        TracklistEntry(number=1, start_seconds=0.0), TracklistEntry(number=2, start_seconds=0.001, title="too soon")
    )
    answer = await service.single()
    assert (answer["success"], answer["error_code"], answer["cue_file_id"]) == (False, "INVALID_CUE", None)
    (error,) = answer["validation_report"]["errors"]
    assert (error["code"], error["track"], error["line"]) == ("STARTS_NOT_INCREASING", 2, 8)
    assert not (service.data_dir / "cue").exists()
    assert "track 1" in answer["error"]


async def test_a_tracklist_without_tracks_is_refused(service: Any) -> None:
    await service.tracklist(entries=())
    answer = await service.single()
    assert (answer["error_code"], answer["validation_report"]["errors"][0]["code"]) == ("INVALID_CUE", "NO_TRACKS")


async def test_what_a_profile_does_not_hold_is_a_warning(service: Any) -> None:
    await service.tracklist()
    report = (await service.single(format="cdj"))["validation_report"]
    assert {(each["code"], each["track"]) for each in report["warnings"]} == {
        ("NOT_IN_PROFILE", 1),
        ("NOT_IN_PROFILE", 2),
    }


async def test_the_most_findings_that_are_told_fit_into_a_message(service: Any) -> None:
    known = {"bpm": 120.0, "key": "A minor", "genre": "House", "label": "L", "year": 2020, "comment": "c"}
    entries = [TracklistEntry(number=number + 1, start_seconds=60.0 * number, **known) for number in range(999)]
    await service.tracklist(*entries)
    answer = await service.single(format="cdj")
    assert answer["success"]
    told = answer["validation_report"]["warnings"]
    assert len(told) == 101
    not_held, beyond_99_minutes = 6 * 999, 999 - 100
    more = not_held + beyond_99_minutes - 100
    assert (told[-1]["code"], told[-1]["message"]) == (
        "MORE_FINDINGS",
        f"There are {more} more findings of this severity",
    )


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"audio_file_name": "side a.aiff"}, ("side a.aiff", "AIFF")),
        ({}, ("night.flac", "WAVE")),
    ],
)
async def test_the_sheet_may_call_its_audio_otherwise(
    options: dict[str, str], expected: tuple[str, str], service: Any
) -> None:
    await service.tracklist()
    answer = await service.single(options=options)
    file = parse(Path(answer["file_path"]).read_bytes()).sheet.files[0]
    assert (file.name, file.type) == expected


async def test_a_silence_between_two_tracks_is_shown_where_that_is_asked_for(service: Any) -> None:
    await service.tracklist()
    answer = await service.single(options={"include_pregap": True})
    _, second = parse(Path(answer["file_path"]).read_bytes()).sheet.tracks()
    assert [(index.number, index.frames) for index in second.indices] == [(0, 300), (1, 450)]
    without = await service.single(message_id="another", options={"include_pregap": False})
    _, second = parse(Path(without["file_path"]).read_bytes()).sheet.tracks()
    assert [index.number for index in second.indices] == [1]


async def test_an_option_that_nobody_knows_is_ignored_and_named_in_the_report(service: Any) -> None:
    await service.tracklist()
    options = {"colour": "red", "audio_file_name": "x.wav", "a\x1bb" * 40: 1}
    answer = await service.single(options=options)
    warnings = answer["validation_report"]["warnings"]
    assert [each["code"] for each in warnings] == ["UNKNOWN_OPTION", "UNKNOWN_OPTION"]
    assert "'colour'" in warnings[1]["message"]
    assert "include_pregap" in warnings[1]["message"]
    assert all(each["message"].isprintable() and len(each["message"]) < 300 for each in warnings)


@pytest.mark.parametrize(
    "options",
    [
        {"audio_file_name": "../x.wav"},
        {"audio_file_name": ""},
        {"audio_file_name": 7},
        {"audio_file_name": "a\nb"},
        {"include_pregap": "yes"},
    ],
)
async def test_an_option_with_a_value_it_cannot_have_is_refused(options: dict[str, Any], service: Any) -> None:
    await service.tracklist()
    answer = await service.single(options=options)
    assert (answer["success"], answer["error_code"]) == (False, "INVALID_MESSAGE")
    assert next(iter(options)) in answer["error"]


async def test_the_audio_of_a_recording_that_was_moved_is_called_as_it_is_now(service: Any) -> None:
    await service.tracklist()
    moved = str(service.root / "moved.mp3")
    await service.store.documents.put("recording", "recording-1", {"recording_id": "recording-1", "path": moved})
    answer = await service.single()
    assert parse(Path(answer["file_path"]).read_bytes()).sheet.files[0].name == "moved.mp3"


async def test_a_path_outside_of_the_library_is_refused_though_nothing_is_opened(service: Any, tmp_path: Path) -> None:
    await service.tracklist()
    answer = await service.single(audio_file_path=str(tmp_path / "elsewhere.mp3"))
    assert (answer["success"], answer["error_code"]) == (False, "PATH_NOT_ALLOWED")


@pytest.mark.parametrize("name", ["serrato", "cue", "../standard"])
async def test_an_unknown_format_is_refused_before_the_audio_is_looked_for(name: str, service: Any) -> None:
    await service.tracklist()
    answer = await service.single(format=name, validate_audio=True)
    assert (answer["success"], answer["error_code"], answer["format"]) == (False, "UNKNOWN_FORMAT", name)


async def test_an_unknown_tracklist_is_refused(service: Any) -> None:
    answer = await service.single(tracklist_id="nobody")
    assert (answer["success"], answer["error_code"], answer["tracklist_id"]) == (False, "UNKNOWN_TRACKLIST", "nobody")


async def test_a_folder_that_cannot_be_written_is_a_failure_that_may_pass(service: Any) -> None:
    await service.tracklist()
    (service.data_dir / "cue").touch()
    answer = await service.single()
    assert type(service.failure).__name__ == "Transient"
    assert (answer["success"], answer["error_code"]) == (False, "DEPENDENCY_UNAVAILABLE")
    (service.data_dir / "cue").unlink()
    assert (await service.single())["success"]
