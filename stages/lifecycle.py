"""What a file's fate means for the work on it: a deleted file is not analysed any more."""

from __future__ import annotations

from pipeline.stage import Cancel, StageContext
from stages.contracts import FileDiscovered, FileLifecycleEvent
from stages.recordings import Recordings, time_of
from stages.sighting import sighting_of


async def follow(event: FileDiscovered | FileLifecycleEvent, context: StageContext) -> Cancel | None:
    """End queued or running work on a file that has gone. Moves and new contents are the catalog's."""
    sighting = sighting_of(event)
    if sighting.kind != "deleted":
        return None
    recording = await Recordings(context.state).at(sighting.path)
    if recording is None or recording["updated_at"] > time_of(sighting):
        return None
    return Cancel(recording["recording_id"], "The file was deleted")
