"""What is answered where a request for a sheet has failed for good."""

from __future__ import annotations

from typing import Any

from pipeline.stage import Emit, Failed, StageContext
from stages.contracts import (
    BatchCueGenerationRequest,
    CueConversionRequest,
    CueGenerationRequest,
    CueValidationRequest,
)
from stages.cue.answers import batch_answer, conversion_answer, single_answer, validation_answer
from stages.cue.batch import each_once, results_of
from stages.cue.generation import result_of, sheet_id
from stages.cue.sheets import stored_already


def single_failed(request: CueGenerationRequest, failed: Failed, context: StageContext) -> Emit:
    return single_answer(request, context, failed)


async def batch_failed(request: BatchCueGenerationRequest, failed: Failed, context: StageContext) -> Emit:
    """With a result for each format: the sheets that were written are there."""
    written: dict[str, dict[str, Any]] = {}
    for name in each_once(request.formats):
        cue_file = await stored_already(sheet_id(request, name.lower()), context)
        if cue_file is not None:
            written[name] = result_of(cue_file) | {"validation_report": cue_file.validation_report}
    return batch_answer(request, context, failed, results=results_of(request.formats, failed, written))


def validation_failed(request: CueValidationRequest, failed: Failed, context: StageContext) -> Emit:
    return validation_answer(request, context, failed)


def conversion_failed(request: CueConversionRequest, failed: Failed, context: StageContext) -> Emit:
    return conversion_answer(request, context, failed)
