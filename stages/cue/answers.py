"""The answers to requests for sheets: the same one for a request that is delivered again."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, TypeVar

from pipeline.messages.message import derive_message_id
from pipeline.stage import Emit, Failed, StageContext
from stages.answers import Stopwatch
from stages.contracts import (
    BatchCueGenerationComplete,
    BatchCueGenerationRequest,
    CueConversionComplete,
    CueConversionRequest,
    CueGenerationComplete,
    CueGenerationRequest,
    CueMessage,
    CueValidationComplete,
    CueValidationRequest,
    TimedAnswer,
)

A = TypeVar("A", bound=TimedAnswer)
Timing = Stopwatch | Failed
"""When the work began, or how it ended."""


def single_answer(request: CueGenerationRequest, context: StageContext, timing: Timing, **found: Any) -> Emit:
    about = {"job_id": request.job_id, "tracklist_id": request.tracklist_id}
    return _answer("cue.generation.complete", CueGenerationComplete, request, context, timing, about | found)


def batch_answer(request: BatchCueGenerationRequest, context: StageContext, timing: Timing, **found: Any) -> Emit:
    job = request.batch_job_id
    about = {"job_id": job, "batch_job_id": job, "tracklist_id": request.tracklist_id}
    return _answer("cue.generation.batch.complete", BatchCueGenerationComplete, request, context, timing, about | found)


def validation_answer(request: CueValidationRequest, context: StageContext, timing: Timing, **found: Any) -> Emit:
    job = request.validation_job_id
    about = {"job_id": job, "validation_job_id": job, "cue_file_id": request.cue_file_id}
    return _answer("cue.validation.complete", CueValidationComplete, request, context, timing, about | found)


def conversion_answer(request: CueConversionRequest, context: StageContext, timing: Timing, **found: Any) -> Emit:
    job = request.conversion_job_id
    about = {
        "job_id": job,
        "conversion_job_id": job,
        "source_cue_file_id": request.source_cue_file_id,
        "target_format": request.target_format,
    }
    return _answer("cue.conversion.complete", CueConversionComplete, request, context, timing, about | found)


def failure(failed: Failed) -> dict[str, Any]:
    """What an answer says of a failure; the report of a sheet that was found wrong goes along."""
    return {
        "success": False,
        "error": failed.reason,
        "error_code": failed.error_code,
        "validation_report": failed.details.get("validation_report"),
    }


def _answer(
    message: str, model: type[A], request: CueMessage, context: StageContext, timing: Timing, fields: dict[str, Any]
) -> Emit:
    succeeded = isinstance(timing, Stopwatch)
    watch = timing if isinstance(timing, Stopwatch) else Stopwatch()
    identity = f"{request.message_id}:{'done' if succeeded else 'failed'}"
    body = model.model_validate(
        {
            "message_id": derive_message_id(message, identity),
            "timestamp": datetime.now(UTC),
            "original_message_id": request.message_id,
            "correlation_id": request.correlation_id or context.envelope.correlation_id,
            "processing_time_ms": timing.processing_time_ms() if isinstance(timing, Stopwatch) else timing.elapsed_ms,
            "queue_time_ms": watch.queue_time_ms(request, context),
            **fields,
        }
    )
    return Emit(message, body, identity=identity)
