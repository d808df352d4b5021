"""Sheets of rekordbox's recorder, which name the files that were played and count in hours."""

from __future__ import annotations

import pytest

from stages.cue.parse import parse
from stages.cue.sheet import Index, Rem, Sheet
from stages.cue.timecode import to_seconds
from stages.cue.validate import validate
from stages.cue.write import write

# As rekordbox 6 writes them: tabs, a file for what came from the disk, none for what was streamed.
RECORDING = """\
REM DATE 2024-06-10 08:14 PM
REM RECORDED_BY "rekordbox-dj"
TITLE "REC-2024-06-10"
PERFORMER "Somebody"
FILE "01 REC-2024-06-10.wav" WAVE
\tTRACK 01 AUDIO
\t\tTITLE "Streamed"
\t\tPERFORMER "A"
\t\tINDEX 01 00:00:00
\tTRACK 02 AUDIO
\t\tTITLE "From the disk"
\t\tPERFORMER "B"
\t\tFILE "D:/Music/B - From the disk.mp3" WAVE
\t\tINDEX 01 00:04:12
\tTRACK 03 AUDIO
\t\tTITLE "Late"
\t\tFILE "D:/Music/Late.m4a" WAVE
\t\tINDEX 01 02:01:59
"""


def test_the_recording_has_all_tracks_at_hours_minutes_and_seconds() -> None:
    parsed = parse(RECORDING)
    (file,) = parsed.sheet.files
    assert (file.name, file.type) == ("01 REC-2024-06-10.wav", "WAVE")
    assert [(track.title, to_seconds(track.start or 0)) for track in file.tracks] == [
        ("Streamed", 0.0),
        ("From the disk", 252.0),
        ("Late", 7319.0),
    ]
    assert [(each.code, each.severity, each.line) for each in parsed.findings] == [
        ("TIMES_IN_HOURS", "warning", 2),
        ("FILE_IN_TRACK", "warning", 13),
        ("FILE_IN_TRACK", "warning", 17),
    ]


def test_what_is_written_of_it_is_a_sheet_like_any_other() -> None:
    sheet = parse(RECORDING).sheet
    assert validate(sheet).is_valid
    assert parse(write(sheet)).sheet == sheet
    assert sheet.rems == (Rem("DATE", "2024-06-10 08:14 PM"),)


def test_times_that_can_only_be_frames_are_left_as_they_are() -> None:
    parsed = parse(RECORDING.replace("02:01:59", "121:59:74"))
    assert [track.start for track in parsed.sheet.tracks()] == [0, 312, 121 * 4500 + 59 * 75 + 74]
    assert "TIMES_IN_HOURS" not in [each.code for each in parsed.findings]


def test_without_its_signature_the_first_files_are_the_recording_and_the_times_are_frames() -> None:
    text = RECORDING.replace('REM RECORDED_BY "rekordbox-dj"\n', "").replace(
        "\t\tPERFORMER", '\t\tFILE "x.mp3" MP3\n#', 1
    )
    sheet = parse(text).sheet
    assert [(file.name, len(file.tracks)) for file in sheet.files] == [("01 REC-2024-06-10.wav", 3)]
    assert [track.start for track in sheet.tracks()] == [0, 312, 2 * 4500 + 75 + 59]


def test_a_sheet_that_would_be_taken_for_the_recorders_is_not_valid() -> None:
    sheet = parse(write(Sheet(rems=(Rem("RECORDED_BY", "me"),)))).sheet
    assert "BAD_REM" not in {each.code for each in validate(sheet).errors}
    taken = Sheet(sheet.files, rems=(Rem("RECORDED_BY", "Rekordbox 7"),))
    assert "BAD_REM" in {each.code for each in validate(taken).errors}


@pytest.mark.parametrize("first", ["INDEX 00 00:00:00\nINDEX 01 00:02:00", "INDEX 01 00:02:00"])
def test_a_file_named_within_the_first_track_is_that_of_all_that_began_before_it(first: str) -> None:
    (file,) = parse(f'TRACK 01 AUDIO\nFILE "a.wav" WAVE\n{first}\nTRACK 02 AUDIO\nINDEX 01 01:00:00\n').sheet.files
    assert (file.name, [track.start for track in file.tracks]) == ("a.wav", [150, 4500])
    assert file.tracks[0].indices[0] in (Index(0, 0), Index(1, 150))
