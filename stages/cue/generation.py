"""`cue.generation.single` and `.batch`: sheets of a stored tracklist.

Without `validate_audio` the work is done at once; with it, the audio is opened in a process first. Each format of a
request has an id of its own, derived from the request's, so that a sheet that is there is never written again.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from pipeline.errors import ErrorCode, Permanent
from pipeline.messages.message import derive_message_id
from pipeline.stage import Completed, Emit, StageContext
from stages.answers import Stopwatch
from stages.contracts import BatchCueGenerationRequest, CueGenerationRequest
from stages.cue.answers import batch_answer, shown, single_answer
from stages.cue.audio import AboutAudio, audio_of
from stages.cue.batch import in_each_format
from stages.cue.build import left_out
from stages.cue.findings import Finding, Report, report_of
from stages.cue.formats import Audio, Format, Rendered, format_named, render_tracklist
from stages.cue.options import SheetOptions, chosen, unknown_options
from stages.cue.parse import parse
from stages.cue.sheets import Order, kept
from stages.cue.validate import validate
from stages.cue_files import CueFile
from stages.tracklists import Tracklist, Tracklists

Request = CueGenerationRequest | BatchCueGenerationRequest


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared(AboutAudio):
    """A request with its tracklist."""

    request: Request
    tracklist: Tracklist
    options: SheetOptions
    stopwatch: Stopwatch

    @property
    def job_id(self) -> str:
        return self.request.job_id if isinstance(self.request, CueGenerationRequest) else self.request.batch_job_id


async def prepare(request: Request, context: StageContext) -> Prepared | list[Emit | Completed]:
    """Find the tracklist; where the audio need not be opened, do everything.

    Raises: Permanent, UNKNOWN_TRACKLIST, UNKNOWN_FORMAT, PATH_NOT_ALLOWED, INVALID_MESSAGE, and what `deliver` raises.
    """
    stopwatch = Stopwatch()
    tracklist = await Tracklists(context.state).known(request.tracklist_id)
    context.track(tracklist.recording_id)
    named = None
    if isinstance(request, CueGenerationRequest):
        format_named(request.format)
        named = request.audio_file_path
    prepared = Prepared(
        request=request,
        tracklist=tracklist,
        options=chosen(SheetOptions, request.options),
        stopwatch=stopwatch,
        audio_path=await audio_of(tracklist.recording_id, named, tracklist.file_path, context),
    )
    return prepared if request.validate_audio else await deliver(prepared, context)


async def deliver(prepared: Prepared, context: StageContext) -> list[Emit | Completed]:
    """Write the sheets and answer.

    Raises:
        Permanent: UNKNOWN_FORMAT or INVALID_CUE; for a batch the first of its formats' failures, after all were tried.
        Transient: where the disk fails.
    """
    request = prepared.request
    if isinstance(request, CueGenerationRequest):
        found = await sheet_in(request.format, prepared, context)
        answer = single_answer(request, context, prepared.stopwatch, **found)
        return [answer, Completed("cue_generation_complete", {"format": request.format, **shown(found)})]

    async def written(format: str) -> dict[str, Any]:
        return await sheet_in(format, prepared, context)

    results = await in_each_format(request.formats, written, context)
    answer = batch_answer(request, context, prepared.stopwatch, results=results)
    return [answer, Completed("batch_cue_generation_complete", {"results": [shown(each) for each in results]})]


async def sheet_in(format: str, prepared: Prepared, context: StageContext) -> dict[str, Any]:
    """What is to be said of the sheet in a format, written now or by an earlier attempt.

    Raises: Permanent, UNKNOWN_FORMAT or INVALID_CUE (`validation_report` in its details); Transient.
    """
    wanted = format_named(format)
    rendered = render_tracklist(
        wanted.name,
        prepared.tracklist,
        Audio(prepared.audio_path, prepared.seconds),
        prepared.options.audio_file_name,
        with_gaps=prepared.options.include_pregap,
    )
    report = report_of(
        checked(wanted, rendered, prepared.seconds),
        list(losses_found(rendered)),
        list(left_out(prepared.tracklist)),
        unknown_options(prepared.options),
    )
    refuse_invalid(report, "The tracklist makes no valid sheet")
    order = Order(
        sheet_id(prepared.request, wanted.name),
        wanted.name,
        prepared.tracklist,
        prepared.audio_path,
        prepared.job_id,
    )
    context.progress(0.9, f"writing {wanted.name}")
    return result_of(await kept(order, rendered, report, context)) | {"validation_report": report.as_json()}


def sheet_id(request: Request, format: str) -> str:
    """The id of the sheet that a request gets in a format."""
    return derive_message_id(request.message_id, "cue_file", request.tracklist_id, format)


def checked(wanted: Format, rendered: Rendered, seconds: float | None) -> Sequence[Finding]:
    """What is found in a sheet as its readers will read it, with lines; a program's own form holds any text."""
    if wanted.readable:
        return validate(parse(rendered.content), audio_seconds=seconds, profile=wanted.profile).findings
    findings = validate(rendered.sheet, audio_seconds=seconds, profile=wanted.profile).findings
    return [each for each in findings if each.code != "BAD_TEXT"]


def refuse_invalid(report: Report, what: str) -> None:
    """Raises Permanent, INVALID_CUE, for a report with errors, which is in its details."""
    if not report.is_valid:
        raise Permanent(
            f"{what}: {report.errors[0].message}", ErrorCode.INVALID_CUE, validation_report=report.as_json()
        )


def result_of(cue_file: CueFile) -> dict[str, Any]:
    """What answers say of a sheet that was written."""
    return {
        "cue_file_id": cue_file.cue_file_id,
        "file_path": cue_file.file_path,
        "file_size": cue_file.file_size,
        "checksum": cue_file.checksum,
    }


def losses_found(rendered: Rendered) -> Iterator[Finding]:
    """What the format does not hold, as warnings."""
    for loss in rendered.losses:
        code = "TEXT_TOO_LONG" if loss.reason.startswith("cut") else "NOT_IN_PROFILE"
        yield Finding(code, f"{loss.field}: {loss.reason}", "warning", loss.track)
