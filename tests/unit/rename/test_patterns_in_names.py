"""The patterns that are found in names, and how ambiguous names are read by those around them."""

from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stages.rename.patterns import Pattern, pattern_of, patterns_in
from stages.rename.reading import CLASS, readings

WORDS = ["Orbital", "Halcyon", "Teardrop", "Night Bus", "Mira Holt", "Blue Room", "Harbour Lights", "Sommer"]


def texts(paths, tags=None):
    """Pattern to the number of names."""
    return {found.pattern.text: len(found.members) for found in patterns_in(paths, tags)}


@pytest.mark.parametrize(
    ("name", "text", "fields"),
    [
        ("Orbital - Halcyon", "{artist} - {title}", {"artist": "Orbital", "title": "Halcyon"}),
        ("01 - Orbital - Halcyon", "{track} - {artist} - {title}", {"track": "01"}),
        ("03. Halcyon", "{track}. {title}", {"track": "03", "title": "Halcyon"}),
        ("03 Halcyon", "{track} {title}", {"track": "03", "title": "Halcyon"}),
        ("1-03 Halcyon", "{disc}-{track} {title}", {"disc": "1", "track": "03"}),
        ("03) Halcyon", "{track}) {title}", {"track": "03"}),
        ("Orbital - Halcyon (Extended Mix)", "{artist} - {title} ({remix})", {"remix": "Extended Mix"}),
        ("Orbital - Halcyon (feat. Opus III)", "{artist} - {title}", {"title": "Halcyon (feat. Opus III)"}),
        ("Orbital - Halcyon [FFRR]", "{artist} - {title} [{label}]", {"label": "FFRR"}),
        ("[FX201] Orbital - Halcyon", "[{catalog}] {artist} - {title}", {"catalog": "FX201"}),
        ("Orbital - Halcyon [FX201]", "{artist} - {title} [{catalog}]", {"catalog": "FX201"}),
        ("Orbital - Halcyon (1992)", "{artist} - {title} ({year})", {"year": "1992"}),
        ("8A - 128 - Orbital - Halcyon", "{key} - {bpm} - {artist} - {title}", {"key": "8A", "bpm": "128"}),
        ("128 - 8A - Orbital - Halcyon", "{bpm} - {key} - {artist} - {title}", {"key": "8A", "bpm": "128"}),
        ("[8A] Orbital - Halcyon", "[{key}] {artist} - {title}", {"key": "8A"}),
        ("Orbital - Halcyon [124 BPM]", "{artist} - {title} [{bpm}]", {"bpm": "124 BPM"}),
        ("Orbital – Halcyon", "{artist} – {title}", {"title": "Halcyon"}),
        ("Orbital_-_Halcyon_On", "{artist}_-_{title}", {"title": "Halcyon On"}),
        (
            "Orbital-Halcyon_On-FFRR_Records-1992",
            "{artist}-{title}-{label}-{year}",
            {"artist": "Orbital", "title": "Halcyon On", "label": "FFRR Records", "year": "1992"},
        ),
        ("01-orbital_live-halcyon-grp", "{track}-{artist}-{title}-{label}", {"artist": "orbital live", "label": "grp"}),
        ("Orbital - Brown Album - 03 - Halcyon", "{artist} - {album} - {track} - {title}", {"album": "Brown Album"}),
        ("1992 - Orbital - Halcyon", "{year} - {artist} - {title}", {"year": "1992"}),
        ("311 - Down", "{artist} - {title}", {"artist": "311"}),
        ("50 Cent - In Da Club", "{artist} - {title}", {"artist": "50 Cent"}),
        ("UB40 - Red Red Wine", "{artist} - {title}", {"artist": "UB40"}),
        ("東京事変 - 群青日和", "{artist} - {title}", {"title": "群青日和"}),
    ],
)
def test_a_name_alone_is_read_as_is_usual(name, text, fields):
    (found,) = patterns_in([f"/music/{name}.mp3"])
    assert found.pattern.text == text
    assert fields.items() <= found.members[0].items()


@pytest.mark.parametrize(
    "name",
    [
        "track1",
        "untitled",
        "Jay-Z",
        "up-tempo",
        "",
        "-",
        " - ",
        "()",
        "[x]",
        "99 Problems",
        "1999",
        "a - b - c - d - e - f - g",
    ],
)
def test_a_name_without_a_structure_fits_no_pattern(name):
    assert patterns_in([f"/music/{name}.mp3"]) == []


def test_numbers_are_of_tracks_where_the_folder_is_numbered():
    album = [f"/music/album/{number} {word}.mp3" for number, word in enumerate(WORDS, 5)]
    assert texts(album) == {"{track} {title}": len(album)}


def test_a_number_that_begins_one_name_of_many_is_not_of_a_track():
    others = [f"/music/{artist} - {title}.mp3" for artist, title in zip(WORDS, reversed(WORDS), strict=True)]
    assert texts([*others, "/music/10 - Tomorrow.mp3", "/music/99 Problems.mp3"]) == {"{artist} - {title}": 9}


def test_tracks_from_ten_on_belong_to_those_with_a_zero():
    paths = [f"/music/album/{number:02} - Orbital - {word}.mp3" for number, word in enumerate(WORDS * 2, 1)]
    assert texts(paths) == {"{track} - {artist} - {title}": 16}


def test_an_album_in_a_folder_with_much_else_is_known_by_its_zeros():
    others = [f"/music/{one} - {two}.mp3" for one in WORDS for two in WORDS]
    album = [f"/music/{number:02} - {word}.mp3" for number, word in enumerate(WORDS * 2, 1)]
    assert texts(others + album) == {"{artist} - {title}": 64, "{track} - {title}": 16}


def test_a_year_among_albums_is_one_of_them():
    albums = [f"/music/Orbital - {album} - {word}.mp3" for album in ("In Sides", "Snivilisation") for word in WORDS]
    found = patterns_in([*albums, "/music/Taylor - 1989 - Style.mp3"])
    assert [(each.pattern.text, len(each.members)) for each in found] == [("{artist} - {album} - {title}", 17)]


def test_an_album_is_read_as_such_among_many_that_are_named_otherwise():
    others = [f"/music/singles/{one} - {two}.mp3" for one in WORDS for two in WORDS]
    album = [f"/music/album/{number} - {word}.mp3" for number, word in enumerate(WORDS, 8)]
    assert texts(others + album) == {"{artist} - {title}": 64, "{track} - {title}": 8}


def test_numbers_that_are_tempos_are_told_from_those_of_tracks():
    tempos = [
        f"/music/{tempo} - {word} - Song of {tempo}.mp3"
        for tempo, word in zip([120, 122, 128, 128, 126, 174, 90, 140], WORDS, strict=True)
    ]
    assert texts(tempos) == {"{bpm} - {artist} - {title}": 8}
    tracks = [f"/music/{number} - {word} - Song {number}.mp3" for number, word in enumerate(WORDS, 98)]
    assert texts(tracks) == {"{track} - {artist} - {title}": 8}


def test_the_column_that_differs_from_file_to_file_is_the_title():
    assert texts([f"/music/{word} - Queen.mp3" for word in WORDS]) == {"{title} - {artist}": 8}
    assert texts([f"/music/Queen - {word} - EMI.mp3" for word in WORDS]) == {"{artist} - {title} - {label}": 8}


def test_tags_tell_which_column_is_which():
    paths = ["/music/Halcyon - Orbital.mp3", "/music/Teardrop - Massive Attack.mp3"]
    tags = [{"title": "halcyon", "artist": "Orbital"}, {"title": "Teardrop", "artist": "Massive Attack"}]
    assert texts(paths) == {"{artist} - {title}": 2}
    assert texts(paths, tags) == {"{title} - {artist}": 2}
    assert texts(["/music/97 - X.mp3", "/music/98 - Y.mp3"], [{"track": "97"}, {"track": "98"}]) == {
        "{track} - {title}": 2
    }


def test_a_name_that_is_nothing_but_the_title_is_known_by_the_tags():
    paths = ["/music/Halcyon.mp3", "/music/something else.mp3"]
    found = patterns_in(paths, [{"title": "Halcyon"}, {"title": "Teardrop"}])
    assert [(each.pattern, each.members) for each in found] == [(Pattern("{title}"), {0: {"title": "Halcyon"}})]


def test_patterns_come_by_the_number_of_their_names():
    paths = ["/m/A - B.mp3", "/m/C - D.mp3", "/m/01 - E - F.mp3", "/m/x.mp3"]
    assert list(texts(paths).items()) == [("{artist} - {title}", 2), ("{track} - {artist} - {title}", 1)]


def test_the_same_structure_with_underscores_is_a_pattern_of_its_own():
    assert texts(["/m/A b - C d.mp3", "/m/A_b_-_C_d.mp3"]) == {"{artist} - {title}": 1, "{artist}_-_{title}": 1}


NAMES = st.one_of(
    st.text(max_size=80),
    st.lists(
        st.sampled_from([*WORDS, " - ", "-", "_", "(", ")", "[", "]", "01", "128", "8A", ". ", "1999", "ABC12", "–"]),
        max_size=14,
    ).map("".join),
)


@settings(deadline=None)
@given(st.lists(NAMES, min_size=1, max_size=12))
def test_no_name_is_in_two_patterns_and_every_pattern_gives_its_names_back(names):
    paths = [f"/music/{name.replace('/', ' ')}.mp3" for name in names]
    found = patterns_in(paths)
    indices = [index for each in found for index in each.members]
    assert len(indices) == len(set(indices))
    for each in found:
        for index, fields in each.members.items():
            assert set(fields) == set(each.pattern.fields)
            if len(set(each.pattern.fields)) == len(each.pattern.fields):
                squeezed = "".join(paths[index].removeprefix("/music/").removesuffix(".mp3").replace("_", " ").split())
                assert "".join(each.pattern.rendered(fields).replace("_", " ").split()) == squeezed


@given(NAMES)
def test_every_reading_has_a_value_for_each_of_its_classes(name):
    for reading in readings(name):
        assert len(CLASS.findall(reading.skeleton)) == len(reading.values)


@pytest.mark.parametrize(
    "name", ["(" * 5000, "- " * 5000, "a(b)" * 3000, "[a" * 3000, "1-01 " * 2000, "_" * 9000, "a-" * 5000]
)
def test_a_hostile_name_is_read_in_no_time(name):
    begin = time.process_time()
    readings(name)
    assert time.process_time() - begin < 1.0


def test_the_pattern_of_a_single_name():
    assert pattern_of("Orbital - Halcyon.mp3") == Pattern("{artist} - {title}")
    assert pattern_of("Orbital_-_Halcyon.mp3") == Pattern("{artist}_-_{title}", "_")
    assert pattern_of("untitled.mp3") is None
