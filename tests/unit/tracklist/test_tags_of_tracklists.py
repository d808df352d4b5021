"""A list takes from the file's tags what it does not say itself."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from stages.tracklist.tags import with_tags
from stages.tracklists import Tracklist, TracklistEntry

TAGS = {"title": "A Night", "artist": "Somebody", "genre": "House", "date": "2024", "isrc": "DEA012345678", "bpm": 120}


def tracklist(*entries: TracklistEntry, **fields: Any) -> Tracklist:
    return Tracklist(
        tracklist_id="t",
        recording_id="r",
        file_path="/x.flac",
        source="audio",
        confidence=0.5,
        entries=entries,
        created_at=datetime(2026, 1, 1, tzinfo=UTC),
        **fields,
    )


ONE = TracklistEntry(number=1, start_seconds=0)
TWO = TracklistEntry(number=2, start_seconds=60, title="Second")


def test_the_whole_is_called_what_the_file_is_called() -> None:
    found = with_tags(tracklist(ONE, TWO), TAGS)
    assert (found.title, found.performer, found.genre, found.date) == ("A Night", "Somebody", "House", "2024")
    assert found.entries == (ONE, TWO)


def test_the_only_track_is_the_whole() -> None:
    (entry,) = with_tags(tracklist(ONE), TAGS).entries
    assert (entry.title, entry.performer, entry.genre, entry.isrc) == ("A Night", "Somebody", "House", "DEA012345678")


def test_what_the_list_says_itself_stays() -> None:
    found = with_tags(tracklist(TWO, title="Own", performer="Own"), TAGS)
    assert (found.title, found.performer, found.entries[0].title) == ("Own", "Own", "Second")


def test_what_no_tag_says_stays_unknown() -> None:
    assert with_tags(tracklist(ONE), {"title": "", "artist": None, "date": 5}) == tracklist(ONE)
