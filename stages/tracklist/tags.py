"""What the file's own tags add to a list: the name of the whole, and of its only track."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from stages.tracklists import Tracklist, TracklistEntry

_OF_THE_WHOLE = {"title": "title", "performer": "artist", "genre": "genre", "date": "date"}
_OF_THE_ONLY_TRACK = {"title": "title", "performer": "artist", "genre": "genre", "isrc": "isrc"}


def with_tags(tracklist: Tracklist, tags: Mapping[str, Any]) -> Tracklist:
    """The list with what it does not say itself taken from the recording's tags.

    Args:
        tags: `id3_tags` of the recording's metadata.
    """
    added: dict[str, Any] = _missing(tracklist, _OF_THE_WHOLE, tags)
    if len(tracklist.entries) == 1:
        (entry,) = tracklist.entries
        added["entries"] = (entry.model_copy(update=_missing(entry, _OF_THE_ONLY_TRACK, tags)),)
    return tracklist.model_copy(update=added)


def _missing(part: Tracklist | TracklistEntry, fields: Mapping[str, str], tags: Mapping[str, Any]) -> dict[str, str]:
    found = {field: tags.get(tag) for field, tag in fields.items() if getattr(part, field) is None}
    return {field: value for field, value in found.items() if isinstance(value, str) and value}
