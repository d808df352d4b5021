"""Debian's cuetools read our sheets, and find in them what we wrote: an oracle that shares no line with us."""

from __future__ import annotations

import re
import subprocess
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from stages.cue.formats import Audio, render_tracklist
from stages.cue.parse import parse
from stages.cue.profiles import PROFILES
from stages.cue.sheet import File, Index, Sheet, Track
from stages.cue.timecode import to_seconds
from stages.cue.validate import validate
from stages.cue.write import writable, write
from stages.tracklists import Tracklist, TracklistEntry


def asked(command: list[str], path: Path) -> list[str]:
    """What a tool of cuetools says of a sheet, line by line. It exits 0 whatever it meets; its errors are words."""
    ended = subprocess.run([*command, str(path)], capture_output=True, text=True, timeout=30, check=True)
    assert ended.stderr == ""
    return ended.stdout.splitlines()


def breakpoints(path: Path, gaps: str = "--append-gaps") -> list[int]:
    """Frames at which the second and further tracks start.

    Args:
        gaps: whether those before tracks belong to the track before, to the one after, or are on their own.
    """
    times = [re.fullmatch(r"(\d+):(\d\d)\.(\d\d)", line) for line in asked(["cuebreakpoints", gaps], path)]
    return [(int(time[1]) * 60 + int(time[2])) * 75 + int(time[3]) for time in times if time is not None]


def titles(path: Path) -> list[tuple[str, str]]:
    """Title and performer of each track."""
    # One line a track: the tool's own line ends are told from those in a title by there being none in ours.
    lines = asked(["cueprint", "-t", r"%t\t%p\n"], path)
    return [tuple(line.split("\t")) for line in lines]  # type: ignore[misc]


def mix(tracks: int, minutes: int) -> Tracklist:
    return Tracklist(
        tracklist_id="t",
        recording_id="r",
        file_path="/music/mix.flac",
        source="manual",
        confidence=1,
        entries=tuple(
            TracklistEntry(
                number=number,
                start_seconds=(number - 1) * minutes * 60 / tracks + number / 75,
                title=f'Títle "{number}" ♫',
                performer=f"Ünder & Söhne {number}",
                isrc="DEA012345678",
                bpm=120.5,
                key="A minor",
            )
            for number in range(1, tracks + 1)
        ),
        created_at=datetime(2026, 1, 1, tzinfo=UTC),
        title="A long night",
        performer="Everybody",
    )


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize(("tracks", "minutes"), [(2, 5), (40, 240), (99, 700)])
def test_a_mix_is_read_as_it_was_written(profile: str, tracks: int, minutes: int, tmp_path: Path) -> None:
    rendered = render_tracklist(profile, mix(tracks, minutes), Audio(Path("/music/mix.flac"), minutes * 60 + 10))
    path = tmp_path / "mix.cue"
    path.write_bytes(rendered.content)
    starts = [track.start for track in rendered.sheet.tracks()]
    assert breakpoints(path) == starts[1:]
    assert titles(path) == [(track.title, track.performer) for track in parse(rendered.content).sheet.tracks()]
    assert asked(["cueprint", "-d", r"%N\t%T\t%P\n"], path) == [f"{tracks}\tA long night\tEverybody"]


# What the tool itself cannot hold: tabs would be told as two fields; a backslash or a per cent sign are its own.
_texts = st.text(st.characters(codec="utf-8", exclude_characters='\t\\%"'), min_size=1, max_size=30).map(writable)


@given(st.lists(st.tuples(_texts.filter(bool), st.integers(75, 500_000)), min_size=2, max_size=12))
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_both_find_the_same_in_random_sheets(tmp_path: Path, parts: list[tuple[str, int]]) -> None:
    frames, tracks = 0, []
    for number, (title, length) in enumerate(parts, 1):
        tracks.append(Track(number, (Index(1, frames),), title=title, performer="P"))
        frames += length
    sheet = Sheet((File("a.wav", "WAVE", tuple(tracks)),))
    assert validate(sheet).is_valid
    path = tmp_path / "random.cue"
    path.write_bytes(write(sheet))
    assert breakpoints(path) == [track.start for track in tracks[1:]]
    assert titles(path) == [(track.title, "P") for track in tracks]


@pytest.mark.parametrize(
    "broken",
    ['FILE "x" WAVE\nTRACK 01 AUDIO\nINDEX 01 00:00:00\nJUNK\n', "TRACK 01 AUDIO\nINDEX one 00:00:00\n"],
)
def test_what_the_tool_refuses_we_do_not_call_right(broken: str, tmp_path: Path) -> None:
    path = tmp_path / "broken.cue"
    path.write_text(broken)
    ended = subprocess.run(["cuebreakpoints", str(path)], capture_output=True, text=True, timeout=30, check=False)
    assert ended.stderr
    assert validate(parse(broken)).findings


def rewritten(sheet: Sheet, path: Path) -> Sheet:
    """What we read of the sheet that the tool makes of ours: its own words, in its own order."""
    path.write_bytes(write(sheet))
    parsed = parse("\n".join(asked(["cueconvert", "-i", "cue", "-o", "cue"], path)))
    assert validate(parsed).errors == ()
    return parsed.sheet


_codes = st.none() | st.from_regex(r"[A-Z]{2}[A-Z0-9]{3}[0-9]{7}", fullmatch=True)
_maybe = st.none() | _texts.filter(bool)


@st.composite
def sheets(draw: st.DrawFn) -> Sheet:
    """All that the tool holds too: no remarks, and no CD-Text file."""
    frames, tracks = 0, []
    for number in range(1, draw(st.integers(1, 12)) + 1):
        indices = []
        if draw(st.booleans()):
            indices.append(Index(0, frames))
            frames += draw(st.integers(1, 500))
        for index in range(1, draw(st.integers(2, 4))):
            indices.append(Index(index, frames))
            frames += draw(st.integers(75, 400_000))
        tracks.append(
            Track(
                number,
                tuple(indices),
                title=draw(_maybe),
                performer=draw(_maybe),
                songwriter=draw(_maybe),
                isrc=draw(_codes),
                flags=draw(st.sampled_from([(), ("DCP",), ("PRE",), ("PRE", "DCP"), ("4CH", "SCMS")])),
                postgap=draw(st.none() | st.integers(1, 500)),
            )
        )
    return Sheet(
        (File(draw(_texts.filter(bool)), draw(st.sampled_from(["WAVE", "MP3", "AIFF"])), tuple(tracks)),),
        title=draw(_maybe),
        performer=draw(_maybe),
        songwriter=draw(_maybe),
        catalog=draw(st.none() | st.from_regex(r"[0-9]{13}", fullmatch=True)),
    )


@given(sheets())
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_what_the_tool_writes_of_a_sheet_is_read_as_the_same_sheet(tmp_path: Path, sheet: Sheet) -> None:
    again = rewritten(sheet, tmp_path / "rewritten.cue")
    assert replace(again, files=()) == replace(sheet, files=())
    assert [file.name for file in again.files] == [file.name for file in sheet.files]
    assert list(again.tracks()) == list(sheet.tracks())


@given(sheets())
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_both_see_the_gaps_at_the_same_places(tmp_path: Path, sheet: Sheet) -> None:
    path = tmp_path / "gaps.cue"
    path.write_bytes(write(sheet))
    tracks = list(sheet.tracks())
    begins = [track.indices[0].frames for track in tracks]
    assert breakpoints(path, "--prepend-gaps") == begins[1:]
    assert breakpoints(path, "--append-gaps") == [track.start for track in tracks[1:]]
    assert breakpoints(path, "--split-gaps") == sorted({*begins, *(track.start or 0 for track in tracks)} - {0})


def test_a_mix_of_99_tracks_and_twelve_hours_is_rewritten_as_it_was(tmp_path: Path) -> None:
    rendered = render_tracklist("standard", mix(99, 720), Audio(Path("/music/Ünder ♫.flac"), 720 * 60 + 10))
    sheet = parse(rendered.content).sheet
    again = rewritten(sheet, tmp_path / "long.cue")
    assert list(again.tracks()) == [replace(track, rems=()) for track in sheet.tracks()]
    assert again.files[0].name == "Ünder ♫.flac"
    assert to_seconds(list(again.tracks())[-1].start or 0) == pytest.approx(720 * 60 * 98 / 99 + 99 / 75, abs=0.01)


_PIECES = [
    *('FILE "a.wav" WAVE', "TRACK 01 AUDIO", "TRACK 02 AUDIO", "TRACK AUDIO", "INDEX 01 00:00:00", "INDEX 01 01:00:00"),
    *("INDEX 00 00:59:00", "INDEX one 00:00:00", "INDEX 01 1", 'TITLE "t"', "PREGAP 00:02:00", "PREGAP two", "JUNK"),
    *("ISRC DEA012345678", "FLAGS DCP", "FLAGS", 'REM COMMENT "x"', "CATALOG 1234567890123", "FILE", '"'),
]


@given(st.lists(st.sampled_from(_PIECES), max_size=10))
@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_what_we_call_right_the_tool_reads_without_complaint(tmp_path: Path, pieces: list[str]) -> None:
    content = "\n".join(['FILE "a.wav" WAVE', "TRACK 01 AUDIO", "INDEX 01 00:00:00", *pieces, ""])
    parsed = parse(content)
    path = tmp_path / "pieces.cue"
    if parsed.findings:
        path.write_bytes(write(parsed.sheet))
    else:
        path.write_text(content)
    report = validate(parsed.sheet)
    # The tool takes a file that has no tracks for a second one of the track before.
    if report.is_valid and "FILE_WITHOUT_TRACKS" not in {each.code for each in report.warnings}:
        # Where a track is the first of its file, there is nothing to break.
        assert breakpoints(path) == [track.start for track in list(parsed.sheet.tracks())[1:] if track.start]
