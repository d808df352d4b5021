"""What is answered where a request for a sheet has failed for good."""

from __future__ import annotations

from pipeline.stage import Emit, Failed, StageContext
from stages.contracts import (
    BatchCueGenerationRequest,
    CueConversionRequest,
    CueGenerationRequest,
    CueValidationRequest,
    FormatResult,
)
from stages.cue.answers import batch_answer, conversion_answer, single_answer, validation_answer
from stages.cue.generation import result_of, sheet_id
from stages.cue.sheets import stored_already


def single_failed(request: CueGenerationRequest, failed: Failed, context: StageContext) -> Emit:
    return single_answer(request, context, failed)


async def batch_failed(request: BatchCueGenerationRequest, failed: Failed, context: StageContext) -> Emit:
    """With a result for each format: those that an earlier attempt has written are there."""
    results = []
    for name in dict.fromkeys(request.formats):
        written = await stored_already(sheet_id(request, name.lower()), context)
        if written is not None:
            results.append(FormatResult.model_validate({"format": name, "success": True, **result_of(written)}))
        else:
            results.append(FormatResult(format=name, success=False, error=failed.reason, error_code=failed.error_code))
    return batch_answer(request, context, failed, results=results)


def validation_failed(request: CueValidationRequest, failed: Failed, context: StageContext) -> Emit:
    return validation_answer(request, context, failed)


def conversion_failed(request: CueConversionRequest, failed: Failed, context: StageContext) -> Emit:
    return conversion_answer(request, context, failed)
