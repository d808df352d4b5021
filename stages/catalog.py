"""The catalog: one recording for each file, which keeps its id and results wherever the file goes.

Every event may come twice, late, or out of order: what a recording says is as of its newest event, and a path that
was left is remembered, so older news of it is not taken for a new file. Events of one path come in order where the
stage has a concurrency of 1, as the topology gives it; the rules below come to the same paths and contents in any
order, if not always to the same ids.
"""

from __future__ import annotations

import asyncio
import os
from dataclasses import replace

from pipeline.errors import ErrorCode, Permanent
from pipeline.stage import Cancel, Emit, StageContext
from stages.contracts import AnalysisRequest, FileDiscovered, FileLifecycleEvent, MetadataExtractionRequest
from stages.recordings import Recording, Recordings, has_gone, moved, placed, time_of
from stages.sighting import Sighting, sighting_of

Outputs = list[Emit | Cancel]

# Smaller files first, what just changed before what a scan found, and all below the priority of what users ask for.
_PRIORITIES = ((10_000_000, 5), (50_000_000, 4), (200_000_000, 3), (1_000_000_000, 2))
_LOWEST, _OF_CHANGES = 1, 1


async def catalogue(event: FileDiscovered | FileLifecycleEvent, context: StageContext) -> list[Emit | Cancel]:
    """Store what an event says of a file; ask for its analysis where its content is new or was never analysed.

    Raises: Permanent (FILE_UNREADABLE) for a file that is there but cannot be read.
    """
    sighting, recordings = sighting_of(event), Recordings(context.state)
    if sighting.kind == "deleted":
        return await _deleted(sighting, recordings)
    if sighting.old_path is not None:
        return await _moved(sighting, sighting.old_path, recordings, context)
    return await _present(sighting, recordings, context)


async def _deleted(sighting: Sighting, recordings: Recordings) -> Outputs:
    """Mark the recording as deleted. It keeps its path, so the same file coming back finds its results."""
    recording, time = await recordings.at(sighting.path), time_of(sighting)
    if recording is None:
        await recordings.vacate(sighting.path, time)
        return []
    if recording["updated_at"] > time:
        return []
    await recordings.put(recording | {"deleted_at": recording["deleted_at"] or time, "updated_at": time})
    # The lifecycle stage says so too, and sooner, but may have come before the recording was known.
    return [Cancel(recording["recording_id"], "The file was deleted")]


async def _moved(sighting: Sighting, old_path: str, recordings: Recordings, context: StageContext) -> Outputs:
    """Let the recording follow its file. Whatever was at the new path has been overwritten."""
    recording, time = await recordings.at(old_path), time_of(sighting)
    if recording is None:
        await recordings.vacate(old_path, time)
    if recording is None or recording["updated_at"] > time:
        return await _present(replace(sighting, old_path=None), recordings, context)
    overwritten = await recordings.at(sighting.path)
    if await _is_old_news(sighting, overwritten, recordings):
        await recordings.put(recording | {"deleted_at": time, "updated_at": time})
        return [Cancel(recording["recording_id"], "The file has gone on since")]
    outputs: Outputs = []
    if overwritten is not None and overwritten["recording_id"] != recording["recording_id"]:
        await recordings.put(overwritten | {"deleted_at": time, "updated_at": time}, owns_path=False)
        outputs.append(Cancel(overwritten["recording_id"], "Another file took its place"))
    return outputs + await _relocated(recording, sighting, recordings, context, left_at=time)


async def _is_old_news(sighting: Sighting, recording: Recording | None, recordings: Recordings) -> bool:
    """Whether more recent events have told of the path, given the recording that is there."""
    if recording is None:
        return await recordings.has_left(sighting.path, time_of(sighting))
    updated_at: str = recording["updated_at"]
    return updated_at > time_of(sighting)


async def _relocated(
    recording: Recording, sighting: Sighting, recordings: Recordings, context: StageContext, *, left_at: str
) -> Outputs:
    """The recording's file is at the sighting's path now, and was no longer where it was at `left_at`."""
    # An analysis that was asked for would not find the file any more, or has just failed to.
    unfinished = await context.ended(recording["recording_id"], _request(recording, sighting)) in (None, "failed")
    await recordings.vacate(recording["path"], left_at)
    return await _take_in(moved(recording, sighting), sighting, recordings, context, again=unfinished)


async def _present(sighting: Sighting, recordings: Recordings, context: StageContext) -> Outputs:
    """A file is there."""
    recording = await recordings.at(sighting.path)
    if await _is_old_news(sighting, recording, recordings):
        return []
    if recording is None:
        origin = await _origin(sighting, recordings)
        if origin is not None:
            return await _relocated(origin, sighting, recordings, context, left_at=origin["updated_at"])
        recording = await recordings.new(sighting)
    elif recording["deleted_at"] and recording["sha256_hash"] != sighting.sha256:
        recording = recordings.successor(sighting)
    else:
        recording = placed(recording, sighting.path, sighting.directory)
    return await _take_in(recording, sighting, recordings, context)


async def _origin(sighting: Sighting, recordings: Recordings) -> Recording | None:
    """The recording of the same content whose file was deleted or has left its path unseen, if there is one."""
    if sighting.sha256 is None:
        return None
    name = os.path.basename(sighting.path)
    found = [
        recording
        for recording in await recordings.with_content(sighting.sha256)
        if recording["updated_at"] <= time_of(sighting)
        and (recording["deleted_at"] or await asyncio.to_thread(has_gone, recording))
    ]
    return max(found, key=lambda each: (each["file_name"] == name, each["updated_at"]), default=None)


async def _take_in(
    recording: Recording, sighting: Sighting, recordings: Recordings, context: StageContext, *, again: bool = False
) -> Outputs:
    """Store what is known of the file, and ask for its analysis unless that has been done. `again`: even then."""
    if sighting.error is not None:
        await _store_unreadable(recording, sighting, recordings, context)
        return []
    if recording["deleted_at"] and not again:
        again = await context.ended(recording["recording_id"], _request(recording, sighting)) != "completed"
    changed = _is_new_content(recording, sighting)
    contents = changed or sighting.sha256 is not None
    recording |= {
        "file_type": sighting.file_type,
        "format_family": sighting.format_family or (None if changed else recording["format_family"]),
        "size_bytes": sighting.size,
        "sha256_hash": sighting.sha256 if contents else recording["sha256_hash"],
        "xxh128_hash": sighting.xxh128 if contents else recording["xxh128_hash"],
        "updated_at": time_of(sighting),
        "deleted_at": None,
        "revision": recording["revision"] + (changed or again),
        "error": None,
        "error_event": None,
    }
    await recordings.put(recording)
    request = _request(recording, sighting)
    done = not (changed or again) and await context.ended(recording["recording_id"], request)
    return [] if done else [request, _metadata_request(recording, sighting, request)]


def _is_new_content(recording: Recording, sighting: Sighting) -> bool:
    if recording["revision"] == 0 or recording["error"] is not None:
        return True
    if sighting.sha256 is None:  # some other publisher's event
        return sighting.kind in ("created", "modified") and recording["updated_at"] < time_of(sighting)
    return bool(recording["sha256_hash"] != sighting.sha256)


async def _store_unreadable(
    recording: Recording, sighting: Sighting, recordings: Recordings, context: StageContext
) -> None:
    """Raises Permanent, once for each reason: not again at each scan, but again where the event is redelivered."""
    event = context.envelope.message_id
    told = recording["error"] == sighting.error and recording["error_event"] != event
    await recordings.put(
        recording
        | {
            "size_bytes": sighting.size,
            "updated_at": time_of(sighting),
            "deleted_at": None,
            "error": sighting.error,
            "error_event": recording["error_event"] if told else event,
        }
    )
    if not told:
        context.track(recording["recording_id"])
        raise Permanent(
            f"The file cannot be read: {sighting.error}", ErrorCode.FILE_UNREADABLE, file_path=sighting.path
        )


def _request(recording: Recording, sighting: Sighting) -> Emit:
    """What asks for the analysis of this revision; the same one however often it is asked for."""
    size = sighting.size or 0
    priority = next((priority for limit, priority in _PRIORITIES if size < limit), _LOWEST)
    return Emit(
        "file.analyze",
        AnalysisRequest(
            recording_id=recording["recording_id"],
            file_path=sighting.path,
            analysis_types=["bpm", "key", "energy"],
            metadata={},
            correlation_id=sighting.correlation_id,
        ),
        identity=f"{recording['recording_id']}:{recording['sha256_hash']}:{recording['revision']}",
        priority=priority + (_OF_CHANGES if sighting.kind != "discovered" else 0),
    )


def _metadata_request(recording: Recording, sighting: Sighting, analysis: Emit) -> Emit:
    """What asks for the tags of the same revision, after what users ask for."""
    body = MetadataExtractionRequest(recording_id=recording["recording_id"], correlation_id=sighting.correlation_id)
    return Emit("metadata.extract", body, identity=analysis.identity, priority=_LOWEST)
