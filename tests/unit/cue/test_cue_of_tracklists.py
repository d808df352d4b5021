"""From a tracklist to each format: what is known, and no placeholder for what is not."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from pipeline.errors import Permanent
from stages.cue.formats import FORMATS, Audio, render_tracklist
from stages.cue.parse import parse
from stages.cue.profiles import PROFILES
from stages.cue.validate import validate
from stages.tracklists import Tracklist, TracklistEntry


def tracklist(*entries: TracklistEntry, **fields: Any) -> Tracklist:
    return Tracklist(
        tracklist_id="t",
        recording_id="r",
        file_path="/music/night.flac",
        source="manual",
        confidence=1,
        entries=entries,
        created_at=datetime(2026, 1, 1, tzinfo=UTC),
        **fields,
    )


def entry(number: int, start: float, **fields: Any) -> TracklistEntry:
    return TracklistEntry(number=number, start_seconds=start, **fields)


NIGHT = tracklist(
    entry(1, 4.5, title="Opening", performer="A", bpm=124.0, key="A minor"),
    entry(2, 305.3),
    entry(3, 7261.0, title='Say "yes"', performer="Ünder", bpm=127.98, isrc="DEA012345678", genre="House", year=2020),
    title="A Night",
    performer="DJ",
    duration_seconds=9000.0,
    genre="House",
    date="2024-05-01",
)


@pytest.mark.parametrize("name", PROFILES)
def test_a_tracklist_becomes_a_valid_sheet_of_each_profile(name: str) -> None:
    rendered = render_tracklist(name, NIGHT, Audio(Path("/music/night.flac"), 9000.0))
    assert rendered.extension == "cue"
    parsed = parse(rendered.content)
    assert parsed.findings == ()
    report = validate(parsed, audio_seconds=9000.0, profile=PROFILES[name])
    assert report.errors == ()
    assert {each.code for each in report.warnings} <= {"MINUTES_OVER_99"}
    (file,) = parsed.sheet.files
    assert (file.name, file.type) == ("night.flac", "WAVE")
    first, second, third = file.tracks
    assert [index.frames for index in first.indices] == [0, 338]
    assert (first.title, second.title, third.title) == ("Opening", None, "Say 'yes'")
    assert third.start == 7261 * 75


def test_no_placeholder_stands_for_what_is_not_known() -> None:
    bare = tracklist(entry(1, 0.0), entry(2, 60.0))
    text = render_tracklist("standard", bare, Audio(Path("/music/x.mp3"))).content.decode()
    assert text == (
        'FILE "x.mp3" MP3\r\n  TRACK 01 AUDIO\r\n    INDEX 01 00:00:00\r\n  TRACK 02 AUDIO\r\n    INDEX 01 01:00:00\r\n'
    )


@pytest.mark.parametrize(
    ("name", "kind"),
    [("a.MP3", "MP3"), ("a.aiff", "AIFF"), ("a.aif", "AIFF"), ("a.flac", "WAVE"), ("a.m4a", "WAVE"), ("a.ogg", "WAVE")],
)
def test_the_file_is_of_the_type_that_its_extension_has_in_cue(name: str, kind: str) -> None:
    rendered = render_tracklist("standard", tracklist(entry(1, 0.0)), Audio(Path("/music") / name))
    assert rendered.sheet.files[0].type == kind


def test_each_profile_gets_the_remarks_it_knows() -> None:
    def remarks(name: str) -> tuple[list[str], list[str]]:
        sheet = render_tracklist(name, NIGHT, Audio(Path("/music/night.flac"))).sheet
        last = list(sheet.tracks())[-1]
        return [f"{rem.key}={rem.value}" for rem in sheet.rems], [f"{rem.key}={rem.value}" for rem in last.rems]

    assert remarks("serato") == (["GENRE=House", "DATE=2024-05-01"], ["BPM=127.98"])
    assert remarks("rekordbox")[1] == ["BPM=127.98", "GENRE=House", "YEAR=2020"]
    assert remarks("cdj") == (["GENRE=House", "DATE=2024-05-01"], [])
    assert remarks("kodi")[0] == ["GENRE=House", "DATE=2024-05-01", "ALBUMARTIST=DJ", "COMPILATION=TRUE"]


def test_tracks_are_numbered_in_the_order_of_their_starts() -> None:
    mixed = tracklist(entry(7, 60.0, title="second"), entry(9, 0.0, title="first"))
    sheet = render_tracklist("standard", mixed, Audio(Path("/m/x.wav"))).sheet
    assert [(track.number, track.title) for track in sheet.tracks()] == [(1, "first"), (2, "second")]


def test_the_audio_may_be_called_otherwise() -> None:
    rendered = render_tracklist("standard", NIGHT, Audio(Path("/music/night.flac")), "side-a.aiff")
    assert rendered.content.startswith(b"REM GENRE")
    assert (rendered.sheet.files[0].name, rendered.sheet.files[0].type) == ("side-a.aiff", "AIFF")


@pytest.mark.parametrize(("name", "advice"), [("serrato", 'did you mean "serato"'), ("xyzzy", "there are standard")])
def test_an_unknown_format_is_refused_with_what_there_is(name: str, advice: str) -> None:
    with pytest.raises(Permanent, match=advice) as refused:
        render_tracklist(name, NIGHT, Audio(Path("/music/night.flac")))
    assert refused.value.error_code == "UNKNOWN_FORMAT"


def test_the_contracts_formats_are_there() -> None:
    assert {"standard", "cdj", "traktor", "serato", "rekordbox", "kodi"} <= set(FORMATS)


@pytest.mark.parametrize(("name", "extension"), [("traktor_nml", "nml"), ("rekordbox_xml", "xml")])
def test_a_tracklist_can_be_had_in_the_programs_own_forms(name: str, extension: str) -> None:
    rendered = render_tracklist(name, NIGHT, Audio(Path("/music/night.flac"), 9000.0))
    assert (rendered.extension, FORMATS[name].readable) == (extension, False)
    assert b"A - Opening" in rendered.content
    assert {(loss.field, loss.track) for loss in rendered.losses} >= {("REM BPM", 1), ("isrc", 3)}


def test_a_file_whose_name_a_sheet_cannot_hold_is_told() -> None:
    rendered = render_tracklist("standard", NIGHT, Audio(Path('/music/A "live" night.flac')))
    assert rendered.sheet.files[0].name == 'A "live" night.flac'
    assert b"FILE \"A 'live' night.flac\" WAVE" in rendered.content
    assert [loss.field for loss in rendered.losses] == ["file"]
