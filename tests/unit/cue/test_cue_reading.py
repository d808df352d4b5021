"""Sheets as programs really write them."""

from __future__ import annotations

import codecs

import pytest

from pipeline.errors import Permanent
from stages.cue.parse import LARGEST, parse
from stages.cue.sheet import File, Index, Rem, Sheet, Track
from stages.cue.timecode import format_time, parse_time, to_frames, to_seconds
from stages.cue.validate import validate
from stages.cue.write import write

PLAIN = """\
REM GENRE "Deep House"
REM DATE 2024
CATALOG 1234567890123
PERFORMER "Someone"
TITLE "A Night"
FILE "night.mp3" MP3
  TRACK 01 AUDIO
    TITLE "First"
    PERFORMER "A"
    ISRC DEA012345678
    FLAGS DCP PRE
    REM BPM 124
    INDEX 00 00:00:00
    INDEX 01 00:02:37
  TRACK 02 AUDIO
    TITLE "Second"
    PREGAP 00:02:00
    INDEX 01 105:30:74
    POSTGAP 00:01:00
"""
SHEET = Sheet(
    title="A Night",
    performer="Someone",
    catalog="1234567890123",
    rems=(Rem("GENRE", "Deep House"), Rem("DATE", "2024")),
    files=(
        File(
            "night.mp3",
            "MP3",
            (
                Track(
                    1,
                    (Index(0, 0), Index(1, 187)),
                    title="First",
                    performer="A",
                    isrc="DEA012345678",
                    flags=("DCP", "PRE"),
                    rems=(Rem("BPM", "124"),),
                ),
                Track(2, (Index(1, 474824),), title="Second", pregap=150, postgap=75),
            ),
        ),
    ),
)


def codes(content: bytes | str) -> list[str]:
    return [finding.code for finding in parse(content).findings]


def test_a_plain_sheet_is_read_whole() -> None:
    parsed = parse(PLAIN.encode())
    assert parsed.sheet == SHEET
    assert parsed.findings == ()
    assert parsed.track_lines == (7, 15)


def test_a_sheet_is_written_as_old_readers_want_it() -> None:
    written = write(SHEET)
    assert b"\r\n" in written
    assert not written.startswith(codecs.BOM_UTF8)
    assert b'FILE "night.mp3" MP3\r\n  TRACK 01 AUDIO\r\n    TITLE "First"\r\n' in written
    assert parse(written).sheet == SHEET


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("before", ["", "\ufeff", "\n\n"])
def test_line_ends_and_marks_of_byte_order_make_no_difference(end: str, before: str) -> None:
    assert parse((before + PLAIN).replace("\n", end).encode()).sheet == SHEET


def test_commands_in_small_letters_and_tabs_make_no_difference() -> None:
    text = PLAIN.replace("TRACK", "track").replace("    INDEX ", "\t\tindex\t")
    assert parse(text).sheet == SHEET


@pytest.mark.parametrize("encoding", ["latin-1", "cp1252", "utf-16", "utf-8-sig", "utf-8"])
def test_other_encodings_are_read(encoding: str) -> None:
    parsed = parse(PLAIN.replace("Someone", "Björk").encode(encoding))
    assert parsed.sheet.performer == "Björk"
    assert ("NOT_UTF8" in [each.code for each in parsed.findings]) is not encoding.startswith("utf-8")


@pytest.mark.parametrize(
    ("line", "title"),
    [
        ("TITLE Without quotes", "Without quotes"),
        ('TITLE "The "big" one"', 'The "big" one'),
        ('TITLE "Never closed', "Never closed"),
        ('TITLE   "  spaces  "  ', "spaces"),
        ('TITLE ""', None),
        ("TITLE", None),
    ],
)
def test_texts_are_read_however_they_are_quoted(line: str, title: str | None) -> None:
    assert parse(f"{line}\n").sheet.title == title


def test_a_file_within_each_track_is_taken_for_that_tracks_file() -> None:
    text = """\
TRACK 01 AUDIO
  TITLE "One"
  FILE "mix.wav" WAVE
  INDEX 01 00:00:00
TRACK 02 AUDIO
  TITLE "Two"
  FILE "mix.wav" WAVE
  INDEX 01 05:00:00
"""
    parsed = parse(text)
    (file,) = parsed.sheet.files
    assert (file.name, [track.title for track in file.tracks]) == ("mix.wav", ["One", "Two"])
    assert [each.code for each in parsed.findings] == ["FILE_IN_TRACK", "FILE_IN_TRACK"]
    assert [each.line for each in parsed.findings] == [3, 7]


def test_several_files_keep_their_tracks() -> None:
    text = (
        'FILE "a.wav" WAVE\nTRACK 01 AUDIO\nINDEX 01 00:00:00\nFILE "b.wav" WAVE\nTRACK 02 AUDIO\nINDEX 01 00:00:00\n'
    )
    sheet = parse(text).sheet
    assert [(file.name, [track.number for track in file.tracks]) for file in sheet.files] == [
        ("a.wav", [1]),
        ("b.wav", [2]),
    ]


def test_a_gap_at_the_end_of_the_file_before_is_left_out_and_told() -> None:
    text = """\
FILE "a.wav" WAVE
  TRACK 01 AUDIO
    INDEX 01 00:00:00
  TRACK 02 AUDIO
    TITLE "Two"
    INDEX 00 03:00:00
FILE "b.wav" WAVE
    INDEX 01 00:00:00
"""
    parsed = parse(text)
    assert [(file.name, [track.number for track in file.tracks]) for file in parsed.sheet.files] == [
        ("a.wav", [1]),
        ("b.wav", [2]),
    ]
    assert parsed.sheet.files[1].tracks[0].indices == (Index(1, 0),)
    assert [each.code for each in parsed.findings] == ["GAP_IN_OTHER_FILE"]


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ("INDEX 01 00:60:00", "BAD_TIME"),
        ("INDEX 01 00:00:75", "BAD_TIME"),
        ("INDEX 01 later", "BAD_TIME"),
        ("INDEX 01", "BAD_TIME"),
        ("INDEX one 00:00:00", "BAD_NUMBER"),
        ("INDEX 100 00:00:00", "BAD_NUMBER"),
        ("TRACK x AUDIO", "BAD_NUMBER"),
        ("TRACK ² AUDIO", "BAD_NUMBER"),
        ("PREGAP 1", "BAD_TIME"),
        ("HELLO world", "UNKNOWN_COMMAND"),
        ("FILE two words.wav WAVE", "MISSING_QUOTE"),
        ('FILE "a.wav"', "FILE_TYPE_MISSING"),
        ("TRACK 02", "TRACK_TYPE_MISSING"),
        ("CATALOG 1234567890123", "OUT_OF_PLACE"),
        ('TITLE "a" b', "AFTER_QUOTE"),
        ("TRACK ٢ AUDIO", "BAD_NUMBER"),
        ("INDEX 02 ٠١:٠٠:٠٠", "BAD_TIME"),
        ("TITLE " + "x" * 5000, "LINE_TOO_LONG"),
    ],
)
def test_what_is_wrong_is_told_with_its_line(line: str, code: str) -> None:
    parsed = parse(f'FILE "a.wav" WAVE\nTRACK 01 AUDIO\nINDEX 01 00:00:00\n{line}\n')
    assert [(each.code, each.line) for each in parsed.findings] == [(code, 4)]


@pytest.mark.parametrize("line", ["INDEX 01 00:00:00", "ISRC DEA012345678", "FLAGS DCP", "PREGAP 00:02:00"])
def test_what_belongs_to_a_track_is_told_where_there_is_none(line: str) -> None:
    assert codes(line) == ["OUTSIDE_TRACK"]


def test_texts_after_a_new_file_do_not_change_the_sheets() -> None:
    text = 'TITLE "Sheet"\nFILE "a" WAVE\nTRACK 01 AUDIO\nINDEX 01 00:00:00\nFILE "b" WAVE\nTITLE "Stray"\n'
    assert parse(text).sheet.title == "Sheet"


@pytest.mark.parametrize("content", [b"\0" * (LARGEST + 1), b"\n" * 60_000])
def test_what_is_too_large_to_be_a_sheet_is_refused(content: bytes) -> None:
    with pytest.raises(Permanent) as refused:
        parse(content)
    assert refused.value.error_code == "INVALID_CUE"


def test_findings_are_bounded() -> None:
    assert len(parse("NONSENSE\n" * 40_000).findings) == 500


@pytest.mark.parametrize(
    ("text", "frames"), [("00:00:00", 0), ("00:01:00", 75), ("01:00:74", 4574), ("123:59:74", 557999), ("02:30", 11250)]
)
def test_times_are_frames(text: str, frames: int) -> None:
    assert parse_time(text) == frames
    assert parse_time(format_time(frames)) == frames


def test_seconds_become_the_nearest_frame() -> None:
    assert [to_frames(seconds) for seconds in (0.0, 1 / 75, 0.0066, 0.0067, 6000.5)] == [0, 1, 0, 1, 450038]
    assert to_seconds(75) == 1.0


@pytest.mark.parametrize(
    ("line", "name", "kind", "found"),
    [
        ('FILE "a b.wav" WAVE', "a b.wav", "WAVE", []),
        ('FILE "a "live" b.wav" WAVE', 'a "live" b.wav', "WAVE", []),
        ("FILE a.mp3 mp3", "a.mp3", "MP3", ["MISSING_QUOTE"]),
        ("FILE my mix.mp3 MP3", "my mix.mp3", "MP3", ["MISSING_QUOTE"]),
        ("FILE my mix.mp3", "my mix.mp3", "WAVE", ["MISSING_QUOTE", "FILE_TYPE_MISSING"]),
        ("FILE mix.mp3", "mix.mp3", "WAVE", ["MISSING_QUOTE", "FILE_TYPE_MISSING"]),
        ('FILE "mix.mp3 MP3', "mix.mp3", "MP3", ["MISSING_QUOTE"]),
        ('FILE "mix.mp3"MP3', "mix.mp3", "MP3", []),
    ],
)
def test_names_of_files_are_read_however_they_are_quoted(line: str, name: str, kind: str, found: list[str]) -> None:
    parsed = parse(f"{line}\nTRACK 01 AUDIO\nINDEX 01 00:00:00\n")
    assert [(file.name, file.type) for file in parsed.sheet.files] == [(name, kind)]
    assert [each.code for each in parsed.findings] == found


def test_a_track_with_a_bad_number_keeps_what_is_said_of_it() -> None:
    text = 'FILE "a" WAVE\nTRACK 01 AUDIO\nINDEX 01 00:00:00\nTRACK x AUDIO\nTITLE "Two"\nINDEX 01 00:09:00\n'
    parsed = parse(text)
    assert parsed.sheet.title is None
    assert [(track.number, track.title) for track in parsed.sheet.tracks()] == [(1, None), (2, "Two")]
    assert [each.code for each in parsed.findings] == ["BAD_NUMBER"]


def test_the_first_of_two_commands_counts_and_the_second_is_told() -> None:
    text = (
        'TITLE "a"\nTITLE "b"\nFILE "f" WAVE\nTRACK 01 AUDIO\nTITLE "c"\nTITLE "d"\nFLAGS DCP\nFLAGS PRE\n'
        "PREGAP 00:01:00\nPREGAP 00:02:00\nINDEX 01 00:00:00\n"
    )
    parsed = parse(text)
    (track,) = parsed.sheet.tracks()
    assert (parsed.sheet.title, track.title, track.flags, track.pregap) == ("a", "c", ("DCP",), 75)
    assert [(each.code, each.line) for each in parsed.findings] == [
        ("REPEATED_COMMAND", line) for line in (2, 6, 8, 10)
    ]


@pytest.mark.parametrize(
    ("line", "rem"),
    [
        ("REM GENRE Deep House", Rem("GENRE", "Deep House")),
        ('REM genre "Deep House"', Rem("GENRE", "Deep House")),
        ('REM COMMENT ""', Rem("COMMENT", "")),
        ('REM "a comment"', Rem("COMMENT", "a comment")),
        ("REM Ripped: by me", Rem("COMMENT", "Ripped: by me")),
        ("REM", None),
    ],
)
def test_remarks_without_a_name_are_comments(line: str, rem: Rem | None) -> None:
    assert parse(line).sheet.rems == (() if rem is None else (rem,))


@pytest.mark.parametrize("code", ["DEA012345678", "dea012345678", "DE-A01-23-45678", '"DEA012345678"'])
def test_an_isrc_is_read_with_its_separators(code: str) -> None:
    (track,) = parse(f'FILE "a" WAVE\nTRACK 01 AUDIO\nISRC {code}\nINDEX 01 00:00:00\n').sheet.tracks()
    assert track.isrc == "DEA012345678"


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
def test_utf_16_is_read_without_a_mark_of_byte_order_too(encoding: str) -> None:
    assert parse(PLAIN.encode(encoding)).sheet == SHEET


def test_errors_are_told_however_many_warnings_come_before_them() -> None:
    parsed = parse('FILE "a" WAVE\nTRACK 01 AUDIO\nINDEX 01 00:00:00\n' + "NONSENSE\n" * 1000 + "PREGAP 00:99:00\n")
    assert [each.code for each in parsed.findings if each.severity == "error"] == ["BAD_TIME"]
    assert not validate(parsed).is_valid
