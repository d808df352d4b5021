"""Marks in the time of a file as numbered entries."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stages.tracklist.found import MOST_ENTRIES, numbered, title_of, words
from stages.tracklists import TracklistEntry

SECONDS = st.floats(0, 1000)
ENTRIES = st.lists(
    st.builds(
        TracklistEntry,
        number=st.integers(1, 999),
        start_seconds=SECONDS,
        end_seconds=st.none() | SECONDS,
        title=st.none() | st.text(max_size=20),
    ),
    max_size=30,
)


@settings(deadline=None)
@given(ENTRIES, st.none() | SECONDS)
def test_entries_are_numbered_in_the_order_of_their_starts_and_end_before_the_next(
    entries: list[TracklistEntry], duration: float | None
) -> None:
    made = numbered(entries, duration)
    assert [entry.number for entry in made] == list(range(1, len(made) + 1))
    starts = [entry.start_seconds for entry in made]
    assert all(one < other for one, other in pairwise(starts))
    limits = [*starts[1:], duration if duration is not None else float("inf")]
    for entry, limit in zip(made, limits, strict=False):
        assert entry.start_seconds < limit
        assert entry.end_seconds is None or entry.start_seconds < entry.end_seconds < limit
    assert numbered(made, duration) == made


@settings(deadline=None)
@given(ENTRIES)
def test_every_place_that_is_marked_keeps_an_entry(entries: list[TracklistEntry]) -> None:
    made = numbered(entries, None)
    assert all(min(abs(entry.start_seconds - each.start_seconds) for each in made) < 0.05 * 30 for entry in entries)


def test_of_two_marks_at_one_place_the_one_that_says_more_is_kept() -> None:
    bare, full = (TracklistEntry(number=1, start_seconds=5, title=title) for title in (None, "Song"))
    assert numbered([full, bare], None)[0].title == "Song"
    assert numbered([bare, full], None)[0].title == "Song"


def test_no_more_entries_are_made_than_a_list_may_have() -> None:
    marks = [TracklistEntry(number=1, start_seconds=place) for place in range(1200)]
    assert len(numbered(marks, None)) == MOST_ENTRIES


@pytest.mark.parametrize(
    ("text", "number", "title"),
    [
        ("Song", 1, "Song"),
        ("Track 07", 7, None),
        ("track07", 7, None),
        ("Chapter 3", 3, None),
        ("Chapter 3", 4, "Chapter 3"),
        ("Track 7 (Remix)", 7, "Track 7 (Remix)"),
        ("untitled", 1, None),
        ("???", 1, None),
        ("7", 7, "7"),
        (" \t\n", 1, None),
        (None, 1, None),
        ("a\nb\x00c", 1, "a bc"),
    ],
)
def test_what_only_repeats_the_number_is_no_title(text: str | None, number: int, title: str | None) -> None:
    assert title_of(text, number) == title


def test_texts_are_cut_to_what_a_field_may_hold() -> None:
    assert words("x" * 1000) == "x" * 255
