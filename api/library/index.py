"""The recordings as the dashboard lists them: documents, tags and progress side by side, kept in memory.

Sorting, filtering and counting ten thousand recordings for each poll would cost the state store a scan each
time. Progress comes in as events; documents are read from the newest on, until a page brings nothing new,
and all of them once a minute, so that a document changed in an unusual way shows within that time.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from api.library.kinds import RECORDING
from api.library.paths import shown_path
from api.library.standing import NO_STATUS, details_of, standing
from api.library.tags import TagIndex, Tags
from pipeline.state.port import Event, StateStore, Status

_PAGE = 200
_FRESH_S = 0.5
_FULL_S = 60.0
_RATE_WINDOW_S = 60.0
_STRAYS_KEPT = 10_000
_ACTIVE_FIRST = {Status.ANALYZING: 0, Status.RETRYING: 1, Status.QUEUED: 2, Status.FAILED: 3}
_REST = len(_ACTIVE_FIRST)

Sort = Literal["active", "newest", "name", "title", "artist"]


@dataclass(slots=True)
class _Row:
    document: dict[str, Any]
    event: Event | None
    path: str
    searched: str
    rank: int
    deleted: bool

    @property
    def status(self) -> str:
        return NO_STATUS if self.event is None else self.event.status.value


class Library:
    """An index over the recordings of the state store.

    Args:
        roots: folders that paths are shown relative to.
    """

    def __init__(
        self, state: StateStore, roots: Sequence[Path], *, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._state = state
        self._tags = TagIndex(state, monotonic=monotonic)
        self._roots = tuple(roots)
        self._monotonic = monotonic
        self._rows: dict[str, _Row] = {}
        self._rank = 0
        self._refreshed = self._scanned = float("-inf")
        self._nameless = False
        self._refreshing = asyncio.Lock()
        self._arrived: dict[str, Event] = {}
        self._finished: deque[float] = deque()

    def observe(self, event: Event) -> None:
        """Take in an event of the relay."""
        if event.is_job:
            return
        if self._refreshing.locked():
            self._arrived[event.key] = event
        row = self._rows.get(event.key)
        if row is not None:
            row.event = event
        elif self._scanned != float("-inf"):
            row = self._rows[event.key] = self._row({}, event, self._next_rank())
            self._nameless = self._nameless or not row.path
        if event.status in (Status.COMPLETED, Status.FAILED):
            self._finished.append(self._monotonic())
            self._forget_old_rates()

    async def page(self, *, offset: int, limit: int, status: str | None, query: str, sort: Sort) -> dict[str, Any]:
        """Recordings `offset` to `offset + limit` of those that match, with counts over the whole library.

        Raises StateUnavailable if the index could never be filled.
        """
        await self._refresh()
        visible = [(key, row) for key, row in self._rows.items() if not row.deleted]
        counts = Counter(row.status for _, row in visible)
        chosen = [item for item in visible if status in (None, item[1].status)]
        if words := query.casefold().split():
            chosen = [item for item in chosen if self._matches(*item, words) or item[0] == query]
        self._order(chosen, sort)
        return {
            "items": [self._item(key, row) for key, row in chosen[offset : offset + limit]],
            "total": len(chosen),
            "offset": offset,
            "limit": limit,
            "counts": {name: counts.get(name, 0) for name in (NO_STATUS, *Status)},
            "finished_last_minute": self._rate(),
        }

    async def ids(self) -> list[str]:
        """All recordings that are listed, by path. Raises StateUnavailable if the index could never be filled."""
        await self._refresh()
        rows = sorted((row.searched, key) for key, row in self._rows.items() if not row.deleted and row.document)
        return [key for _, key in rows]

    def shown(self, recording_id: str, document: dict[str, Any], event: Event | None, tags: Tags) -> dict[str, Any]:
        """A recording as the list shows it, made from what was just read."""
        return _shown(recording_id, self._row(document, event), tags)

    def _matches(self, key: str, row: _Row, words: Sequence[str]) -> bool:
        tags = self._tags.of(key).searched
        return all(word in row.searched or word in tags for word in words)

    def _order(self, rows: list[tuple[str, _Row]], sort: Sort) -> None:
        if sort in _SORT_KEYS:
            rows.sort(key=_SORT_KEYS[sort])
            return
        texts = {key: getattr(self._tags.of(key), sort) for key, _ in rows}
        # What has no tag comes last.
        rows.sort(key=lambda item: (not texts[item[0]], (texts[item[0]] or "").casefold(), item[1].searched))

    async def _refresh(self) -> None:
        async with self._refreshing:
            if self._monotonic() - self._refreshed >= _FRESH_S:
                await self._read_changes()
            if self._nameless:
                # The document is written before the first event: by now it is there, if it ever will be.
                await self._read_changes()

    async def _read_changes(self) -> None:
        now = self._monotonic()
        full = now - self._scanned > _FULL_S
        self._nameless = False
        self._arrived.clear()
        await self._scan(full=full)
        await self._tags.refresh()
        self._refreshed = self._monotonic()
        if full:
            self._scanned = self._refreshed

    async def _scan(self, *, full: bool) -> None:
        read: set[str] = set()
        to_the_end = await self._read_pages(read, full=full)
        if not to_the_end:
            return
        # What was written while the pages were read has moved to the first one.
        await self._read_pages(read, full=False)
        strays = sorted((row.rank for row in self._rows.values() if not row.document), reverse=True)[:_STRAYS_KEPT]
        self._rows = {
            key: row for key, row in self._rows.items() if key in read or (not row.document and row.rank >= strays[-1])
        }

    async def _read_pages(self, read: set[str], *, full: bool) -> bool:
        """Take documents in from the newest on; False if it ended at a page without news."""
        changed_ids: list[str] = []
        to_the_end = True
        offset, total = 0, 1
        while offset < total:
            documents, total = await self._state.documents.page(RECORDING, offset=offset, limit=_PAGE)
            read.update(document["id"] for document in documents)
            changed = [document for document in documents if full or self._differs(document)]
            await self._take(changed)
            changed_ids += [document["id"] for document in changed]
            offset += _PAGE
            if not full and not changed and sum(bool(row.document) for row in self._rows.values()) == total:
                to_the_end = False
                break
        for key in reversed(changed_ids):
            self._rows[key].rank = self._next_rank()
        return to_the_end

    def _next_rank(self) -> int:
        self._rank += 1
        return self._rank

    async def _take(self, documents: list[dict[str, Any]]) -> None:
        if not documents:
            return
        events = await self._state.progress.snapshots([each["id"] for each in documents])
        for document, event in zip(documents, events, strict=True):
            known = self._rows.get(document["id"])
            arrived = self._arrived.get(document["id"]) or (known.event if known else None)
            latest = arrived if _newer(arrived, event) else event
            self._rows[document["id"]] = self._row(document, latest, known.rank if known else 0)

    def _differs(self, document: dict[str, Any]) -> bool:
        known = self._rows.get(document["id"])
        return known is None or known.document != document

    def _row(self, document: dict[str, Any], event: Event | None, rank: int = 0) -> _Row:
        path = document.get("path") or ""
        if not path and event is not None:
            path = details_of(event.data).get("file_path") or ""
        shown = shown_path(str(path), self._roots)
        return _Row(document, event, shown, shown.casefold(), rank, deleted=bool(document.get("deleted_at")))

    def _item(self, recording_id: str, row: _Row) -> dict[str, Any]:
        return _shown(recording_id, row, self._tags.of(recording_id))

    def _rate(self) -> int:
        self._forget_old_rates()
        return len(self._finished)

    def _forget_old_rates(self) -> None:
        oldest = self._monotonic() - _RATE_WINDOW_S
        while self._finished and self._finished[0] < oldest:
            self._finished.popleft()


def _shown(recording_id: str, row: _Row, tags: Tags) -> dict[str, Any]:
    return {
        "recording_id": recording_id,
        "path": row.path,
        "title": tags.title,
        "artist": tags.artist,
        "album": tags.album,
        "has_cover": tags.has_cover,
        "size_bytes": row.document.get("size_bytes"),
        **standing(row.event),
    }


def _newer(known: Event | None, read: Event | None) -> bool:
    """Whether an event that came in while the store was being read is later than what was read."""
    return known is not None and (read is None or (known.epoch == read.epoch and known.sequence > read.sequence))


def _urgency(row: _Row) -> int:
    return _REST if row.event is None else _ACTIVE_FIRST.get(row.event.status, _REST)


_SORT_KEYS: dict[str, Callable[[tuple[str, _Row]], Any]] = {
    "active": lambda item: (_urgency(item[1]), -item[1].rank),
    "newest": lambda item: -item[1].rank,
    "name": lambda item: item[1].searched,
}
