"""The names that are suggested, how sure they are, and that they are fit for files."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stages.rename.names import folded, safe_name
from stages.rename.patterns import patterns_in
from stages.rename.suggestions import is_generic, suggestions
from stages.rename.tags import fields_of_tags

LIKED_SINGLES = {"{artist} - {title}": 0.9}


def suggested(files, scores=None):
    """Name to its suggestion: `files` are names in one folder with what their tags say."""
    paths, tags = [f"/music/{name}" for name in files], list(files.values())
    found = suggestions(paths, tags, patterns_in(paths, tags), scores or {})
    return {paths[each.index].removeprefix("/music/"): each for each in found}


def names(files, scores=None):
    return {name: each.name for name, each in suggested(files, scores).items()}


def song(artist, title, **fields):
    return {"artist": artist, "title": title, **fields}


def test_a_name_that_says_what_the_tags_say_in_the_usual_way_is_left_alone():
    assert names({"Orbital - Halcyon.mp3": song("Orbital", "Halcyon"), "Moby - Go.mp3": None}) == {}


def test_a_name_that_tells_nothing_is_replaced_by_what_the_tags_say():
    files = {"track 01.mp3": song("Orbital", "Halcyon"), "Untitled (2).flac": song("Moby", "Go")}
    found = suggested(files)
    assert names(files) == {"track 01.mp3": "Orbital - Halcyon.mp3", "Untitled (2).flac": "Moby - Go.flac"}
    assert all(0.7 <= each.confidence < 0.9 for each in found.values())


def test_the_more_name_and_tags_agree_the_surer_the_suggestion_is():
    halcyon = song("Orbital", "Halcyon")
    files = {
        "orbital_-_halcyon.mp3": halcyon,
        "halcyon live at the bbc.mp3": song("Orbital", "Halcyon Days"),
        "Moby - Go.mp3": song("Massive Attack", "Teardrop"),
    }
    sure, partly, doubtful = (each for each in suggested(files).values())
    assert sure.confidence > partly.confidence > doubtful.confidence
    assert sure.reason == "The tags say the same as the name"
    assert doubtful.reason == "The tags say something else than the name"
    assert doubtful.confidence <= 0.4


def test_the_pattern_of_most_names_is_taken():
    album = {f"{number:02} - Orbital - Song {number}.mp3": None for number in range(1, 9)}
    found = suggested(album | {"unknown.mp3": song("Orbital", "Halcyon", track="09")})
    assert {name: each.name for name, each in found.items()} == {"unknown.mp3": "09 - Orbital - Halcyon.mp3"}
    assert found["unknown.mp3"].pattern == "{track} - {artist} - {title}"


def test_a_pattern_that_the_tags_cannot_fill_is_passed_over():
    album = {f"{number:02} - Orbital - Song {number}.mp3": None for number in range(1, 9)}
    assert names(album | {"unknown.mp3": song("Orbital", "Halcyon")}) == {"unknown.mp3": "Orbital - Halcyon.mp3"}


def test_what_people_think_of_patterns_changes_which_is_taken():
    files = {
        "Moby - Go.mp3": song("Moby", "Go"),
        "Moby - Porcelain.mp3": song("Moby", "Porcelain"),
        "Teardrop - Massive Attack.mp3": song("Massive Attack", "Teardrop"),
        "unknown.mp3": song("Orbital", "Halcyon"),
    }
    assert names(files)["unknown.mp3"] == "Orbital - Halcyon.mp3"
    scores = {"{artist} - {title}": 0.1, "{title} - {artist}": 0.9}
    paths = [f"/music/{name}" for name in files]
    titles = patterns_in([path for path in paths if "Teardrop" in path], [files["Teardrop - Massive Attack.mp3"]])
    assert [each.pattern.text for each in titles] == ["{title} - {artist}"]
    singles = patterns_in(paths[:2], list(files.values())[:2])
    titles[0].members = {2: titles[0].members[0]}
    found = suggestions(paths, list(files.values()), [*singles, *titles], scores)
    assert {each.index: each.name for each in found}[3] == "Halcyon - Orbital.mp3"


def test_a_liked_pattern_makes_its_suggestions_surer():
    singles = dict.fromkeys(["Moby - Go.mp3", "Moby - Porcelain.mp3"])
    files = singles | {"orbital_-_halcyon.mp3": song("Orbital", "Halcyon")}
    neutral, liked = suggested(files), suggested(files, LIKED_SINGLES)
    assert liked["orbital_-_halcyon.mp3"].confidence > neutral["orbital_-_halcyon.mp3"].confidence


def test_nothing_that_the_name_says_is_left_out():
    files = {
        "Moby - Go.mp3": None,
        "Orbital - Impact.mp3": None,
        "03 - Orbital - Halcyon.mp3": song("Orbital", "Halcyon + On"),
        "Massive Attack - Teardrop (Scott Remix).mp3": song("MASSIVE ATTACK", "Teardrop"),
        "[FX201] Orbital - Chime.mp3": song("Orbital", "Chime!"),
    }
    assert names(files) == {
        "03 - Orbital - Halcyon.mp3": "03 - Orbital - Halcyon + On.mp3",
        "Massive Attack - Teardrop (Scott Remix).mp3": "MASSIVE ATTACK - Teardrop (Scott Remix).mp3",
        "[FX201] Orbital - Chime.mp3": "[FX201] Orbital - Chime!.mp3",
    }


def test_a_name_that_the_tags_explain_otherwise_than_it_looks_is_left_alone():
    files = {
        "Orbital - Halcyon.mp3": None,
        "Moby - Go.mp3": None,
        "Orbital - Impact - The Earth Is Burning.mp3": song(
            "Orbital", "Impact - The Earth Is Burning", album="Brown Album"
        ),
        "Moby - Feeling So Real - Live.mp3": song("Moby", "Feeling So Real - Live", album="Everything Is Wrong"),
    }
    assert names(files) == {}


def test_keys_tempos_and_numbers_stay_as_the_name_writes_them():
    files = {f"8A - 128 - Orbital - Song {number}.mp3": song("Orbital", f"Song {number}") for number in range(4)}
    files["9A - 126 - orbital - halcyon.mp3"] = song("Orbital", "Halcyon", key="Em", bpm="125", track="07")
    assert names(files) == {"9A - 126 - orbital - halcyon.mp3": "9A - 126 - Orbital - Halcyon.mp3"}


def test_the_version_of_a_title_has_a_place_of_its_own_where_the_pattern_has_one():
    remixes = {f"Moby - Go {number} ({number} Remix).mp3": None for number in ("First", "Second", "Third")}
    files = remixes | {"x_1.mp3": song("Orbital", "Halcyon (Live Mix)"), "x_2.mp3": song("Orbital", "Chime (feat. X)")}
    found = suggested(files)
    assert (found["x_1.mp3"].name, found["x_1.mp3"].pattern) == (
        "Orbital - Halcyon (Live Mix).mp3",
        "{artist} - {title} ({remix})",
    )
    assert (found["x_2.mp3"].name, found["x_2.mp3"].pattern) == ("Orbital - Chime (feat. X).mp3", "{artist} - {title}")


def test_without_tags_a_name_is_made_of_what_it_says_itself():
    files = {
        "Moby - Go.mp3": None,
        "Moby - Porcelain.mp3": None,
        "Orbital_-_Halcyon_On.mp3": None,
        "my_own_song.mp3": None,
        "A Song [Official Video].mp3": None,
    }
    found = suggested(files)
    assert {name: each.name for name, each in found.items()} == {
        "Orbital_-_Halcyon_On.mp3": "Orbital - Halcyon On.mp3",
        "my_own_song.mp3": "my own song.mp3",
        "A Song [Official Video].mp3": "A Song.mp3",
    }
    assert all(each.confidence <= 0.6 and each.reason.startswith("From the name alone") for each in found.values())


def test_two_files_are_not_given_the_same_name():
    files = {
        "track 1.mp3": song("Orbital", "Halcyon"),
        "track 2.mp3": song("orbital", "halcyon"),
        "track 3.mp3": song("Moby", "Go"),
        "Moby - Go.mp3": song("Moby", "Go"),
    }
    assert names(files) == {
        "track 1.mp3": "Orbital - Halcyon.mp3",
        "track 2.mp3": "orbital - halcyon (2).mp3",
        "track 3.mp3": "Moby - Go (2).mp3",
    }


def test_the_same_name_in_another_folder_is_free():
    paths = ["/a/track 1.mp3", "/b/track 1.mp3"]
    found = suggestions(paths, [song("Orbital", "Halcyon")] * 2, [], {})
    assert [each.name for each in found] == ["Orbital - Halcyon.mp3"] * 2


def test_a_tag_with_a_slash_makes_no_path():
    assert names({"track 1.mp3": song("AC/DC", "Back\\In: Black?")}) == {"track 1.mp3": "AC-DC - Back-In- Black.mp3"}


TEXT = st.text(max_size=300)
STEMS = TEXT.map(lambda text: text.replace("/", "").replace("\0", ""))
TAGS = st.none() | st.dictionaries(
    st.sampled_from(["artist", "title", "album", "track", "label"]), TEXT.filter(str.strip)
)


@settings(deadline=None)
@given(st.dictionaries(STEMS.map(lambda stem: f"{stem}.mp3"), TAGS, max_size=8))
def test_every_suggestion_is_a_name_that_a_file_can_get_and_no_two_are_alike(files):
    found = suggested(files)
    for name, each in found.items():
        assert each.name != name
        assert safe_name(each.name, name) == each.name
        assert 0 < each.confidence < 1
    kept = [folded(name) for name in files if name not in found]
    given_names = [folded(each.name) for each in found.values()]
    assert len(set(given_names)) == len(given_names)
    assert not set(given_names) & set(kept)


@pytest.mark.parametrize(
    "words", ["track 01", "untitled", "audio track 7", "12", "unknown artist", "d41d8cd98f00b204", ""]
)
def test_a_name_that_would_do_for_any_file_is_known(words):
    assert is_generic(words)


@pytest.mark.parametrize("words", ["orbital halcyon", "track of my tears", "seven", "1999 prince"])
def test_a_name_that_says_something_is_not_taken_for_a_generic_one(words):
    assert not is_generic(words)


def test_tags_become_the_fields_of_names():
    tags = {
        "title": "Halcyon",
        "artist": "Orbital",
        "artists": ["Orbital", "Opus III"],
        "track": 3,
        "disc": 1,
        "year": 1992,
        "bpm": 123.98,
        "catalog_number": "FX 201",
        "genre": "Techno",
    }
    assert fields_of_tags({"id3_tags": tags}) == {
        "title": "Halcyon",
        "artist": "Orbital, Opus III",
        "track": "03",
        "disc": "1",
        "year": "1992",
        "bpm": "124",
        "catalog": "FX 201",
    }
    assert fields_of_tags({"audio_analysis": {}}) is None
    assert fields_of_tags(None) is None
