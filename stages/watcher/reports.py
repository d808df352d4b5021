"""What the watcher announces, as messages of the contract."""

from __future__ import annotations

import os
import uuid
from datetime import UTC, datetime, timedelta

from pipeline.errors import ErrorCode
from pipeline.stage import Emit
from stages.contracts import FileDiscovered, FileInfo, FileLifecycleEvent
from stages.formats import file_type
from stages.watcher.folders import Folders
from stages.watcher.tracker import Change

_TICK = timedelta(microseconds=1)


class Reports:
    """Makes messages of changes; their timestamps never go back, even where the clock does.

    Args:
        instance_id: names this watcher to those who read its messages.
    """

    def __init__(self, folders: Folders, instance_id: str) -> None:
        self._folders = folders
        self._instance_id = instance_id
        self._session = uuid.uuid4().hex
        self._last = datetime.min.replace(tzinfo=UTC)

    def message(self, change: Change) -> Emit:
        """`file.discovered`, or the lifecycle event of its kind."""
        return self._discovered(change) if change.kind == "discovered" else self._lifecycle(change)

    def _discovered(self, change: Change) -> Emit:
        known = change.known
        body = FileDiscovered(
            correlation_id=str(uuid.uuid4()),
            timestamp=self._now(),
            file_info=FileInfo(
                path=change.path,
                extension=f".{file_type(change.path)}",
                size_bytes=known.look.size,
                sha256_hash=known.sha256,
                xxh128_hash=known.xxh128,
            ),
            file_type=file_type(change.path),
            instance_id=self._instance_id,
            watched_directory=self._folders.root_of(change.path) or os.path.dirname(change.path),
            format_family=known.format_family,
            error_code=None if known.error is None else ErrorCode.FILE_UNREADABLE.value,
            error=known.error,
        )
        # Once per run of the watcher. A later run tells of the file again, or what a broker forgot would never be done.
        identity = "\x1f".join((self._session, change.path, known.sha256 or ErrorCode.FILE_UNREADABLE.value))
        return Emit("file.discovered", body, identity=identity)

    def _lifecycle(self, change: Change) -> Emit:
        known, kind = change.known, change.kind
        if kind == "moved" and os.path.dirname(change.path) == os.path.dirname(change.old_path or ""):
            kind = "renamed"
        there = kind != "deleted"
        body = FileLifecycleEvent(
            correlation_id=str(uuid.uuid4()),
            timestamp=self._now(),
            event_type=kind,
            file_path=change.path,
            old_path=change.old_path,
            size_bytes=known.look.size if there else None,
            sha256_hash=known.sha256 if there else None,
            xxh128_hash=known.xxh128 if there else None,
            file_type=file_type(change.path),
            instance_id=self._instance_id,
            watched_directory=self._folders.root_of(change.path) or os.path.dirname(change.path),
            format_family=known.format_family if there else None,
            error_code=ErrorCode.FILE_UNREADABLE.value if there and known.error is not None else None,
            error=known.error if there else None,
        )
        return Emit(f"file.{kind}", body)

    def _now(self) -> datetime:
        self._last = max(datetime.now(UTC), self._last + _TICK)
        return self._last
