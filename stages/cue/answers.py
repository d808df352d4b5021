"""The answers to requests for sheets, whether they were fulfilled or not."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pipeline.stage import Emit, Failed, StageContext
from stages.answers import Stopwatch, answered, refused
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

Ending = Stopwatch | Failed
"""Since when the request has been worked on, or how that failed."""


_FOR_PROGRAMS = ("file_path",)


def shown(found: Mapping[str, Any]) -> dict[str, Any]:
    """What an answer says of a sheet, as dashboards see it: no path on the server."""
    return {name: value for name, value in found.items() if name not in _FOR_PROGRAMS}


def single_answer(request: CueGenerationRequest, context: StageContext, ending: Ending, **found: Any) -> Emit:
    about = {"job_id": request.job_id, "tracklist_id": request.tracklist_id, "format": request.format}
    return _answer("cue.generation.complete", CueGenerationComplete, request, context, ending, about | found)


def batch_answer(request: BatchCueGenerationRequest, context: StageContext, ending: Ending, **found: Any) -> Emit:
    job = request.batch_job_id
    about = {"job_id": job, "batch_job_id": job, "tracklist_id": request.tracklist_id}
    return _answer("cue.generation.batch.complete", BatchCueGenerationComplete, request, context, ending, about | found)


def validation_answer(request: CueValidationRequest, context: StageContext, ending: Ending, **found: Any) -> Emit:
    job = request.validation_job_id
    about = {"job_id": job, "validation_job_id": job, "cue_file_id": request.cue_file_id}
    return _answer("cue.validation.complete", CueValidationComplete, request, context, ending, about | found)


def conversion_answer(request: CueConversionRequest, context: StageContext, ending: Ending, **found: Any) -> Emit:
    job = request.conversion_job_id
    about = {
        "job_id": job,
        "conversion_job_id": job,
        "source_cue_file_id": request.source_cue_file_id,
        "target_format": request.target_format,
    }
    return _answer("cue.conversion.complete", CueConversionComplete, request, context, ending, about | found)


def _answer(
    message: str,
    model: type[TimedAnswer],
    request: CueMessage,
    context: StageContext,
    ending: Ending,
    fields: dict[str, Any],
) -> Emit:
    if isinstance(ending, Stopwatch):
        return answered(message, model, request, context, ending, **fields)
    if "validation_report" in model.model_fields:  # of a sheet that was found wrong
        fields = {**fields, "validation_report": ending.details.get("validation_report")}
    return refused(message, model, request, context, ending, **fields)
