"""Calling off the analysis of a recording."""

from __future__ import annotations

from datetime import UTC, datetime

from pipeline.stage import Cancel, StageContext
from stages.contracts import AnalysisCancellation
from stages.recordings import Recordings


async def cancel(request: AnalysisCancellation, context: StageContext) -> Cancel:
    """End what is queued or running for the recording; what is asked for afterwards is done.

    Raises: Permanent, UNKNOWN_RECORDING, where the recording is neither in the catalog nor was ever worked on.
    """
    if await context.standing(request.recording_id) is None:
        await Recordings(context.state).known(request.recording_id)
    now = datetime.now(UTC)
    asked_at = context.envelope.timestamp or now
    if asked_at.tzinfo is None:
        asked_at = asked_at.replace(tzinfo=UTC)
    # A clock ahead of ours must not call off what is asked for later.
    return Cancel(request.recording_id, "The analysis was cancelled", min(asked_at, now))
