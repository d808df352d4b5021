"""Every rule of a sheet, broken one at a time."""

from __future__ import annotations

from dataclasses import replace

import pytest

from stages.cue.parse import parse
from stages.cue.profiles import PROFILES, fit
from stages.cue.sheet import File, Index, Rem, Sheet, Track
from stages.cue.validate import validate


def sheet(*tracks: Track, name: str = "mix.flac", kind: str = "WAVE", **fields: str) -> Sheet:
    return Sheet((File(name, kind, tracks),), **fields)  # type: ignore[arg-type]


ONE, TWO = Track(1, (Index(1, 0),)), Track(2, (Index(0, 7000), Index(1, 7500)))
GOOD = sheet(ONE, TWO, title="Mix", performer="Somebody", catalog="1234567890123")


def test_a_good_sheet_has_no_findings() -> None:
    report = validate(GOOD, audio_seconds=300, profile=PROFILES["standard"])
    assert report.as_json() == {"is_valid": True, "errors": [], "warnings": []}


@pytest.mark.parametrize(
    ("broken", "code", "track"),
    [
        (Sheet(), "NO_TRACKS", None),
        (sheet(*(Track(n, (Index(1, n * 100 - 100),)) for n in range(1, 101))), "TOO_MANY_TRACKS", None),
        (sheet(ONE, replace(TWO, number=3)), "NUMBERS_NOT_CONSECUTIVE", 3),
        (sheet(replace(ONE, number=0), replace(TWO, number=1)), "BAD_NUMBER", 0),
        (replace(GOOD, catalog="123"), "BAD_CATALOG", None),
        (sheet(ONE, TWO, name=""), "FILE_MISSING", 1),
        (sheet(ONE, TWO, kind="FLAC"), "UNKNOWN_FILE_TYPE", 1),
        (sheet(ONE, TWO, name='a"b.wav'), "BAD_TEXT", 1),
        (sheet(replace(ONE, indices=()), TWO), "INDEX_01_MISSING", 1),
        (sheet(ONE, replace(TWO, indices=(Index(1, 0),))), "STARTS_NOT_INCREASING", 2),
        (sheet(replace(ONE, indices=(Index(1, 0), Index(2, 7200))), TWO), "TRACKS_OVERLAP", 2),
        (sheet(ONE, replace(TWO, indices=(Index(1, 7000), Index(0, 7500)))), "INDICES_NOT_IN_ORDER", 2),
        (sheet(ONE, replace(TWO, indices=(Index(0, 7500), Index(1, 7000)))), "INDICES_NOT_INCREASING", 2),
        (sheet(ONE, replace(TWO, indices=(Index(1, 7000), Index(2, 7000)))), "INDICES_NOT_INCREASING", 2),
        (sheet(ONE, replace(TWO, type="VIDEO")), "UNKNOWN_TRACK_TYPE", 2),
        (sheet(ONE, replace(TWO, isrc="DE123")), "BAD_ISRC", 2),
        (sheet(ONE, replace(TWO, title='The "big" one')), "BAD_TEXT", 2),
        (sheet(ONE, TWO, title="two\nlines"), "BAD_TEXT", None),
        (sheet(ONE, TWO, title=""), "BAD_TEXT", None),
        (sheet(ONE, TWO, cdtextfile='a"b.cdt'), "BAD_TEXT", None),
        (replace(GOOD, rems=(Rem("genre", "x"),)), "BAD_REM", None),
        (sheet(ONE, replace(TWO, rems=(Rem("COMMENT", 'a "b"'),))), "BAD_REM", 2),
        (sheet(ONE, replace(TWO, rems=(Rem("A B", "c"),))), "BAD_REM", 2),
        (sheet(replace(ONE, indices=(Index(1, -1),)), TWO), "BAD_TIME", 1),
        (sheet(ONE, replace(TWO, pregap=-150, indices=TWO.indices[1:])), "BAD_TIME", 2),
        (sheet(ONE, replace(TWO, postgap=10**10)), "BAD_TIME", 2),
        (sheet(ONE, replace(TWO, indices=(*TWO.indices, Index(100, 8000)))), "BAD_NUMBER", 2),
        (sheet(replace(ONE, number=100), replace(TWO, number=101)), "BAD_NUMBER", 100),
        (sheet(ONE, replace(TWO, flags=("loud",))), "UNKNOWN_FLAG", 2),
        (sheet(ONE, replace(TWO, isrc="DEA01٢345678")), "BAD_ISRC", 2),
        (replace(GOOD, catalog="١٢٣٤٥٦٧٨٩٠١٢٣"), "BAD_CATALOG", None),
        (sheet(ONE, replace(TWO, title="x" * 5000)), "LINE_TOO_LONG", None),
        (replace(GOOD, rems=(Rem("COMMENT", "x"),) * 50_000), "SHEET_TOO_LARGE", None),
        (sheet(ONE, replace(TWO, indices=(Index(1, 300 * 75),))), "AFTER_END", 2),
    ],
)
def test_a_broken_rule_is_an_error(broken: Sheet, code: str, track: int | None) -> None:
    report = validate(broken, audio_seconds=300)
    assert not report.is_valid
    assert [(each.code, each.track) for each in report.errors] == [(code, track)]


@pytest.mark.parametrize(
    ("doubtful", "code", "track"),
    [
        (sheet(replace(ONE, indices=(Index(1, 75),)), TWO), "FIRST_TRACK_NOT_AT_START", 1),
        (sheet(ONE, replace(TWO, indices=(Index(1, 100 * 60 * 75),))), "MINUTES_OVER_99", 2),
        (sheet(ONE, replace(TWO, flags=("LOUD",))), "UNKNOWN_FLAG", 2),
        (sheet(ONE, replace(TWO, pregap=150)), "TWO_PREGAPS", 2),
        (replace(GOOD, files=(*GOOD.files, File("b.wav", "WAVE"))), "FILE_WITHOUT_TRACKS", None),
        (sheet(ONE, TWO, name="mix.MP3"), "FILE_TYPE_DIFFERS", 1),
        (sheet(ONE, TWO, kind="AIFF"), "FILE_TYPE_DIFFERS", 1),
    ],
)
def test_what_is_only_doubtful_is_a_warning(doubtful: Sheet, code: str, track: int | None) -> None:
    report = validate(doubtful)
    assert report.is_valid
    assert [(each.code, each.track) for each in report.warnings] == [(code, track)]


@pytest.mark.parametrize(
    ("name", "kind"), [("a.mp3", "MP3"), ("a.m4a", "WAVE"), ("a.bin", "BINARY"), ("a.bin", "WAVE"), ("a", "MP3")]
)
def test_a_type_that_fits_the_file_or_may_is_not_doubted(name: str, kind: str) -> None:
    assert validate(sheet(ONE, TWO, name=name, kind=kind)).findings == ()


def test_times_before_the_end_are_within_the_audio_and_several_files_are_not_measured() -> None:
    assert validate(GOOD, audio_seconds=100.02).is_valid
    assert not validate(GOOD, audio_seconds=100.0).is_valid
    assert validate(replace(GOOD, files=(*GOOD.files, File("b.wav", "WAVE"))), audio_seconds=1).is_valid


def test_findings_about_what_was_read_have_their_lines() -> None:
    report = validate(parse('FILE "a.wav" WAVE\n\nTRACK 01 AUDIO\nNONSENSE\nTRACK 03 AUDIO\nINDEX 01 00:00:00\n'))
    assert [(each.code, each.line) for each in report.findings] == [
        ("INDEX_01_MISSING", 3),
        ("UNKNOWN_COMMAND", 4),
        ("NUMBERS_NOT_CONSECUTIVE", 5),
    ]


def test_a_finding_has_the_line_of_the_command_it_is_about() -> None:
    text = """\
CATALOG 12
FILE "a.wav" FLAC
  TRACK 01 AUDIO
    ISRC x
    INDEX 01 00:00:10
    INDEX 02 00:00:05
  TRACK 02 AUDIO
    FLAGS LOUD
    PREGAP 00:01:00
    INDEX 00 00:00:05
    INDEX 01 500:00:00
FILE "b.wav" WAVE
"""
    report = validate(parse(text))
    assert [(each.code, each.track, each.line) for each in report.findings] == [
        ("BAD_CATALOG", None, 1),
        ("UNKNOWN_FILE_TYPE", 1, 2),
        ("BAD_ISRC", 1, 4),
        ("FIRST_TRACK_NOT_AT_START", 1, 5),
        ("INDICES_NOT_INCREASING", 1, 6),
        ("UNKNOWN_FLAG", 2, 8),
        ("TWO_PREGAPS", 2, 9),
        ("MINUTES_OVER_99", 2, 11),
        ("FILE_WITHOUT_TRACKS", None, 12),
    ]
    assert [(each.code, each.line) for each in validate(parse(text[: text.index('FILE "b')]), audio_seconds=60).errors][
        -1
    ] == ("AFTER_END", 11)


def test_what_a_profile_does_not_hold_has_its_line() -> None:
    text = 'FILE "a.wav" WAVE\nTRACK 01 AUDIO\nTITLE "a"\nREM BPM 120\nISRC DEA012345678\nINDEX 01 00:00:00\n'
    report = validate(parse(text), profile=PROFILES["cdj"])
    assert [(each.message.partition(":")[0], each.line) for each in report.warnings] == [("REM BPM", 4), ("isrc", 5)]


def test_999_tracks_are_too_many_but_for_a_player_that_holds_them() -> None:
    many = sheet(*(Track(n, (Index(1, n * 75 - 75),)) for n in range(1, 1000)))
    assert [each.code for each in validate(many).errors] == ["TOO_MANY_TRACKS"]
    assert validate(many, profile=PROFILES["cdj"]).is_valid


FULL = Track(
    1,
    (Index(1, 0),),
    title="T" * 300,
    performer="P",
    songwriter="S",
    isrc="DEA012345678",
    flags=("DCP",),
    pregap=75,
    rems=(Rem("BPM", "120"), Rem("LABEL", "L")),
)


@pytest.mark.parametrize(
    ("profile", "lost", "length"),
    [
        ("standard", ["title"], 80),
        ("cdj", ["title", "songwriter", "isrc", "flags", "pregap", "REM BPM", "REM LABEL"], 80),
        ("traktor", ["title", "isrc", "REM LABEL"], 255),
        ("serato", ["title", "isrc", "REM LABEL"], 255),
        ("rekordbox", ["title", "songwriter", "isrc", "flags", "pregap"], 255),
        ("kodi", ["title", "REM BPM", "REM LABEL"], 255),
    ],
)
def test_a_profile_holds_some_fields_and_says_what_it_loses(profile: str, lost: list[str], length: int) -> None:
    fitted, losses = fit(sheet(FULL), PROFILES[profile])
    assert [loss.field for loss in losses] == lost
    assert all(loss.track == 1 for loss in losses)
    (track,) = fitted.tracks()
    assert len(track.title or "") == length
    report = validate(sheet(FULL), profile=PROFILES[profile])
    assert {each.code for each in report.warnings} <= {"TEXT_TOO_LONG", "NOT_IN_PROFILE"}
    assert len(report.warnings) == len(lost)
    assert validate(fitted, profile=PROFILES[profile]).findings == ()


def test_tracks_beyond_what_a_profile_holds_are_lost_and_told() -> None:
    many = sheet(*(Track(n, (Index(1, n * 75 - 75),)) for n in range(1, 102)))
    fitted, losses = fit(many, PROFILES["standard"])
    assert len(list(fitted.tracks())) == 99
    assert [(loss.field, loss.track) for loss in losses] == [("track", 100), ("track", 101)]
