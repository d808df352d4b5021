"""The list stays right while it is being read."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from api.library.index import Library
from pipeline.state.embedded import EmbeddedStore
from pipeline.state.port import Event, Status, Update


class Shelf:
    """A store with recordings, and a library over it whose clock a test moves."""

    def __init__(self) -> None:
        self.store = EmbeddedStore(None)
        self.now = 1000.0
        self.library = Library(self.store, [Path("/music")], monotonic=lambda: self.now)

    async def put(self, *recording_ids: str, **fields: Any) -> None:
        for recording_id in recording_ids:
            await self.store.documents.put("recording", recording_id, {"path": f"/music/{recording_id}.mp3"} | fields)

    async def complete(self, recording_id: str) -> Event:
        update = Update(recording_id, "run", "1", "analysis_complete", Status.COMPLETED, begins=True)
        event = await self.store.progress.record(update)
        assert event is not None
        return event

    async def listed(self, after_s: float = 1.0, sort: Any = "newest", limit: int = 1000) -> dict[str, str]:
        """Status by recording id, in the order of the list."""
        self.now += after_s
        page = await self.library.page(offset=0, limit=limit, status=None, query="", sort=sort)
        return {item["recording_id"]: item["status"] for item in page["items"]}

    async def paths(self, after_s: float = 1.0) -> dict[str, str]:
        """Path by recording id."""
        self.now += after_s
        page = await self.library.page(offset=0, limit=1000, status=None, query="", sort="newest")
        return {item["recording_id"]: item["path"] for item in page["items"]}


@pytest.fixture
async def shelf() -> AsyncIterator[Shelf]:
    made = Shelf()
    await made.store.connect()
    yield made
    await made.store.close()


async def test_event_that_comes_while_the_store_is_read_is_not_overwritten_by_what_was_read(
    shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    await shelf.put("a")
    real = shelf.store.progress.snapshots

    async def snapshots(recording_ids: Sequence[str]) -> list[Event | None]:
        read = await real(recording_ids)
        shelf.library.observe(await shelf.complete("a"))
        return read

    monkeypatch.setattr(shelf.store.progress, "snapshots", snapshots)
    assert await shelf.listed() == {"a": "completed"}


async def test_recording_written_while_the_pages_are_read_stays_listed(
    shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = [f"r{number:03}" for number in range(300)]
    await shelf.put(*ids)
    assert len(await shelf.listed()) == 300
    real = shelf.store.documents.page

    async def page(kind: str, *, offset: int = 0, limit: int = 100) -> Any:
        found = await real(kind, offset=offset, limit=limit)
        if offset == 0:
            await shelf.put("r000")
        return found

    monkeypatch.setattr(shelf.store.documents, "page", page)
    assert len(await shelf.listed(after_s=61.0)) == 300


async def test_newest_is_what_was_written_last(shelf: Shelf) -> None:
    await shelf.put("a", "b", "c")
    assert list(await shelf.listed()) == ["c", "b", "a"]
    await shelf.put("a", size_bytes=1)
    await shelf.put("d")
    assert list(await shelf.listed()) == ["d", "a", "c", "b"]
    assert list(await shelf.listed(after_s=61.0)) == ["d", "a", "c", "b"]


async def test_recording_that_was_removed_or_marked_deleted_is_not_listed(shelf: Shelf) -> None:
    await shelf.put("a", "b", "c")
    await shelf.listed()
    await shelf.store.documents.delete("recording", "a")
    await shelf.put("b", deleted_at="2026-01-02T03:04:05Z")
    assert list(await shelf.listed()) == ["c"]


async def test_work_on_a_recording_without_a_document_is_listed_by_its_id(shelf: Shelf) -> None:
    await shelf.put("a")
    await shelf.listed()
    shelf.library.observe(await shelf.complete("foreign"))
    assert await shelf.listed() == {"foreign": "completed", "a": "new"}
    assert await shelf.listed(after_s=61.0, sort="name") == {"foreign": "completed", "a": "new"}


async def test_recording_that_ends_just_after_the_list_was_read_has_its_path(shelf: Shelf) -> None:
    assert await shelf.listed() == {}
    await shelf.put("a")
    shelf.library.observe(await shelf.complete("a"))
    assert await shelf.paths(after_s=0.0) == {"a": "a.mp3"}


async def test_recording_that_ends_while_the_list_is_read_has_its_path(
    shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert await shelf.listed() == {}
    real = shelf.store.documents.page
    arriving = ["a"]

    async def page(kind: str, *, offset: int = 0, limit: int = 100) -> Any:
        found = await real(kind, offset=offset, limit=limit)
        if kind == "recording" and arriving:
            recording_id = arriving.pop()
            await shelf.put(recording_id)
            shelf.library.observe(await shelf.complete(recording_id))
        return found

    monkeypatch.setattr(shelf.store.documents, "page", page)
    assert await shelf.paths() == {"a": "a.mp3"}


async def test_rate_counts_what_ended_within_a_minute(shelf: Shelf) -> None:
    shelf.library.observe(await shelf.complete("a"))
    shelf.now += 59
    page = await shelf.library.page(offset=0, limit=0, status=None, query="", sort="newest")
    assert page["finished_last_minute"] == 1
    shelf.now += 2
    page = await shelf.library.page(offset=0, limit=0, status=None, query="", sort="newest")
    assert page["finished_last_minute"] == 0
