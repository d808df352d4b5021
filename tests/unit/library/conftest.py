"""The catalog's steps on the embedded state store, with everything they publish taken as published."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import structlog

from pipeline.messages.message import Envelope, derive_message_id
from pipeline.stage import Cancel, Emit
from pipeline.state.embedded import EmbeddedStore
from pipeline.state.port import Status, Update
from stages.catalog import catalogue
from stages.contracts import FileDiscovered, FileLifecycleEvent
from stages.lifecycle import follow
from stages.recordings import KIND

START = datetime(2024, 5, 1, 12, 0, 0, tzinfo=UTC)


class Context:
    """What a step sees of the worker."""

    roots: tuple[()] = ()
    cancelled = False

    def __init__(
        self, store: EmbeddedStore, message_id: str, *, data_dir: Path = Path(), options: dict[str, Any] | None = None
    ) -> None:
        self.data_dir = data_dir
        self.options = options or {}
        self.envelope = Envelope("file.created", message_id, None, "queue", "file_events", "file.created")
        self.log = structlog.get_logger()
        self.state = store.documents
        self.tracked: list[str] = []
        self._store = store

    def progress(self, fraction: float, message: str = "") -> None:
        """Not shown."""

    def track(self, recording_id: str) -> None:
        self.tracked.append(recording_id)

    async def forget(self, recording_id: str) -> None:
        await self._store.progress.forget(recording_id)

    async def ended(self, recording_id: str, request: Emit) -> str | None:
        assert request.identity is not None
        status = await self._store.progress.ended(recording_id, derive_message_id(request.message, request.identity))
        return None if status is None else status.value


class Catalog:
    """Takes events, and does with what comes out what the worker does."""

    def __init__(self, store: EmbeddedStore) -> None:
        self.store = store
        self.requests: list[Emit] = []
        self.cancelled: list[str] = []
        self.tracked: list[str] = []
        self.metadata: list[Emit] = []

    async def take(self, event: FileDiscovered | FileLifecycleEvent, *, message_id: str = "") -> list[Emit]:
        """The analyses an event led to; cancellations are kept in `cancelled`, requests for tags in `metadata`."""
        context = Context(self.store, message_id or event.correlation_id)
        try:
            outputs = await catalogue(event, context)
        finally:
            self.tracked += context.tracked
        await self._cancel(each for each in outputs if isinstance(each, Cancel))
        emitted = [each for each in outputs if isinstance(each, Emit)]
        self.metadata += [each for each in emitted if each.message == "metadata.extract"]
        requests = [each for each in emitted if each.message == "file.analyze"]
        for request in requests:
            await self._record(request, Status.QUEUED, "")
        self.requests += requests
        return requests

    async def follow(self, event: FileDiscovered | FileLifecycleEvent) -> Cancel | None:
        """What the lifecycle stage makes of an event."""
        cancel = await follow(event, Context(self.store, event.correlation_id))
        await self._cancel([cancel] if cancel else [])
        return cancel

    async def finish(self, request: Emit, status: Status = Status.COMPLETED) -> None:
        """The analysis that was asked for comes to its end."""
        await self._record(request, Status.ANALYZING, "1")
        await self._record(request, status, "1")

    async def recordings(self) -> list[dict[str, Any]]:
        """All of them, by path; those that were deleted last."""
        found, _ = await self.store.documents.page(KIND, limit=1000)
        return sorted(found, key=lambda each: (each["deleted_at"] or "", each["path"]))

    async def only(self) -> dict[str, Any]:
        """The one recording there is."""
        (recording,) = await self.recordings()
        return recording

    async def live(self) -> dict[str, str]:
        """Path to content of what is not deleted."""
        return {each["path"]: each["sha256_hash"] for each in await self.recordings() if not each["deleted_at"]}

    async def _cancel(self, cancels: Any) -> None:
        for cancel in cancels:
            await self.store.progress.cancel(cancel.recording_id, cancel.reason)
            self.cancelled.append(cancel.recording_id)

    async def _record(self, request: Emit, status: Status, attempt: str) -> None:
        assert request.identity is not None
        run = derive_message_id(request.message, request.identity)
        recording_id = request.body.recording_id  # type: ignore[attr-defined]
        begins = status is Status.ANALYZING
        await self.store.progress.record(Update(recording_id, run, attempt, "progress", status, begins=begins))


class Events:
    """Makes events, each a second after the one before."""

    def __init__(self) -> None:
        self._seconds = 0

    def discovered(self, path: str, content: str, *, size: int = 1000, error: str | None = None) -> FileDiscovered:
        file = {"path": path, "extension": ".mp3", "size_bytes": size}
        further = {"error": error, "error_code": "FILE_UNREADABLE"} if error else {}
        hashes = {} if error else {"sha256_hash": sha(content), "xxh128_hash": content}
        return FileDiscovered.model_validate(
            {**self._envelope(path), **further, "file_info": {**file, **hashes}, "format_family": "mp3"}
        )

    def event(
        self, kind: str, path: str, content: str | None = None, *, old: str | None = None, **further: Any
    ) -> FileLifecycleEvent:
        """A lifecycle event; without content it carries no hashes."""
        hashes = {} if content is None else {"sha256_hash": sha(content), "xxh128_hash": content, "size_bytes": 1000}
        origin = {"old_path": old} if old else {}
        body = {**self._envelope(path), **hashes, **origin, **further}
        return FileLifecycleEvent.model_validate({**body, "event_type": kind, "file_path": path})

    def _envelope(self, path: str) -> dict[str, Any]:
        self._seconds += 1
        return {
            "correlation_id": f"event-{self._seconds}",
            "timestamp": START + timedelta(seconds=self._seconds),
            "file_type": "mp3",
            "instance_id": "test",
            "watched_directory": "/music",
        }


def sha(content: str) -> str:
    return hashlib.sha256(content.encode()).hexdigest()


@pytest.fixture
async def store() -> AsyncIterator[EmbeddedStore]:
    """An empty state store."""
    embedded = EmbeddedStore(None)
    await embedded.connect()
    yield embedded
    await embedded.close()


@pytest.fixture
def catalog(store: EmbeddedStore) -> Catalog:
    return Catalog(store)


@pytest.fixture
def events() -> Events:
    return Events()
