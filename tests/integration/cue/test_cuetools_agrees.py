"""Debian's cuetools read our sheets, and find in them what we wrote: an oracle that shares no line with us."""

from __future__ import annotations

import re
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from stages.cue.formats import Audio, render_tracklist
from stages.cue.parse import parse
from stages.cue.profiles import PROFILES
from stages.cue.sheet import File, Index, Sheet, Track
from stages.cue.validate import validate
from stages.cue.write import writable, write
from stages.tracklists import Tracklist, TracklistEntry


def asked(command: list[str], path: Path) -> list[str]:
    """What a tool of cuetools says of a sheet, line by line. It exits 0 whatever it meets; its errors are words."""
    ended = subprocess.run([*command, str(path)], capture_output=True, text=True, timeout=30, check=True)
    assert ended.stderr == ""
    return ended.stdout.splitlines()


def breakpoints(path: Path) -> list[int]:
    """Frames at which the second and further tracks start."""
    times = [re.fullmatch(r"(\d+):(\d\d)\.(\d\d)", line) for line in asked(["cuebreakpoints"], path)]
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
