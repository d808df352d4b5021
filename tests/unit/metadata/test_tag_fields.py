"""What tags are called and what kind of value they have, whatever the format calls them."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.metadata.fields import fields_of
from stages.metadata.tag_reader import RawTags


def raw(**values: str | list[str]) -> RawTags:
    tags = RawTags()
    for name, value in values.items():
        tags.add(name, [value] if isinstance(value, str) else value)
    return tags


@pytest.mark.parametrize(
    ("name", "value", "field", "found"),
    [
        ("TIT2", "Song", "title", "Song"),
        ("Album Artist", "Many", "albumartist", "Many"),
        ("ALBUM_ARTIST", "Many", "albumartist", "Many"),
        ("initial_key", "8A", "key", "8A"),
        ("TKEY", "Am", "key", "Am"),
        ("WM/Year", "2004", "date", "2004"),
        ("date", "2021-03-04", "year", 2021),
        ("year", "around 1994?", "year", 1994),
        ("organization", "Label", "label", "Label"),
        ("tracknumber", "3", "track", 3),
        ("TRCK", "03/12", "track_total", 12),
        ("TRCK", "3 of 12", "track_total", 12),
        ("tracktotal", "12", "track_total", 12),
        ("TPOS", "1/2", "disc", 1),
        ("TBPM", "128.02", "bpm", 128.02),
        ("tmpo", "174", "bpm", 174.0),
        ("BPM", "127,5", "bpm", 127.5),
        ("comment", "one\r\ntwo", "comment", "one\ntwo"),
        ("title", "one\ntwo", "title", "one two"),
    ],
)
def test_a_tag_is_found_under_its_many_names(name, value, field, found):
    fields, warnings = fields_of(raw(**{name: value}))
    assert fields[field] == found
    assert warnings == []


@pytest.mark.parametrize(
    ("name", "value", "warning"),
    [
        ("bpm", "fast", "bpm: not a number"),
        ("bpm", "1e400", "bpm: not a tempo"),
        ("bpm", "nan", "bpm: not a tempo"),
        ("bpm", "-5", "bpm: not a tempo"),
        ("track", "A1", "track: not a number"),
        ("title", "x" * 5000, "title: cut to 1000 characters"),
        ("title", "caf\ufffd", "title: holds bytes that are no text in the encoding stated for it"),
    ],
)
def test_what_cannot_be_read_is_warned_of(name, value, warning):
    _, warnings = fields_of(raw(**{name: value}))
    assert warnings == [warning]


@pytest.mark.parametrize(("name", "value"), [("bpm", "0"), ("track", "0"), ("track", "0/0"), ("disc", "0")])
def test_zero_is_not_known_rather_than_a_value(name, value):
    assert fields_of(raw(**{name: value})) == ({}, [])


def test_several_artists_are_all_there_and_the_first_is_the_artist():
    fields, _ = fields_of(raw(artist=["One", "Two", "One"]))
    assert fields == {"artist": "One", "artists": ["One", "Two"]}


def test_what_has_no_field_is_kept_among_the_others_under_its_own_name():
    fields, _ = fields_of(raw(MusicBrainz_TrackId="an-id", title="Song"))
    assert fields == {"title": "Song", "other": {"MusicBrainz_TrackId": ["an-id"]}}


def test_a_tag_in_any_script_keeps_its_name():
    fields, _ = fields_of(raw(настроение="ясное"))
    assert fields["other"] == {"настроение": ["ясное"]}


@given(
    st.dictionaries(
        st.one_of(st.text(max_size=200), st.sampled_from(["title", "TRCK", "bpm", "date", "lyrics"])),
        st.lists(st.text(max_size=40).map(lambda text: text * 50), max_size=30),
        max_size=200,
    )
)
def test_any_tags_become_a_document_of_bounded_size(values):
    fields, warnings = fields_of(raw(**values))
    assert len(json.dumps({"fields": fields, "warnings": warnings}, ensure_ascii=False).encode()) < 600_000
    assert isinstance(fields.get("bpm", 1.0), float)
    assert isinstance(fields.get("track", 1), int)
