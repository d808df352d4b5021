"""What a file event says, whichever of the two messages of the contract it came in."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

from stages.contracts import FileDiscovered, FileInfo, FileLifecycleEvent

Kind = Literal["discovered", "created", "modified", "deleted", "moved", "renamed"]


@dataclass(frozen=True, slots=True)
class Sighting:
    """A file at a time.

    Attributes:
        old_path: where it was, for moved and renamed.
        size: None for a deleted file.
        sha256, xxh128: None for a deleted file and for one that could not be read.
        error: why it could not be read, else None.
        time: in UTC, so that times compare as their texts do.
    """

    kind: Kind
    path: str
    old_path: str | None
    directory: str
    file_type: str
    format_family: str | None
    size: int | None
    sha256: str | None
    xxh128: str | None
    error: str | None
    time: datetime
    correlation_id: str


def sighting_of(event: FileDiscovered | FileLifecycleEvent) -> Sighting:
    """The event's facts."""
    if isinstance(event, FileDiscovered):
        file: FileInfo | FileLifecycleEvent = event.file_info
        kind: Kind = "discovered"
        path, old_path = event.file_info.path, None
    else:
        file, kind = event, event.event_type
        path, old_path = event.file_path, event.old_path
    return Sighting(
        kind=kind,
        path=path,
        old_path=old_path if kind in ("moved", "renamed") and old_path != path else None,
        directory=event.watched_directory,
        file_type=event.file_type,
        format_family=event.format_family,
        size=file.size_bytes,
        sha256=file.sha256_hash,
        xxh128=file.xxh128_hash,
        error=(event.error or event.error_code) if event.error_code else None,
        time=event.timestamp.astimezone(UTC),
        correlation_id=event.correlation_id,
    )
