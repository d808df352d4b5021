"""Dropping recordings that were deleted long ago, with all that was made of them.

A recording is dropped only as it was when it was looked at: if its file came back meanwhile, it stays. What belongs
to it goes after it, and a note says so until that is done, so that a crash in between leaves nothing behind.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pipeline.stage import StageContext
from stages.recordings import KIND, VACATED, Recording

_NOTE = "purge"
_OF_RECORDING = ("metadata", "waveform")
_WITH_INDEX = ("tracklist", "cue_file")
_PAGE = 200


def expired(recording: Recording, limit: datetime) -> bool:
    """Whether it was deleted before that time."""
    return bool(recording["deleted_at"]) and _time(recording["deleted_at"]) < limit


async def purge_recording(recording_id: str, limit: datetime, context: StageContext) -> None:
    """Drop a recording and what belongs to it, unless it has come back. Idempotent."""
    recording = await context.state.get(KIND, recording_id)
    if recording is None or not expired(recording, limit):
        return
    await context.state.put(_NOTE, recording_id, {"recording_id": recording_id})
    if await context.state.delete(KIND, recording_id, unchanged=recording):
        await _purge_rest(recording_id, context)
    await context.state.delete(_NOTE, recording_id)


async def resume(context: StageContext) -> None:
    """Finish what a crash has interrupted."""
    notes, _ = await context.state.page(_NOTE, limit=_PAGE)
    for note in notes:
        recording_id = note["recording_id"]
        if await context.state.get(KIND, recording_id) is None:
            await _purge_rest(recording_id, context)
        await context.state.delete(_NOTE, recording_id)


async def purge_vacated(limit: datetime, context: StageContext) -> None:
    """Drop the memory of paths that were left before that time."""
    old: list[dict[str, Any]] = []
    offset, total = 0, 1
    while offset < total:
        vacated, total = await context.state.page(VACATED, offset=offset, limit=_PAGE)
        old += [each for each in vacated if _time(each["at"]) < limit]
        offset += _PAGE
    for each in old:
        unchanged = {name: value for name, value in each.items() if name != "id"}
        await context.state.delete(VACATED, each["id"], unchanged=unchanged)


async def _purge_rest(recording_id: str, context: StageContext) -> None:
    metadata = await context.state.get("metadata", recording_id)
    for kind in _OF_RECORDING:
        await context.state.delete(kind, recording_id)
    if metadata is not None and (cover := metadata.get("cover")):
        await _purge_cover(cover, context)
    for kind in _WITH_INDEX:
        for each in await context.state.find(kind, "recording", recording_id):
            document = await context.state.get(kind, each)
            if document is not None and kind == "cue_file":
                await _remove(Path(document["file_path"]), context)
            await context.state.delete(kind, each)
    await context.forget(recording_id)


async def _purge_cover(cover: dict[str, Any], context: StageContext) -> None:
    """The picture is kept once for all that have it."""
    if not await context.state.find("metadata", "cover", cover["sha256"]):
        await _remove(context.data_dir / cover["file"], context)


async def _remove(path: Path, context: StageContext) -> None:
    await asyncio.to_thread(_unlink, path, context.data_dir)


def _unlink(path: Path, folder: Path) -> None:
    """Delete a generated file; nothing outside the folder, whatever a document says."""
    with suppress(OSError):
        if path.resolve().is_relative_to(folder.resolve()):
            path.unlink()


def _time(text: str) -> datetime:
    time = datetime.fromisoformat(text)
    return time if time.tzinfo is not None else time.replace(tzinfo=UTC)
