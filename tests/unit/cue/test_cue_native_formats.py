"""The programs' own files: well-formed, with the marks where the tracks start, and what they lose."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from stages.cue import rekordbox_xml, traktor_nml
from stages.cue.formats import FORMATS, Audio
from stages.cue.profiles import Loss
from stages.cue.sheet import File, Index, Rem, Sheet, Track
from stages.cue.validate import validate

AUDIO = Path("/music/A: side/Björk & co.flac")
TRACKS = (
    Track(1, (Index(0, 0), Index(1, 338)), title="Opening", performer="A & B", rems=(Rem("BPM", "124"),)),
    Track(2, (Index(1, 22898),), title='Say "yes" <now>', isrc="DEA012345678"),
    Track(3, (Index(1, 544575), Index(2, 544600)), performer="Solo"),
    *(Track(number, (Index(1, 550000 + number * 750),)) for number in range(4, 12)),
)
SHEET = Sheet(
    (File(AUDIO.name, "WAVE", TRACKS),),
    title="A Night",
    performer="DJ",
    rems=(Rem("GENRE", "House"), Rem("DATE", "2024-05-01")),
)


def test_traktor_has_a_cue_for_each_track_in_milliseconds() -> None:
    content, _ = traktor_nml.render(SHEET, AUDIO, 9000.5)
    root = ElementTree.fromstring(content)
    assert (root.tag, root.get("VERSION")) == ("NML", "19")
    (entry,) = root.findall("./COLLECTION/ENTRY")
    assert (entry.get("TITLE"), entry.get("ARTIST")) == ("A Night", "DJ")
    location = entry.find("LOCATION")
    assert location is not None
    assert (location.get("DIR"), location.get("FILE")) == ("/:music/:A// side/:", "Björk & co.flac")
    info = entry.find("INFO")
    assert info is not None
    assert (info.get("GENRE"), info.get("PLAYTIME"), info.get("PLAYTIME_FLOAT")) == ("House", "9000", "9000.500000")
    cues = entry.findall("CUE_V2")
    assert [(cue.get("NAME"), cue.get("START"), cue.get("HOTCUE")) for cue in cues[:3]] == [
        ("A & B - Opening", "4506.666667", "0"),
        ('Say "yes" <now>', "305306.666667", "1"),
        ("Solo", "7261000.000000", "2"),
    ]
    assert [cue.get("HOTCUE") for cue in cues[3:]] == ["3", "4", "5", "6", "7", "-1", "-1", "-1"]


def test_rekordbox_has_a_position_mark_for_each_track_in_seconds() -> None:
    content, _ = rekordbox_xml.render(SHEET, AUDIO, 9000.5)
    root = ElementTree.fromstring(content)
    assert root.tag == "DJ_PLAYLISTS"
    (track,) = root.findall("./COLLECTION/TRACK")
    assert track.get("Location") == "file://localhost/music/A%3A%20side/Bj%C3%B6rk%20%26%20co.flac"
    assert [track.get(name) for name in ("Name", "Artist", "Genre", "Year", "Kind", "TotalTime")] == [
        "A Night",
        "DJ",
        "House",
        "2024",
        "FLAC File",
        "9000",
    ]
    found = [(mark.get("Name"), mark.get("Start"), mark.get("Num")) for mark in track.findall("POSITION_MARK")]
    assert found[:3] == [
        ("A & B - Opening", "4.507", "0"),
        ('Say "yes" <now>', "305.307", "1"),
        ("Solo", "7261.000", "2"),
    ]
    assert len(found) == 11


@pytest.mark.parametrize(
    ("render", "of_the_whole"), [(traktor_nml.render, ["REM DATE"]), (rekordbox_xml.render, [])], ids=["nml", "xml"]
)
def test_what_a_form_has_no_place_for_is_told(
    render: Callable[..., tuple[bytes, tuple[Loss, ...]]], of_the_whole: list[str]
) -> None:
    _, losses = render(SHEET, AUDIO, None)
    assert [loss.field for loss in losses if loss.track is None] == of_the_whole
    found = [(loss.field, loss.track) for loss in losses if loss.track is not None]
    assert found == [("REM BPM", 1), ("isrc", 2), ("INDEX", 3)]


def test_a_gap_between_tracks_is_lost_in_a_mark_but_not_what_is_before_the_first() -> None:
    tracks = (Track(1, (Index(0, 0), Index(1, 150))), Track(2, (Index(0, 600), Index(1, 750))))
    _, losses = traktor_nml.render(Sheet((File("a.wav", "WAVE", tracks),)), AUDIO, None)
    assert [(loss.field, loss.track) for loss in losses] == [("INDEX", 2)]


@pytest.mark.parametrize("name", ["traktor_nml", "rekordbox_xml"])
def test_long_names_are_cut_once_and_told_once(name: str) -> None:
    long = Sheet((File("a.wav", "WAVE", (Track(1, (Index(1, 0),), title="T" * 300),)),))
    rendered = FORMATS[name].render(long, Audio(AUDIO))
    assert [(loss.field, loss.track) for loss in rendered.losses] == [("title", 1)]
    assert b"T" * 255 in rendered.content
    assert b"T" * 256 not in rendered.content
    assert validate(rendered.sheet, profile=FORMATS[name].profile).findings == ()


@pytest.mark.parametrize(
    ("date", "year"), [("2024-05-01", "2024"), ("01.05.2024", "2024"), ("1999", "1999"), ("May", None)]
)
def test_the_year_is_found_wherever_it_stands_in_the_date(date: str, year: str | None) -> None:
    content, _ = rekordbox_xml.render(replace(SHEET, rems=(Rem("DATE", date),)), AUDIO, None)
    (track,) = ElementTree.fromstring(content).findall("./COLLECTION/TRACK")
    assert track.get("Year") == year


def test_a_file_whose_name_is_not_utf_8_is_named_by_its_bytes() -> None:
    content, _ = rekordbox_xml.render(SHEET, Path(os.fsdecode(b"/music/Bj\xf6rk.flac")), None)
    assert b'Location="file://localhost/music/Bj%F6rk.flac"' in content
    ElementTree.fromstring(traktor_nml.render(SHEET, Path(os.fsdecode(b"/music/Bj\xf6rk.flac")), None)[0])


@pytest.mark.parametrize("render", [traktor_nml.render, rekordbox_xml.render])
def test_several_files_are_several_entries_beside_the_audio(render: Callable[..., tuple[bytes, object]]) -> None:
    one, two = (
        File(name, "WAVE", (Track(number, (Index(1, 0),)),)) for number, name in enumerate(("a.wav", "b.wav"), 1)
    )
    content, _ = render(Sheet((one, two)), Path("/music/a.wav"), 5.0)
    assert b"b.wav" in content
    assert content.count(b"Location=") + content.count(b"<LOCATION") == 2


@given(st.text(max_size=30), st.text(max_size=30))
@example("\ufffe\uffff", "\x01\ud800")
@settings(max_examples=40, deadline=None)
def test_whatever_a_title_holds_the_document_is_well_formed(title: str, performer: str) -> None:
    sheet = Sheet((File("a.wav", "WAVE", (Track(1, (Index(1, 0),), title=title, performer=performer),)),), title=title)
    for render in (traktor_nml.render, rekordbox_xml.render):
        ElementTree.fromstring(render(sheet, Path("/a\x01b.wav"), None)[0])
