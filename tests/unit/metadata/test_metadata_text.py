"""What text from files becomes before it is stored or shown."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.metadata.text import cleaned, decoded


@given(st.text(), st.integers(1, 50), st.booleans())
def test_cleaned_text_is_short_printable_and_stays_as_it_is_when_cleaned_again(text, limit, lines):
    once = cleaned(text, limit, lines=lines)
    assert len(once) <= limit
    assert not [each for each in once if unicodedata.category(each) in ("Cc", "Cs") and each != "\n"]
    assert lines or "\n" not in once
    assert once == once.strip()
    assert cleaned(once, limit, lines=lines) == once
    once.encode()


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("A\0B", "AB"),
        ("  two\t\tblanks ", "two blanks"),
        ("line\r\nline", "line line"),
        ("\x1b[31mred\x07", "[31mred"),
        ("gpj.\u202eexe", "gpj.exe"),
        ("\u200bzero\ufeff width", "zero width"),
        ("👩\u200d🎤 نامه\u200cای", "👩\u200d🎤 نامه\u200cای"),
        ("\ud83d half", "half"),
    ],
)
def test_characters_that_are_not_seen_are_taken_out(text, clean):
    assert cleaned(text, 100) == clean


def test_line_ends_are_kept_where_lines_are_wanted():
    assert cleaned("one\r\ntwo\u2028three\n", 100, lines=True) == "one\ntwo\nthree"


@given(st.text(st.characters(codec="utf-8", exclude_categories=("Cc",))))
def test_text_in_its_own_encoding_is_left_as_it_is(text):
    assert decoded(text) == text


@pytest.mark.parametrize("text", ["Beyoncé", "Motörhead – “Live”", "naïve €"])
def test_windows_text_is_read_whatever_it_was_taken_for(text):
    stored = text.encode("cp1252")
    assert decoded(stored.decode("latin-1")) == text
    assert decoded(stored.decode("utf-8", "surrogateescape")) == text


@given(st.binary())
def test_any_bytes_become_some_text(data):
    decoded(data.decode("utf-8", "surrogateescape")).encode()
