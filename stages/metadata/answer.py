"""The answer to a request for metadata, whether there is any or not."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from pipeline.messages.message import derive_message_id
from pipeline.stage import Emit, StageContext
from stages.contracts import MetadataExtractionComplete, MetadataExtractionRequest

MESSAGE = "metadata.extract.complete"


def answer(
    request: MetadataExtractionRequest,
    context: StageContext,
    *,
    success: bool,
    processing_time_ms: float,
    error: str | None = None,
    error_code: str | None = None,
    **found: Any,
) -> Emit:
    """The same one for a request that is delivered again, under the same id in its body and on the wire."""
    asked = context.envelope.message_id
    identity = f"{asked or uuid4()}:{'found' if success else 'failed'}"
    body = MetadataExtractionComplete(
        message_id=derive_message_id(MESSAGE, identity),
        timestamp=datetime.now(UTC),
        original_message_id=asked,
        correlation_id=request.correlation_id or context.envelope.correlation_id,
        job_id=request.job_id or asked,
        recording_id=request.recording_id,
        success=success,
        error=error,
        error_code=error_code,
        processing_time_ms=processing_time_ms,
        **found,
    )
    return Emit(MESSAGE, body, identity=identity)
