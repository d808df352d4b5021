"""What a file event says, whichever of the two messages of the contract it came in."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

from stages.contracts import FileDiscovered, FileLifecycleEvent

Kind = Literal["discovered", "created", "modified", "deleted", "moved", "renamed"]


@dataclass(frozen=True, slots=True)
class Sighting:
    """A file at a time.

    Attributes:
        old_path: where it was, for moved and renamed.
        sha256, xxh128, size: None for a deleted file and for one that could not be read.
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
    further = event.model_extra or {}
    error = str(further["error"]) if further.get("error") else None
    if isinstance(event, FileDiscovered):
        file = event.file_info
        kind: Kind = "discovered"
        path, sha256, xxh128 = file.path, file.sha256_hash, file.xxh128_hash
        old_path, size = None, None if error else file.size_bytes
    else:
        kind, path, old_path = event.event_type, event.file_path, event.old_path
        size, sha256, xxh128 = event.size_bytes, event.sha256_hash, event.xxh128_hash
    return Sighting(
        kind=kind,
        path=path,
        old_path=old_path,
        directory=event.watched_directory,
        file_type=event.file_type,
        format_family=getattr(event, "format_family", None) or further.get("format_family"),
        size=size,
        sha256=sha256,
        xxh128=xxh128,
        error=error,
        time=event.timestamp.astimezone(UTC),
        correlation_id=event.correlation_id,
    )
