"""A file's tags as the fields that names are made of."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from stages.rename.roles import Fields

_TEXTS: Mapping[str, str] = {
    "artist": "artist",
    "title": "title",
    "album": "album",
    "label": "label",
    "key": "key",
    "catalog_number": "catalog",
}
_NUMBERS: Mapping[str, tuple[str, int]] = {
    "track": ("track", 2),
    "disc": ("disc", 1),
    "year": ("year", 4),
    "bpm": ("bpm", 1),
}


def fields_of_tags(metadata: Mapping[str, Any] | None) -> Fields | None:
    """The fields in a document of the kind "metadata"; None where it has no tags. Numbers are whole, tracks `01`."""
    told = (metadata or {}).get("id3_tags")
    if not told:
        return None
    fields = {field: str(told[tag]) for tag, field in _TEXTS.items() if told.get(tag)}
    artists = told.get("artists")
    if isinstance(artists, list) and artists:
        fields["artist"] = ", ".join(map(str, artists))
    for tag, (field, digits) in _NUMBERS.items():
        value = told.get(tag)
        if isinstance(value, int | float) and value > 0:
            fields[field] = f"{round(value):0{digits}d}"
    return fields
