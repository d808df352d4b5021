"""What is answered where there is no metadata to be had."""

from __future__ import annotations

from pipeline.stage import Emit, Failed, StageContext
from stages.answers import refused
from stages.contracts import MetadataExtractionComplete, MetadataExtractionRequest
from stages.metadata.extraction import ANSWER


def failed(request: MetadataExtractionRequest, failure: Failed, context: StageContext) -> Emit:
    """`success: false`, with the reason."""
    recording_id = request.recording_id
    return refused(ANSWER, MetadataExtractionComplete, request, context, failure, recording_id=recording_id)
