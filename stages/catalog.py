"""The catalog: one recording for each file, which keeps its id and results wherever the file moves.

Recordings are documents of the kind "recording", unique by path and indexed by SHA-256. Every event may come twice
or late: what a recording says is as of its newest event. Events of one path come in order where the stage has a
concurrency of 1, as the topology gives it.
"""

from __future__ import annotations

import os
from typing import Any
from uuid import uuid4

from pipeline.errors import ErrorCode, Permanent
from pipeline.stage import Cancel, Emit, StageContext
from stages.contracts import AnalysisRequest, FileDiscovered, FileLifecycleEvent
from stages.sighting import Sighting, sighting_of

KIND = "recording"
_MOST_PATHS_KEPT = 50
# Sooner results for smaller files, all below the priority of what users ask for.
_PRIORITIES = ((10_000_000, 5), (50_000_000, 4), (200_000_000, 3), (1_000_000_000, 2))


async def catalogue(event: FileDiscovered | FileLifecycleEvent, context: StageContext) -> list[Emit | Cancel]:
    """Store what an event says of a file; ask for its analysis where its content is new.

    Raises: Permanent (FILE_UNREADABLE) for a file that is there but can't be read.
    """
    sighting = sighting_of(event)
    if sighting.kind == "deleted":
        return await _deleted(sighting, context)
    recording = await _moved(sighting, context) if sighting.old_path else None
    return await _present(sighting, recording or await _at(sighting.path, context), context)


async def recording_at(path: str, context: StageContext) -> dict[str, Any] | None:
    """The recording whose path this is, deleted or not."""
    ids = await context.state.find(KIND, "path", path)
    return await context.state.get(KIND, ids[0]) if ids else None


async def _at(path: str, context: StageContext) -> dict[str, Any]:
    """The recording at a path, or a new one that owns the path from now on."""
    recording_id = await context.state.claim(KIND, "path", path, str(uuid4()))
    found = await context.state.get(KIND, recording_id)
    return found or {"recording_id": recording_id, "path": path, "path_history": [], "revision": 0}


async def _moved(sighting: Sighting, context: StageContext) -> dict[str, Any] | None:
    """The recording that was at the old path, now at the new one; None if none was there."""
    assert sighting.old_path is not None
    recording = await recording_at(sighting.old_path, context)
    if recording is None or recording.get("deleted_at") or _outdated(sighting, recording):
        return None
    replaced = await recording_at(sighting.path, context)
    if replaced is not None and replaced["recording_id"] != recording["recording_id"]:
        await _store(replaced | {"deleted_at": sighting.time.isoformat()}, context, at=None)
    history = [*recording["path_history"], {"path": sighting.old_path, "until": sighting.time.isoformat()}]
    return recording | {"path": sighting.path, "path_history": history[-_MOST_PATHS_KEPT:]}


async def _present(sighting: Sighting, recording: dict[str, Any], context: StageContext) -> list[Emit | Cancel]:
    """Store a file that is there. `revision` counts contents, so each is analysed once, also one that comes back."""
    if _outdated(sighting, recording):
        return []
    changed = sighting.sha256 != recording.get("sha256_hash") or bool(recording.get("deleted_at"))
    recording = recording | {
        "path": sighting.path,
        "file_name": os.path.basename(sighting.path),
        "watched_directory": sighting.directory,
        "file_type": sighting.file_type,
        "format_family": sighting.format_family,
        "size_bytes": sighting.size,
        "sha256_hash": sighting.sha256,
        "xxh128_hash": sighting.xxh128,
        "first_seen": recording.get("first_seen") or sighting.time.isoformat(),
        "updated_at": sighting.time.isoformat(),
        "deleted_at": None,
        "revision": recording["revision"] + changed,
    }
    await _store(recording, context, at=sighting.path)
    if sighting.sha256 is None:
        context.track(recording["recording_id"])
        reason = sighting.error or "The file cannot be read"
        raise Permanent(reason, ErrorCode.FILE_UNREADABLE, file_path=sighting.path)
    request = _analysis(recording, sighting)
    return [] if await context.ended(recording["recording_id"], request) else [request]


async def _deleted(sighting: Sighting, context: StageContext) -> list[Emit | Cancel]:
    """Mark the recording as deleted. It keeps its path, so the same file coming back finds its results."""
    recording = await recording_at(sighting.path, context)
    if recording is None or recording.get("deleted_at") or _outdated(sighting, recording):
        return []
    now = sighting.time.isoformat()
    await _store(recording | {"deleted_at": now, "updated_at": now}, context, at=sighting.path)
    # The lifecycle stage says so too, and sooner, but may have come before the recording was known.
    return [Cancel(recording["recording_id"], "The file was deleted")]


def _analysis(recording: dict[str, Any], sighting: Sighting) -> Emit:
    size = sighting.size or 0
    return Emit(
        "file.analyze",
        AnalysisRequest(
            recording_id=recording["recording_id"],
            file_path=sighting.path,
            correlation_id=sighting.correlation_id,
        ),
        identity=f"{recording['recording_id']}:{recording['revision']}",
        priority=next((priority for limit, priority in _PRIORITIES if size < limit), 1),
    )


def _outdated(sighting: Sighting, recording: dict[str, Any]) -> bool:
    return sighting.time.isoformat() < str(recording.get("updated_at", ""))


async def _store(recording: dict[str, Any], context: StageContext, *, at: str | None) -> None:
    unique = {} if at is None else {"path": at}
    index = {"sha256": recording["sha256_hash"]} if recording.get("sha256_hash") else {}
    await context.state.put(KIND, recording["recording_id"], recording, unique=unique, index=index)
