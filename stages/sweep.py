"""What nobody was there to see: files that were deleted while nothing watched, and recordings that are long gone.

A sweep writes no live recording. Of a file that has gone it publishes `file.deleted`, as the watcher would have, so
that the catalog and the lifecycle stage do with it what they do with any.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from pipeline.errors import PipelineError
from pipeline.stage import Emit, SourceContext, StageContext
from stages.contracts import CatalogSweep, FileLifecycleEvent
from stages.purge import expired, purge_recording, purge_vacated, resume
from stages.recordings import KIND, Recording, has_gone

_PAGE = 200
_REST_S = 0.5
# What was told of a file a moment ago may still be on its way through the catalog.
_SETTLED = timedelta(minutes=1)


class SweepOptions(BaseModel):
    """Of the source and of the stage; times in seconds."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    every: float = Field(default=3600.0, gt=0, description="Between sweeps, by the source")
    purge_after: float = Field(default=30 * 86_400.0, gt=0, description="For how long a deleted recording is kept")
    limit: int | None = Field(default=None, description="Of a watcher's scan; `--limit` is told to every source")


async def sweeps(context: SourceContext) -> AsyncIterator[CatalogSweep]:
    """Ask for a sweep at the start and then again and again. Options: see SweepOptions."""
    options = _options(context.options)
    context.caught_up()
    due = asyncio.get_running_loop().time()
    while not context.stopping:
        if asyncio.get_running_loop().time() >= due:
            yield CatalogSweep(timestamp=datetime.now(UTC))
            due = asyncio.get_running_loop().time() + options.every
        await asyncio.sleep(min(_REST_S, options.every))


async def sweep(request: CatalogSweep, context: StageContext) -> AsyncIterator[Emit]:
    """Look at every recording: tell of files that have gone, drop what was deleted long ago."""
    options = _options(context.options)
    now = datetime.now(UTC)
    limit = now - timedelta(seconds=options.purge_after)
    await resume(context)
    offset, total = 0, 1
    while offset < total:
        recordings, total = await context.state.page(KIND, offset=offset, limit=_PAGE)
        context.progress(offset / max(total, 1), "looking for files that have gone")
        gone = await asyncio.to_thread(_gone, recordings, now)
        for recording in recordings:
            if recording["recording_id"] in gone:
                yield _deletion(recording, now)
            elif expired(recording, limit):
                await purge_recording(recording["recording_id"], limit, context)
        offset += _PAGE
    await purge_vacated(limit, context)


def _gone(recordings: list[Recording], now: datetime) -> set[str]:
    """Ids of the live ones whose file certainly is not there any more."""
    before = (now - _SETTLED).isoformat(timespec="microseconds")
    return {
        recording["recording_id"]
        for recording in recordings
        if not recording["deleted_at"] and recording["updated_at"] < before and has_gone(recording)
    }


def _deletion(recording: Recording, now: datetime) -> Emit:
    """What the watcher would have said, had it been there: the same message however often it is found."""
    path = recording["path"]
    event = FileLifecycleEvent(
        correlation_id=recording["recording_id"],
        timestamp=now,
        event_type="deleted",
        file_path=path,
        file_type=recording.get("file_type") or os.path.splitext(path)[1][1:].lower(),
        instance_id="sweep",
        watched_directory=recording["watched_directory"],
    )
    return Emit("file.deleted", event, identity=f"{recording['recording_id']}:{recording['updated_at']}:gone")


def _options(options: Any) -> SweepOptions:
    try:
        return SweepOptions.model_validate(dict(options))
    except ValueError as error:
        raise PipelineError(f"The options of the sweep are wrong: {error}", where="options") from None
