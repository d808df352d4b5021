"""What a suggested name becomes before a file gets it."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pathvalidate import is_valid_filename

from pipeline.errors import Permanent
from stages.formats import FILE_TYPES
from stages.rename.names import LONGEST_BYTES, backup_name, folded, safe_name, shortened, split

NAMES = st.one_of(
    st.text(max_size=400),
    st.text(alphabet=st.sampled_from('aé한🎵👩\u200d🇩🇪e\u0301 ._-:?*"<>|~$'), max_size=400),
    st.sampled_from(["CON", "nul", "com1", "LPT\u00b9", "aux.x", "CON .x", "conin$"]),
)
EXTENSIONS = st.sampled_from([*sorted(FILE_TYPES), "MP3", "Flac"])


def attempt(suggested: str, current: str, **options: bool) -> tuple[str, str | None]:
    """The safe name, or why there is none."""
    try:
        return safe_name(suggested, current, **options), None
    except Permanent as refusal:
        return "", refusal.error_code


@given(NAMES, EXTENSIONS, EXTENSIONS, st.booleans())
def test_a_safe_name_is_legal_everywhere_keeps_its_extension_and_stays_as_it_is(stem, suggested, own, preserve):
    current = f"track.{own}"
    name, refusal = attempt(f"{stem}.{suggested}", current, preserve_extension=preserve)
    if refusal is not None:
        assert refusal == "INVALID_NAME"
        return
    assert len(name.encode()) <= LONGEST_BYTES
    assert is_valid_filename(name, platform="universal", additional_reserved_names=["CONIN$", "CONOUT$"])
    assert name == unicodedata.normalize("NFC", name)
    assert not name.startswith(".")
    assert split(name)[1] == (f".{own}" if preserve else f".{suggested}")
    assert split(name)[0] == split(name)[0].strip(" .") != ""
    assert not [each for each in name if unicodedata.category(each) in ("Cc", "Cs")]
    assert safe_name(name, current, preserve_extension=preserve) == name


@pytest.mark.parametrize(
    ("suggested", "name"),
    [
        ("Artist - Track Title.mp3", "Artist - Track Title.mp3"),
        ("Artist - Track Title", "Artist - Track Title.mp3"),
        ("Artist - Track Title.flac", "Artist - Track Title.mp3"),
        ("Artist - Title (feat. X)", "Artist - Title (feat. X).mp3"),
        ("Live Vol. 2", "Live Vol. 2.mp3"),
        ('What: Is <this>? A "Song" | Yes*', "What- Is (this) A 'Song' - Yes_.mp3"),
        ("CON", "CON_.mp3"),
        ("nul.remix.mp3", "nul_.remix.mp3"),
        ("COM1 .mp3", "COM1_.mp3"),
        ("CON .x", "CON_.x.mp3"),
        ("...Baby One More Time", "Baby One More Time.mp3"),
        ("Title... ", "Title.mp3"),
        ("  Title .mp3", "Title.mp3"),
        ("Beyonce\u0301", "Beyoncé.mp3"),
        ("gpj.\u202eexe", "gpj.exe.mp3"),
        ("東京事変 - 群青日和", "東京事変 - 群青日和.mp3"),
        ("Song.MP3", "Song.mp3"),
    ],
)
def test_what_some_file_system_cannot_hold_is_replaced(suggested, name):
    assert safe_name(suggested, "track.mp3") == name


@pytest.mark.parametrize(
    "suggested",
    [
        "",
        " ",
        ".",
        "..",
        "...",
        ".mp3",
        "?.mp3",
        "../x.mp3",
        "/etc/x.mp3",
        "a/b",
        "..\\x.mp3",
        "a\0b",
        "a\nb",
        "a\x1bb",
        "\ud83d",
    ],
)
def test_what_is_no_base_name_is_refused(suggested):
    with pytest.raises(Permanent) as refusal:
        safe_name(suggested, "track.mp3")
    assert refusal.value.error_code == "INVALID_NAME"


def test_the_extension_is_the_originals_as_it_was_written():
    assert safe_name("Title.mp3", "TRACK.FLAC") == "Title.FLAC"


def test_another_extension_is_given_only_where_it_is_asked_for_and_of_audio():
    assert safe_name("Title.ogg", "track.oga", preserve_extension=False) == "Title.ogg"
    for name in ("Title.exe", "Title", "Title.m3u"):
        with pytest.raises(Permanent) as refusal:
            safe_name(name, "track.mp3", preserve_extension=False)
        assert refusal.value.error_code == "UNSUPPORTED_FORMAT"


@given(
    st.text(alphabet="한글ab", min_size=1, max_size=200),
    st.sampled_from(["e\u0323\u0301", "👩🏽\u200d🎤", "🇩🇪", "ё", "각"]),
)
def test_a_long_name_is_cut_between_visible_characters(head, character):
    text = head + character * 80
    cut = shortened(text, 250)
    assert len(cut.encode()) <= 250
    assert text.startswith(cut)
    if len(cut) > len(head):
        assert (len(cut) - len(head)) % len(character) == 0


def test_a_visible_character_that_is_too_long_itself_is_cut_all_the_same():
    assert shortened("e" + "\u0301" * 300, 255) == "e" + "\u0301" * 127


def test_a_long_name_loses_the_end_of_its_stem_not_its_extension():
    name = safe_name("é" * 300 + ".mp3", "track.mp3")
    assert name == "é" * 125 + ".mp3"


def test_names_that_some_file_system_takes_for_the_same_are_folded_alike():
    assert folded("Stra\u00dfe.MP3") == folded("STRASSE.mp3")
    assert folded("Beyonce\u0301") == folded("BEYONC\u00c9")
    assert folded("a") != folded("b")


def test_names_of_backups_differ_are_short_enough_and_not_of_audio():
    names = [backup_name("é" * 125 + ".mp3", number) for number in range(1, 12)]
    assert len(set(names)) == len(names)
    assert all(len(name.encode()) <= LONGEST_BYTES and split(name)[1] == "" for name in names)
    assert backup_name("track.mp3", 1) == "track.mp3.bak"
    assert backup_name("track.mp3", 2) == "track.mp3.bak.2"
