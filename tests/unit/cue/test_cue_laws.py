"""What is written is read as it was, whatever a sheet holds; what is read never breaks the reader."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from stages.cue.parse import parse
from stages.cue.profiles import PROFILES, fit
from stages.cue.sheet import File, Index, Rem, Sheet, Track
from stages.cue.validate import FILE_TYPES, FLAGS, TRACK_TYPES, validate
from stages.cue.write import writable, write

texts = st.text(min_size=1, max_size=40).map(writable).filter(bool)
maybe = st.none() | texts
rems = st.lists(st.builds(Rem, st.from_regex(r"[A-Z][A-Z0-9_]{0,11}", fullmatch=True), texts), max_size=3).map(tuple)
gaps = st.none() | st.integers(0, 100_000)
codes = st.none() | st.from_regex(r"[A-Z]{2}[A-Z0-9]{3}[0-9]{7}", fullmatch=True)


@st.composite
def sheets(draw: Any) -> Sheet:
    """Valid ones, of several files, with all fields."""
    files: list[File] = []
    number = 0
    for _ in range(draw(st.integers(0, 3))):
        frames = 0
        tracks: list[Track] = []
        for _ in range(draw(st.integers(1, 4))):
            number += 1
            indices = []
            if draw(st.booleans()):
                indices.append(Index(0, frames))
                frames += draw(st.integers(0, 500))
            for index in range(1, draw(st.integers(2, 4))):
                indices.append(Index(index, frames))
                frames += draw(st.integers(1, 700_000))
            tracks.append(
                Track(
                    number,
                    tuple(indices),
                    draw(st.sampled_from(TRACK_TYPES)),
                    draw(maybe),
                    draw(maybe),
                    draw(maybe),
                    draw(codes),
                    tuple(draw(st.lists(st.sampled_from(FLAGS), unique=True))),
                    draw(gaps),
                    draw(gaps),
                    draw(rems),
                )
            )
        files.append(File(draw(texts), draw(st.sampled_from(FILE_TYPES)), tuple(tracks)))
    catalog = draw(st.none() | st.from_regex(r"[0-9]{13}", fullmatch=True))
    return Sheet(tuple(files), draw(maybe), draw(maybe), draw(maybe), catalog, draw(maybe), draw(rems))


@given(sheets())
@settings(max_examples=60, deadline=None)
def test_what_is_written_is_read_as_it_was(sheet: Sheet) -> None:
    parsed = parse(write(sheet))
    assert parsed.sheet == sheet
    assert parsed.findings == ()
    assert len(parsed.track_lines) == len(list(sheet.tracks()))


@given(sheets(), st.sampled_from(list(PROFILES.values())))
@settings(max_examples=40, deadline=None)
def test_a_fitted_sheet_fits_and_loses_nothing_more(sheet: Sheet, profile: Any) -> None:
    fitted, losses = fit(sheet, profile)
    assert fit(fitted, profile) == (fitted, ())
    assert (fitted == sheet) is (losses == ())
    assert [track.indices for track in fitted.tracks()] == [track.indices for track in sheet.tracks()]


@given(st.binary(max_size=400) | st.text(max_size=400))
@settings(max_examples=80, deadline=None)
def test_nothing_breaks_the_reader_nor_the_validator(content: bytes | str) -> None:
    parsed = parse(content)
    report = validate(parsed, audio_seconds=60, profile=PROFILES["standard"])
    assert report.as_json()["is_valid"] is report.is_valid


_COMMANDS = st.sampled_from(
    [
        'FILE "a.wav" WAVE',
        "FILE b MP3",
        "TRACK 01 AUDIO",
        "TRACK 02 AUDIO",
        "TRACK 0 X",
        'TITLE "t"',
        "INDEX 00 00:00:00",
        "INDEX 01 00:01:00",
        "INDEX 01 99:99:99",
        "PREGAP 00:02:00",
        "FLAGS DCP",
        "ISRC x",
        "REM BPM 1",
        "CATALOG 1",
        "",
    ]
)


@given(st.lists(_COMMANDS, max_size=14))
@settings(max_examples=80, deadline=None)
def test_commands_in_any_order_are_read_and_what_was_read_is_read_again(lines: list[str]) -> None:
    parsed = parse("\n".join(lines))
    validate(parsed)
    assert len(parsed.track_lines) == len(list(parsed.sheet.tracks()))
