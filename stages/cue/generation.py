"""`cue.generation.single` and `.batch`: sheets of a stored tracklist.

Without `validate_audio` the work is done at once; with it, the audio is opened in a process first. Each format of a
request has an id of its own, derived from the request's, so that a sheet that is there is never written again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pipeline.errors import ErrorCode, Permanent, Transient
from pipeline.messages.message import derive_message_id
from pipeline.stage import Completed, Emit, StageContext
from stages.answers import Stopwatch
from stages.contracts import BatchCueGenerationRequest, CueGenerationRequest, FormatResult
from stages.cue.answers import batch_answer, single_answer
from stages.cue.findings import Finding, Report, report_of
from stages.cue.formats import Audio, Rendered, format_named, render_tracklist
from stages.cue.sheets import is_of, store, stored_already
from stages.cue.validate import validate
from stages.cue_files import CueFile
from stages.paths import inside_roots
from stages.tracklists import Tracklist, Tracklists

Request = CueGenerationRequest | BatchCueGenerationRequest

_OPTIONS = frozenset({"audio_file_name"})


@dataclass(frozen=True, slots=True)
class Prepared:
    """A request with its tracklist.

    Attributes:
        seconds: how long the audio is, once it was opened.
    """

    request: Request
    tracklist: Tracklist
    audio_path: Path
    stopwatch: Stopwatch
    seconds: float | None = None

    def with_seconds(self, seconds: float | None) -> Prepared:
        return replace(self, seconds=seconds)

    @property
    def job_id(self) -> str:
        return self.request.job_id if isinstance(self.request, CueGenerationRequest) else self.request.batch_job_id

    @property
    def formats(self) -> Sequence[str]:
        """Those that are asked for, each once."""
        if isinstance(self.request, CueGenerationRequest):
            return [self.request.format]
        return list(dict.fromkeys(self.request.formats))


async def prepare(request: Request, context: StageContext) -> Prepared | list[Emit | Completed]:
    """Find the tracklist; where the audio need not be opened, do everything.

    Raises: Permanent, UNKNOWN_TRACKLIST, PATH_NOT_ALLOWED, and what `deliver` raises.
    """
    stopwatch = Stopwatch()
    tracklist = await Tracklists(context.state).known(request.tracklist_id)
    context.track(tracklist.recording_id)
    named = request.audio_file_path if isinstance(request, CueGenerationRequest) else None
    audio_path = Path(tracklist.file_path) if named is None else inside_roots(named, context.roots)
    prepared = Prepared(request, tracklist, audio_path, stopwatch)
    return prepared if request.validate_audio else await deliver(prepared, context)


async def deliver(prepared: Prepared, context: StageContext) -> list[Emit | Completed]:
    """Write the sheets and answer.

    Raises: Permanent, UNKNOWN_FORMAT or INVALID_CUE, where the only format fails; Transient where the disk does.
    """
    request = prepared.request
    if isinstance(request, CueGenerationRequest):
        cue_file, report = await sheet_in(request.format, prepared, context)
        found = {**result_of(cue_file), "validation_report": report.as_json()}
        answer = single_answer(request, context, prepared.stopwatch, **found)
        return [answer, Completed("cue_generation_complete", {"format": request.format, **found})]
    results = await _each_format(prepared, context)
    failed = [result for result in results if not result.success]
    told = (
        {}
        if not failed
        else {
            "success": False,
            "error": f"{len(failed)} of {len(results)} formats failed",
            "error_code": failed[0].error_code,
        }
    )
    answer = batch_answer(request, context, prepared.stopwatch, results=results, **told)
    shown = [result.model_dump(mode="json") for result in results]
    return [answer, Completed("batch_cue_generation_complete", {"results": shown, "success": not failed})]


async def sheet_in(format: str, prepared: Prepared, context: StageContext) -> tuple[CueFile, Report]:
    """The sheet in a format, written now or by an earlier attempt, and what is to be said of it.

    Raises: Permanent, UNKNOWN_FORMAT or INVALID_CUE (`validation_report` in its details); Transient.
    """
    wanted = format_named(format)
    options = prepared.request.options
    rendered = render_tracklist(
        wanted.name, prepared.tracklist, Audio(prepared.audio_path, prepared.seconds), _audio_name(options)
    )
    report = report_of(
        validate(rendered.sheet, audio_seconds=prepared.seconds, profile=wanted.profile).findings,
        losses_found(rendered),
        [_unknown(option) for option in options if option not in _OPTIONS],
    )
    if not report.is_valid:
        raise Permanent(
            f"The tracklist makes no valid sheet: {report.errors[0].message}",
            ErrorCode.INVALID_CUE,
            validation_report=report.as_json(),
        )
    cue_file_id = sheet_id(prepared.request, wanted.name)
    cue_file = await stored_already(cue_file_id, context)
    if cue_file is None or not is_of(cue_file, rendered):
        try:
            cue_file = await store(
                rendered,
                cue_file_id,
                context,
                format=wanted.name,
                tracklist=prepared.tracklist,
                audio_path=prepared.audio_path,
                job_id=prepared.job_id,
            )
        except OSError as error:
            raise Transient(
                f"The sheet cannot be written: {error.strerror}", ErrorCode.DEPENDENCY_UNAVAILABLE
            ) from error
    return cue_file, report


def sheet_id(request: Request, format: str) -> str:
    """The id of the sheet that a request gets in a format."""
    return derive_message_id(request.message_id, "cue_file", request.tracklist_id, format)


def result_of(cue_file: CueFile) -> dict[str, Any]:
    """What answers say of a sheet that was written."""
    return {
        "cue_file_id": cue_file.cue_file_id,
        "file_path": cue_file.file_path,
        "file_size": cue_file.file_size,
        "checksum": cue_file.checksum,
    }


def losses_found(rendered: Rendered) -> list[Finding]:
    """What the format does not hold, as warnings."""
    return [
        Finding(
            "TEXT_TOO_LONG" if loss.reason.startswith("cut") else "NOT_IN_PROFILE",
            f"{loss.field}: {loss.reason}",
            "warning",
            loss.track,
        )
        for loss in rendered.losses
    ]


async def _each_format(prepared: Prepared, context: StageContext) -> list[FormatResult]:
    """A result for each. Raises the first Transient after all were tried: the next attempt finds what is written."""
    results: list[FormatResult] = []
    later: Transient | None = None
    for number, each in enumerate(prepared.formats):
        context.progress(number / len(prepared.formats), f"writing {each}")
        try:
            results.append(await _result_in(each, prepared, context))
        except Transient as error:
            later = later or error
    if later is not None:
        raise later
    return results


async def _result_in(format: str, prepared: Prepared, context: StageContext) -> FormatResult:
    try:
        cue_file, report = await sheet_in(format, prepared, context)
    except Permanent as refused:
        return FormatResult(
            format=format,
            success=False,
            error=refused.reason,
            error_code=refused.error_code,
            validation_report=refused.details.get("validation_report"),
        )
    found = {**result_of(cue_file), "validation_report": report.as_json()}
    return FormatResult.model_validate({"format": format, "success": True, **found})


def _audio_name(options: Mapping[str, Any]) -> str | None:
    """What the sheet is to call the audio file. Raises Permanent, INVALID_MESSAGE."""
    name = options.get("audio_file_name")
    if name is None or (isinstance(name, str) and 0 < len(name) <= 1024 and "/" not in name and "\\" not in name):
        return name
    raise Permanent("options.audio_file_name is not the name of a file", ErrorCode.INVALID_MESSAGE)


def _unknown(option: str) -> Finding:
    return Finding("UNKNOWN_OPTION", f"No option is called {option[:40]!r}; there is audio_file_name", "warning")
