"""What the files' tags say, for the list: kept in memory beside the recordings."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from api.library.kinds import METADATA
from pipeline.state.port import StateStore

_PAGE = 200
_FULL_S = 600.0


@dataclass(frozen=True, slots=True)
class Tags:
    """The part of a metadata document that the list shows and searches.

    Attributes:
        searched: title, artist and album, casefolded.
    """

    title: str | None = None
    artist: str | None = None
    album: str | None = None
    has_cover: bool = False
    searched: str = ""


NO_TAGS = Tags()


def tags_of(metadata: Mapping[str, Any]) -> Tags:
    """Those of a metadata document."""
    told = metadata.get("id3_tags") or {}
    title, artist, album = (str(told[name]) if told.get(name) else None for name in ("title", "artist", "album"))
    searched = "\n".join(text.casefold() for text in (title, artist, album) if text)
    return Tags(title, artist, album, bool(metadata.get("cover")), searched)


class TagIndex:
    """Tags by recording id.

    Documents are read from the newest on, until a page brings nothing new, and all of them every ten minutes.
    """

    def __init__(self, state: StateStore, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._state = state
        self._monotonic = monotonic
        self._tags: dict[str, Tags] = {}
        self._read_all_at = float("-inf")

    def of(self, recording_id: str) -> Tags:
        return self._tags.get(recording_id, NO_TAGS)

    async def refresh(self) -> None:
        """Bring the index up to date. Raises StateUnavailable."""
        now = self._monotonic()
        full = now - self._read_all_at > _FULL_S
        read: set[str] = set()
        offset, total = 0, 1
        while offset < total:
            documents, total = await self._state.documents.page(METADATA, offset=offset, limit=_PAGE)
            found = {document["id"]: tags_of(document) for document in documents}
            news = any(self._tags.get(each) != tags for each, tags in found.items())
            self._tags.update(found)
            read.update(found)
            offset += _PAGE
            if not full and not news and len(self._tags) == total:
                return
        # What was written meanwhile has moved to the first page, so a count that fits says that nothing is missing.
        if len(read) == total:
            self._tags = {each: self._tags[each] for each in read}
        if full:
            self._read_all_at = now
