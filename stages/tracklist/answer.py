"""The answer to a request for a tracklist, whether there is one or not."""

from __future__ import annotations

from collections.abc import Sequence

from pipeline.stage import Completed, Emit, Failed, StageContext
from stages.answers import Stopwatch, answered, refused
from stages.contracts import TracklistGenerationComplete, TracklistGenerationRequest
from stages.tracklists import Tracklist

ANSWER = "tracklist.generate.complete"
COMPLETED = "tracklist_complete"


def completed(
    request: TracklistGenerationRequest,
    tracklist: Tracklist,
    context: StageContext,
    stopwatch: Stopwatch,
    warnings: Sequence[str] = (),
) -> list[Emit | Completed]:
    """What is published of a tracklist, and what those see who follow the job; they get its tracks from the store."""
    summary = {
        "tracklist_id": tracklist.tracklist_id,
        "source": tracklist.source,
        "confidence": tracklist.confidence,
        "track_count": len(tracklist.entries),
        "duration_seconds": tracklist.duration_seconds,
        "warnings": list(warnings),
    }
    emit = answered(
        ANSWER,
        TracklistGenerationComplete,
        request,
        context,
        stopwatch,
        recording_id=request.recording_id,
        tracks=[entry.model_dump(mode="json") for entry in tracklist.entries],
        **summary,
    )
    return [emit, Completed(COMPLETED, summary)]


def failed(request: TracklistGenerationRequest, failure: Failed, context: StageContext) -> Emit:
    """`success: false`, with the reason."""
    recording_id = request.recording_id
    return refused(ANSWER, TracklistGenerationComplete, request, context, failure, recording_id=recording_id)
