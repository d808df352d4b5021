"""What is answered where there is no metadata to be had."""

from __future__ import annotations

from pipeline.stage import Emit, Failed, StageContext
from stages.answers import Stopwatch
from stages.contracts import MetadataExtractionRequest
from stages.metadata.answer import answer


def failed(request: MetadataExtractionRequest, failure: Failed, context: StageContext) -> Emit:
    """`success: false`, with the reason."""
    return answer(
        request,
        context,
        success=False,
        error=failure.reason,
        error_code=failure.error_code,
        processing_time_ms=round(failure.elapsed_ms, 3),
        queue_time_ms=Stopwatch().queue_time_ms(request, context),
    )
