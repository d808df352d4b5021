"""What holds of every sheet there can be, and of every text that somebody may call one."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from hypothesis import HealthCheck, event, example, given, settings
from hypothesis import strategies as st

from stages.cue.formats import FORMATS, Audio
from stages.cue.parse import LONGEST_LINE, parse
from stages.cue.profiles import PROFILES, Profile, fit
from stages.cue.sheet import FILE_TYPES, FLAGS, TRACK_TYPES, File, Index, Rem, Sheet, Track
from stages.cue.timecode import LATEST, format_time, parse_time, to_frames, to_seconds
from stages.cue.validate import validate
from stages.cue.write import writable, write

thoroughly = settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much]
)

good_texts = st.text(max_size=12).map(writable).map(lambda text: text or "ü")
odd_texts = st.one_of(
    st.sampled_from(
        ["", " ", '"', 'a "b" c', "a\r\nTRACK 02 AUDIO", "a\x00b", "\ufeffx", "\x1a", "\ud800", "\u2028", "'"]
    ),
    st.text(max_size=12),
    st.integers(LONGEST_LINE - 20, LONGEST_LINE + 1).map(lambda length: "x" * length),
)
keys = st.sampled_from(["GENRE", "DATE", "BPM", "COMMENT", "REPLAYGAIN_ALBUM_GAIN", "RECORDED_BY", "X-1.2"])
good_rems = st.lists(st.builds(Rem, keys, st.just("") | good_texts), max_size=3).map(tuple)
flags = st.lists(st.sampled_from((*FLAGS, "DATA")), unique=True).map(tuple)
isrcs = st.from_regex(r"[A-Z]{2}[A-Z0-9]{3}[0-9]{7}", fullmatch=True)


@st.composite
def good_sheets(draw: Any) -> Sheet:
    """Sheets without errors, of up to three files."""
    files: list[File] = []
    number = draw(st.sampled_from([0, 0, 0, 11]))
    for _ in range(draw(st.integers(1, 3))):
        frames, tracks = 0, []
        for _ in range(draw(st.integers(1, 4))):
            number += 1
            indices = []
            if draw(st.booleans()):
                indices.append(Index(0, frames))
                frames += draw(st.integers(0, 500))
            for index in sorted(draw(st.sets(st.integers(2, 99), max_size=2)) | {1}):
                indices.append(Index(index, frames))
                frames += draw(st.integers(1, 900_000))
            tracks.append(
                Track(
                    number=number,
                    indices=tuple(indices),
                    type=draw(st.sampled_from(TRACK_TYPES)),
                    title=draw(st.none() | good_texts),
                    performer=draw(st.none() | good_texts),
                    songwriter=draw(st.none() | good_texts),
                    isrc=draw(st.none() | isrcs),
                    flags=draw(flags),
                    pregap=draw(st.none() | st.integers(0, 1000)),
                    postgap=draw(st.none() | st.integers(0, 1000)),
                    rems=draw(good_rems),
                )
            )
        files.append(File(draw(good_texts), draw(st.sampled_from(FILE_TYPES)), tuple(tracks)))
    return Sheet(
        files=tuple(files),
        title=draw(st.none() | good_texts),
        performer=draw(st.none() | good_texts),
        songwriter=draw(st.none() | good_texts),
        catalog=draw(st.none() | st.from_regex(r"[0-9]{13}", fullmatch=True)),
        cdtextfile=draw(st.none() | good_texts),
        rems=draw(good_rems),
    )


numbers = st.integers(-2, 120) | st.sampled_from([10**6, 10**7])
times = st.integers(-2, 10**6) | st.sampled_from([LATEST, LATEST + 1])
odd_rems = st.lists(
    st.builds(Rem, keys | odd_texts | st.just("genre"), odd_texts | st.just("rekordbox-dj")), max_size=2
).map(tuple)
odd_tracks = st.builds(
    Track,
    number=numbers,
    indices=st.lists(st.builds(Index, numbers, times), max_size=3).map(tuple),
    type=st.sampled_from(TRACK_TYPES) | odd_texts,
    title=st.none() | odd_texts,
    isrc=st.none() | odd_texts | isrcs.map(str.lower) | st.just("DE-A01-23-45678") | st.just("DEA01٢345678"),
    flags=st.lists(st.sampled_from(FLAGS) | odd_texts, max_size=3).map(tuple),
    pregap=st.none() | times,
    postgap=st.none() | times,
    rems=odd_rems,
)
odd_sheets = st.builds(
    Sheet,
    files=st.lists(
        st.builds(
            File,
            odd_texts | good_texts,
            st.sampled_from(FILE_TYPES) | odd_texts,
            st.lists(odd_tracks, max_size=3).map(tuple),
        ),
        max_size=3,
    ).map(tuple),
    title=st.none() | odd_texts,
    catalog=st.none() | odd_texts | st.just("١٢٣٤٥٦٧٨٩٠١٢٣"),
    cdtextfile=st.none() | odd_texts,
    rems=odd_rems,
)


@st.composite
def marred_sheets(draw: Any) -> Sheet:
    """A sheet without errors, in which one thing was replaced by something odd, which may be an error or not."""
    sheet: Sheet = draw(good_sheets())
    odd: Sheet = draw(odd_sheets)
    field = draw(st.sampled_from(["title", "performer", "catalog", "cdtextfile", "rems", "files", "file", "track"]))
    if field not in ("file", "track"):
        return replace(sheet, **{field: getattr(odd, "title" if field == "performer" else field)})
    place = draw(st.integers(0, len(sheet.files) - 1))
    file = sheet.files[place]
    if field == "file":
        marred = replace(file, **draw(st.sampled_from([{"name": draw(odd_texts)}, {"type": draw(odd_texts)}])))
    else:
        at = draw(st.integers(0, len(file.tracks) - 1))
        fields = ["number", "indices", "type", "title", "isrc", "flags", "pregap", "postgap", "rems"]
        field = draw(st.sampled_from(fields))
        track = replace(file.tracks[at], **{field: getattr(draw(odd_tracks), field)})
        marred = replace(file, tracks=(*file.tracks[:at], track, *file.tracks[at + 1 :]))
    return replace(sheet, files=(*sheet.files[:place], marred, *sheet.files[place + 1 :]))


@given(good_sheets())
@thoroughly
def test_good_sheets_have_no_errors_and_are_read_as_they_were_written(sheet: Sheet) -> None:
    assert validate(sheet).errors == ()
    parsed = parse(write(sheet))
    assert parsed.sheet == sheet
    assert parsed.findings == ()
    assert write(parsed.sheet) == write(sheet)


@given(marred_sheets())
@settings(thoroughly, max_examples=400)
def test_whatever_the_validator_finds_no_error_in_is_read_as_it_was_written(sheet: Sheet) -> None:
    report = validate(sheet, profile=PROFILES["cdj"])
    event(f"valid: {report.is_valid}")
    if report.is_valid:
        parsed = parse(write(sheet))
        assert parsed.sheet == sheet
        assert parsed.findings == ()


def rewritten(sheet: Sheet) -> Sheet:
    return parse(write(sheet)).sheet


@given(marred_sheets() | odd_sheets)
@thoroughly
def test_a_sheet_with_errors_does_not_change_any_more_once_it_was_written_and_read_twice(sheet: Sheet) -> None:
    # Once for what the writer replaces, once for what the reader then makes of what is not in its place.
    twice = rewritten(rewritten(sheet))
    assert rewritten(twice) == twice


_LINES = st.sampled_from(
    [
        *('FILE "a.wav" WAVE', "FILE b.mp3 MP3", 'FILE "c d.wav', "FILE my mix.wav", 'FILE ""', "FILE"),
        *(
            "TRACK 01 AUDIO",
            "TRACK 02 AUDIO",
            "TRACK 3",
            "TRACK",
            "TRACK ٣ AUDIO",
            "TRACK -1 AUDIO",
            "track 04 mode1/2352",
        ),
        *(
            "INDEX 00 00:00:00",
            "INDEX 01 00:00:00",
            "INDEX 01 105:59:74",
            "INDEX 1 1:2:3",
            "INDEX 01",
            "INDEX 01 ٠١:٠٠:٠٠",
        ),
        *("INDEX 02 00:00:59", "PREGAP 00:02:00", "PREGAP", "POSTGAP 00:00:75", "FLAGS DCP 4ch", "FLAGS", "FLAGS DCP"),
        *('TITLE "t"', "TITLE t", 'TITLE "t" u', 'TITLE "a "b" c"', 'TITLE ""', "TITLE", 'TITLE"t"', "TITLES x"),
        *(
            'PERFORMER "ü"',
            "SONGWRITER s",
            "ISRC DEA012345678",
            "isrc de-a01-23-45678",
            "ISRC x",
            "CATALOG 1",
            "CDTEXTFILE c",
        ),
        *(
            "REM",
            "REM BPM 1",
            'REM genre "x"',
            'REM "quoted"',
            "REM Ripped: by",
            'REM RECORDED_BY "rekordbox-dj"',
            "REM ß x",
        ),
        *("", "  ", "\t", "\x1a", "\ufeff", "NONSENSE", "\x00", '"', "😀"),
    ]
)


@given(
    st.lists(_LINES, max_size=25),
    st.sampled_from(["\n", "\r\n", "\r"]),
    st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"]),
)
@settings(thoroughly, max_examples=500)
def test_commands_in_any_order_and_encoding_make_a_sheet_that_is_read_again(
    lines: list[str], end: str, encoding: str
) -> None:
    content = end.join(["PERFORMER p", *lines])
    parsed = parse(content.encode(encoding))
    assert parsed.sheet == parse(content).sheet
    assert len(parsed.track_lines) == len(list(parsed.sheet.tracks()))
    report = validate(parsed, audio_seconds=60, profile=PROFILES["standard"])
    assert all(each.line is None or 1 <= each.line <= len(lines) + 1 for each in report.findings)
    again = parse(write(parsed.sheet))
    assert rewritten(again.sheet) == again.sheet
    if report.is_valid:
        assert (again.sheet, again.findings) == (parsed.sheet, ())


@given(st.binary(max_size=600) | st.text(max_size=600))
@thoroughly
@example(b"\xff\xfe")
@example(b"\xfe\xff\xd8")
@example(b"F\0")
@example(b"REM\x81 x")
def test_any_bytes_are_read_without_an_exception(content: bytes | str) -> None:
    parsed = parse(content)
    validate(parsed, profile=PROFILES["kodi"]).as_json()
    once = rewritten(parsed.sheet)
    assert rewritten(once) == once


@given(good_sheets(), st.sampled_from(list(PROFILES.values())))
@thoroughly
def test_what_a_profile_holds_of_a_good_sheet_is_a_good_sheet(sheet: Sheet, profile: Profile) -> None:
    fitted, losses = fit(sheet, profile)
    assert fit(fitted, profile) == (fitted, ())
    assert (fitted == sheet) is (losses == ())
    report = validate(fitted, profile=profile)
    assert report.errors == ()
    assert {each.code for each in report.warnings} <= {
        *("FIRST_TRACK_NOT_AT_START", "MINUTES_OVER_99", "UNKNOWN_FLAG", "TWO_PREGAPS")
    }


@given(good_sheets(), st.sampled_from(["traktor_nml", "rekordbox_xml"]))
@settings(thoroughly, max_examples=60)
def test_programs_own_forms_have_each_track_at_its_place(sheet: Sheet, name: str) -> None:
    rendered = FORMATS[name].render(sheet, Audio(Path("/music/mix.flac"), 9000.0))
    root = ElementTree.fromstring(rendered.content)
    found = [
        float(mark.get("START", "")) / 1000 if name == "traktor_nml" else float(mark.get("Start", ""))
        for mark in root.iter("CUE_V2" if name == "traktor_nml" else "POSITION_MARK")
    ]
    starts = [to_seconds(track.start or 0) for track in sheet.tracks()]
    assert found == pytest.approx(starts, abs=0.0006)


@given(st.integers(0, LATEST))
@settings(max_examples=500)
def test_times_are_read_as_they_were_written(frames: int) -> None:
    assert parse_time(format_time(frames)) == frames
    assert to_frames(to_seconds(frames)) == frames
