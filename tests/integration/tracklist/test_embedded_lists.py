"""Lists of tracks that audio files carry: cue sheets in tags of every kind, FLAC's own block, chapters."""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from pipeline.errors import Permanent
from stages.tracklist.flac_cuesheet import flac_cuesheet
from stages.tracklist.found import Generated
from tests.tag_bytes import flac_with, frame, id3, text_frame

Generate = Callable[..., Generated]
MakeTrack = Callable[..., Path]

CHAPTERS = [(0.0, 2.0, "Opening"), (2.0, 4.0, "Mittelstück, süß"), (4.0, 6.0, "Ende")]
OGG_CHAPTERS = {
    "CHAPTER001": "00:00:00.000",
    "CHAPTER001NAME": "Opening",
    "CHAPTER002": "00:00:02.500",
    "CHAPTER003": "00:00:04.000",
    "CHAPTER003NAME": "Chapter 3",
}
SHEET = """\
REM GENRE "Drum & Bass"
REM DATE 2008-05
CATALOG 4006381333931
PERFORMER "The Selector"
TITLE "Live at Home"
FILE "{name}" WAVE
  TRACK 01 AUDIO
    TITLE "Erstes Stück"
    PERFORMER "Ä"
    ISRC DEA120800001
    REM BPM 174.5
    REM KEY "A minor"
    REM LABEL "Own"
    REM YEAR 2007
    REM COMMENT "a dub"
    INDEX 01 00:00:00
  TRACK 02 AUDIO
    TITLE "Track 02"
    INDEX 00 00:01:50
    INDEX 01 00:02:25
  TRACK 03 AUDIO
    TITLE "Last"
    INDEX 01 00:04:00
"""


def told(generated: Generated) -> list[tuple[float, str | None]]:
    return [(round(entry.start_seconds, 3), entry.title) for entry in generated.found.entries]


@pytest.mark.parametrize("suffix", ["m4a", "m4b"])
def test_chapters_of_mp4_become_tracks_with_their_titles(suffix: str, track: MakeTrack, generate: Generate) -> None:
    path = track("m4a", chapters=CHAPTERS)
    generated = generate(path.rename(path.with_suffix(f".{suffix}")), "embedded")
    assert told(generated) == [(0, "Opening"), (2, "Mittelstück, süß"), (4, "Ende")]
    assert (generated.found.source, generated.found.confidence) == ("chapters", 1)
    assert generated.found.duration_seconds == pytest.approx(6, abs=0.1)
    assert [entry.number for entry in generated.found.entries] == [1, 2, 3]


@pytest.mark.parametrize("suffix", ["ogg", "opus", "flac"])
def test_chapters_in_vorbis_comments_become_tracks_and_numbers_are_no_titles(
    suffix: str, track: MakeTrack, generate: Generate
) -> None:
    generated = generate(track(suffix, tags=OGG_CHAPTERS))
    assert told(generated) == [(0, "Opening"), (2.5, None), (4, None)]
    assert generated.found.source == "chapters"


def chapter_frame(name: str, start: float, end: float, title: str | None) -> bytes:
    times = struct.pack(">IIII", round(start * 1000), round(end * 1000), 0xFFFFFFFF, 0xFFFFFFFF)
    return frame("CHAP", name.encode() + b"\0" + times + (text_frame("TIT2", title) if title else b""))


def test_chapters_of_mp3_have_no_title_where_nobody_gave_one(track: MakeTrack, generate: Generate) -> None:
    path = track("mp3")
    frames = [
        chapter_frame("ch0", 0, 2, "Intro"),
        chapter_frame("ch1", 2, 3.5, None),
        chapter_frame("ch2", 4, 6, "ch0"),
    ]
    path.write_bytes(id3(*frames) + path.read_bytes())
    generated = generate(path)
    assert told(generated) == [(0, "Intro"), (2, None), (4, None)]
    assert [entry.end_seconds for entry in generated.found.entries] == [None, 3.5, None]


def test_chapters_of_mp3_as_the_library_writes_them_are_read(track: MakeTrack, generate: Generate) -> None:
    assert told(generate(track("mp3", chapters=CHAPTERS))) == [(0, "Opening"), (2, "Mittelstück, süß"), (4, "Ende")]


@pytest.mark.parametrize(("suffix", "name"), [("flac", "CUESHEET"), ("ogg", "cuesheet"), ("opus", "CueSheet")])
def test_a_cue_sheet_in_a_vorbis_comment_is_read_whole(
    suffix: str, name: str, track: MakeTrack, generate: Generate
) -> None:
    _is_the_sheet(generate(track(suffix, tags={name: SHEET.format(name=f"mix.{suffix}")})))


def test_a_cue_sheet_in_an_mp4_tag_is_read_whole(track: MakeTrack, generate: Generate) -> None:
    _is_the_sheet(generate(track("m4a", tags={"cuesheet": SHEET.format(name="CDImage.wav")})))


@pytest.mark.parametrize("encoding", [1, 3])
def test_a_cue_sheet_in_an_id3_text_is_read_whole(encoding: int, track: MakeTrack, generate: Generate) -> None:
    path = track("mp3")
    codec, end = ("utf-16", b"\0\0") if encoding == 1 else ("utf-8", b"\0")
    sheet = SHEET.format(name="mix.mp3").replace("\n", "\r\n")
    content = bytes([encoding]) + "CUESHEET".encode(codec) + end + sheet.encode(codec)
    path.write_bytes(id3(frame("TXXX", content)) + path.read_bytes())
    _is_the_sheet(generate(path, "embedded"))


def ape_tag(items: Sequence[tuple[str, bytes, int]], *, count: int | None = None) -> bytes:
    body = b"".join(
        struct.pack("<II", len(value), flags) + name.encode() + b"\0" + value for name, value, flags in items
    )
    stated = len(items) if count is None else count
    return body + struct.pack("<8sIIII8x", b"APETAGEX", 2000, len(body) + 32, stated, 0)


@pytest.mark.parametrize(
    ("suffix", "behind"), [("mp3", b""), ("mp3", b"TAG" + bytes(125)), ("wv", b"")], ids=["mp3", "mp3 with ID3v1", "wv"]
)
def test_a_cue_sheet_in_an_ape_tag_is_read_whole(
    suffix: str, behind: bytes, track: MakeTrack, generate: Generate
) -> None:
    path = track(suffix)
    items = [("Artist", b"Somebody", 0), ("Cuesheet", SHEET.format(name=path.name).encode(), 0)]
    path.write_bytes(path.read_bytes() + ape_tag(items) + behind)
    _is_the_sheet(generate(path))


def _is_the_sheet(generated: Generated) -> None:
    found = generated.found
    assert told(generated) == [(0, "Erstes Stück"), (2.333, None), (4, "Last")]
    assert (found.source, found.confidence) == ("embedded", 1)
    assert (found.title, found.performer, found.genre) == ("Live at Home", "The Selector", "Drum & Bass")
    assert (found.date, found.catalog) == ("2008-05", "4006381333931")
    first = found.entries[0]
    assert (first.performer, first.isrc, first.bpm, first.key) == ("Ä", "DEA120800001", 174.5, "A minor")
    assert (first.label, first.year, first.comment) == ("Own", 2007, "a dub")
    assert [entry.end_seconds and round(entry.end_seconds, 3) for entry in found.entries] == [1.667, None, None]
    assert found.entries[1].performer is None


@pytest.mark.parametrize(
    "tag",
    [
        ape_tag([("Cuesheet", b"\0\1\2", 0)]),
        ape_tag([("Cuesheet", b"FILE", 2)]),
        ape_tag([("Cuesheet", b"FILE", 0)], count=1_000_000)[:-40],
        struct.pack("<8sIIII8x", b"APETAGEX", 2000, 0xFFFFFFFF, 3, 0),
        b"\xff" * 40 + struct.pack("<8sIIII8x", b"APETAGEX", 2000, 72, 3, 0),
    ],
    ids=["no text", "no text by its flags", "cut off", "too large", "noise"],
)
def test_a_broken_ape_tag_is_no_list(tag: bytes, track: MakeTrack, generate: Generate) -> None:
    path = track("mp3")
    path.write_bytes(path.read_bytes() + tag)
    with pytest.raises(Permanent) as refused:
        generate(path, "embedded")
    assert refused.value.error_code in ("NO_TRACKLIST", "INVALID_CUE")


def cuesheet_block(points: Sequence[tuple[float, float, bytes, int]], *, count: int | None = None) -> bytes:
    """Tracks as (offset, index 1 from there, ISRC, flags), at 44.1 kHz; then the lead-out."""
    tracks = [*points, (6.0, 0.0, b"", 0)]
    block = b"4006381333931".ljust(128, b"\0") + struct.pack(">QB258xB", 88_200, 0x80, count or len(tracks))
    for number, (offset, index, isrc, flags) in enumerate(tracks, start=1):
        is_out = number == len(tracks)
        block += struct.pack(">QB12sB13x", round(offset * 44_100), 170 if is_out else number, isrc, flags)
        indices = [] if is_out else [(0.0, 0), (index, 1)] if index else [(0.0, 1)]
        block += bytes([len(indices)])
        block += b"".join(struct.pack(">QB3x", round(place * 44_100), kind) for place, kind in indices)
    return block


DISC = [(0.0, 0.0, b"USABC9900001", 0), (2.0, 0.5, b"\0" * 12, 0), (4.0, 0.0, b"", 0x80), (5.0, 0.0, b"nonsense", 0)]


def test_flacs_own_sheet_gives_times_and_isrcs_and_no_titles(track: MakeTrack, generate: Generate) -> None:
    path = track("flac")
    flac_with(path, [(5, cuesheet_block(DISC))])
    found = generate(path, "embedded").found
    assert [(entry.start_seconds, entry.isrc) for entry in found.entries] == [
        (0, "USABC9900001"),
        (2.5, None),
        (5, None),
    ]
    assert all(entry.title is None for entry in found.entries)
    assert (found.source, found.catalog) == ("embedded", "4006381333931")


def test_flacs_own_sheet_behind_an_id3_tag_is_found(track: MakeTrack, generate: Generate) -> None:
    path = track("flac")
    flac_with(path, [(5, cuesheet_block(DISC))])
    path.write_bytes(id3(text_frame("TIT2", "Mix")) + path.read_bytes())
    assert len(generate(path, "embedded").found.entries) == 3


def test_a_whole_sheet_in_a_tag_is_preferred_to_flacs_own(track: MakeTrack, generate: Generate) -> None:
    path = track("flac", tags={"CUESHEET": SHEET.format(name="mix.flac")})
    flac_with(path, [(5, cuesheet_block(DISC))])
    _is_the_sheet(generate(path))


@pytest.mark.parametrize("block", [b"", cuesheet_block(DISC)[:500], cuesheet_block(DISC, count=200)])
def test_a_flac_sheet_that_is_cut_off_is_none(block: bytes, track: MakeTrack) -> None:
    path = track("flac")
    flac_with(path, [(5, block)])
    assert flac_cuesheet(path) is None


@pytest.mark.parametrize("length", [0, 3, 7, 30, 60])
def test_a_flac_file_that_ends_in_its_headers_has_no_sheet(length: int, track: MakeTrack) -> None:
    path = track("flac")
    flac_with(path, [(5, cuesheet_block(DISC))])
    path.write_bytes(path.read_bytes()[:length])
    assert flac_cuesheet(path) is None


def test_a_sheet_in_a_tag_that_says_nothing_is_told_apart_from_none(track: MakeTrack, generate: Generate) -> None:
    path = track("flac", tags={"CUESHEET": "this is no sheet"})
    with pytest.raises(Permanent) as refused:
        generate(path, "embedded")
    assert refused.value.error_code == "INVALID_CUE"
    generated = generate(path)
    assert generated.found.source == "audio"
    assert generated.warnings == (refused.value.reason,)


def test_tracks_behind_the_end_of_the_audio_are_left_out_and_said_so(track: MakeTrack, generate: Generate) -> None:
    sheet = SHEET.format(name="mix.flac") + "  TRACK 04 AUDIO\n    INDEX 01 00:07:00\n"
    generated = generate(track("flac", tags={"CUESHEET": sheet}))
    assert len(generated.found.entries) == 3
    assert generated.found.confidence == 0.75
    assert generated.warnings == ("1 of 4 tracks would start after the end of the audio",)


def test_the_length_of_an_mp3_is_not_taken_from_a_wrong_estimate(track: MakeTrack, generate: Generate) -> None:
    """Without an index FFmpeg divides the size by the first frame's bit rate."""
    path = track("mp3")
    content = path.read_bytes()
    start = content.index(b"\xff\xfb") + 200
    frames = content[content.index(b"\xff\xfb", start) :]
    loud = _mpeg_frame(320) + frames
    sheet = SHEET.format(name="mix.mp3").encode()
    path.write_bytes(loud + ape_tag([("cuesheet", sheet, 0)]))
    found = generate(path, "embedded").found
    assert len(found.entries) == 3
    assert found.duration_seconds == pytest.approx(6, abs=0.2)


def _mpeg_frame(kbits: int) -> bytes:
    """One silent frame, MPEG-1 layer III at 44.1 kHz, stereo."""
    index = [0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320].index(kbits)
    size = 144 * kbits * 1000 // 44_100
    return (b"\xff\xfb" + bytes([index << 4, 0])).ljust(size, b"\0")
