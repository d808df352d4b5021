"""The steps of the stage: find the file, look for its tracks in a process of the pool, store them and answer."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from uuid import uuid4

from pipeline.errors import ErrorCode, Permanent
from pipeline.messages.message import derive_message_id
from pipeline.stage import Completed, Emit, StageContext
from stages.answers import Stopwatch
from stages.contracts import TracklistGenerationRequest
from stages.media import opened, refuse_noise
from stages.paths import audio_file
from stages.recordings import Recordings
from stages.tracklist.answer import completed
from stages.tracklist.boundaries import heard
from stages.tracklist.embedded import embedded
from stages.tracklist.found import Found, Generated, Located
from stages.tracklist.sidecar import sidecar
from stages.tracklist.tags import with_tags
from stages.tracklists import KIND, Tracklist, Tracklists

_Source = Callable[[Located, StageContext], Found | None]
_SOURCES: dict[str, tuple[_Source, ...]] = {
    "auto": (embedded, sidecar, heard),
    "embedded": (embedded,),
    "sidecar": (sidecar,),
    "audio": (heard,),
}
_MISSING = {
    "embedded": "The file holds no cue sheet and no chapters",
    "sidecar": "No cue sheet beside the file is about it",
    "audio": "Nothing is played in the file",
    "auto": "Nothing says what is played in the file",
}


async def locate(request: TracklistGenerationRequest, context: StageContext) -> Located | list[Emit | Completed]:
    """The recording's file; or the answer, where the request was worked on before and came again.

    Raises:
        Permanent: UNKNOWN_RECORDING, and what `stages.paths.audio_file` says of the file.
        Transient: where the file system fails.
    """
    stopwatch = Stopwatch()
    if (before := await _made_before(context)) is not None:
        return completed(request, before, context, stopwatch)
    recording = await Recordings(context.state).known(request.recording_id)
    path = await asyncio.to_thread(audio_file, recording["path"], context.roots)
    return Located(request, path, recording["path"], stopwatch)


def find(located: Located, context: StageContext) -> Generated:
    """Ask the sources that the request's hint allows, one after the other.

    Raises:
        Permanent: NO_TRACKLIST where none has one; UNSUPPORTED_FORMAT, DECODE_ERROR, AUDIO_TOO_SHORT, FILE_NOT_FOUND,
            FILE_UNREADABLE of the file; INVALID_CUE for the only sheet that was asked for.
        Transient: FILE_UNREADABLE when the file system fails.
    """
    context.progress(0.0, "reading")
    with opened(located.path) as container:
        refuse_noise(located.path, container)
    hint = located.request.source_hint
    warnings: list[str] = []
    for source in _SOURCES[hint]:
        try:
            found = source(located, context)
        except Permanent as refused:
            if hint != "auto" or refused.error_code != ErrorCode.INVALID_CUE:
                raise
            warnings.append(refused.reason)
            continue
        if found is not None and found.entries:
            return Generated(located, found, (*warnings, *found.warnings))
    raise Permanent(_MISSING[hint], ErrorCode.NO_TRACKLIST)


async def store(generated: Generated, context: StageContext) -> list[Emit | Completed]:
    """Keep the list under an id that the request decides, and answer."""
    located, found = generated.located, generated.found
    tracklist = Tracklist(
        tracklist_id=_tracklist_id(context) or str(uuid4()),
        recording_id=located.request.recording_id,
        file_path=located.file_path,
        source=found.source,
        confidence=found.confidence,
        entries=found.entries,
        created_at=datetime.now(UTC),
        title=found.title,
        performer=found.performer,
        duration_seconds=found.duration_seconds,
        genre=found.genre,
        date=found.date,
        catalog=found.catalog,
    )
    metadata = await context.state.get("metadata", located.request.recording_id)
    if metadata is not None:
        tracklist = with_tags(tracklist, metadata.get("id3_tags") or {})
    await Tracklists(context.state).put(tracklist)
    return completed(located.request, tracklist, context, located.stopwatch, generated.warnings)


async def _made_before(context: StageContext) -> Tracklist | None:
    tracklist_id = _tracklist_id(context)
    document = await context.state.get(KIND, tracklist_id) if tracklist_id else None
    return Tracklist.model_validate(document) if document is not None else None


def _tracklist_id(context: StageContext) -> str | None:
    """The same for a request that is delivered again; None where it has no id."""
    asked = context.envelope.message_id
    return derive_message_id(asked, "tracklist") if asked else None
