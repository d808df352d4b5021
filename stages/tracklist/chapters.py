"""Chapters of a container: MP4's, those of Vorbis comments, and ID3's CHAP frames."""

from __future__ import annotations

import re
from pathlib import Path

from av.container import InputContainer

from stages.tracklists import TracklistEntry

_MOST_TAG_BYTES = 4 * 1024 * 1024
_MOST_CHAPTERS = 10_000
# A frame's header, then the chapter's own id, which the library shows as its title where it has none.
# Source: ID3v2 Chapter Frame Addendum 1.0, section 3.1.
_CHAPTER_FRAME = re.compile(rb"CHAP.{6}([^\0]{1,255})\0", re.DOTALL)


def chapters_of(container: InputContainer, path: Path) -> tuple[TracklistEntry, ...]:
    """Its chapters as entries, in the order written, with the titles that somebody gave them.

    Raises: OSError.
    """
    found = container.chapters()[:_MOST_CHAPTERS]
    ids = _frame_ids(path) if found and container.format.name == "mp3" else frozenset()
    entries: list[TracklistEntry] = []
    for number, chapter in enumerate(found, start=1):
        if chapter["time_base"] is None or chapter["start"] < 0:
            continue
        start, end = (float(place * chapter["time_base"]) for place in (chapter["start"], chapter["end"]))
        title = chapter["metadata"].get("title")
        entries.append(
            TracklistEntry(
                number=min(number, 999),
                start_seconds=start,
                end_seconds=end if end > start else None,
                title=None if title in ids else title,
                performer=chapter["metadata"].get("artist"),
            )
        )
    return tuple(entries)


def _frame_ids(path: Path) -> frozenset[str]:
    with path.open("rb") as file:
        tag = file.read(_MOST_TAG_BYTES)
    return frozenset(each.decode("latin-1") for each in _CHAPTER_FRAME.findall(tag))
