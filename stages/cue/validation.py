"""`cue.validation`: everything that is found about a stored sheet, with lines, and against its audio."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass

from pipeline.stage import Completed, Emit, StageContext
from stages.answers import Stopwatch
from stages.contracts import CueValidationRequest
from stages.cue.answers import validation_answer
from stages.cue.audio import AboutAudio, audio_of
from stages.cue.findings import Finding, Report, report_of
from stages.cue.formats import Format, format_named
from stages.cue.options import ValidationOptions, chosen, unknown_options
from stages.cue.parse import parse
from stages.cue.sheets import changed, read, readable_format
from stages.cue.validate import validate
from stages.cue_files import CueFile, CueFiles


@dataclass(frozen=True, slots=True, kw_only=True)
class Examined(AboutAudio):
    """A sheet and its bytes.

    Attributes:
        intact: whether the bytes are those that were written.
    """

    request: CueValidationRequest
    cue_file: CueFile
    options: ValidationOptions
    content: bytes
    intact: bool
    stopwatch: Stopwatch


async def examine(request: CueValidationRequest, context: StageContext) -> Examined | list[Emit | Completed]:
    """Read the sheet; where no audio is to be looked at, check it at once.

    Raises:
        Permanent: UNKNOWN_CUE_FILE, FILE_NOT_FOUND, UNKNOWN_FORMAT, PATH_NOT_ALLOWED, INVALID_MESSAGE, or INVALID_CUE
            for what is too large to be a sheet.
        Transient: where the file system fails.
    """
    stopwatch = Stopwatch()
    options = chosen(ValidationOptions, request.validation_options)
    cue_file = await CueFiles(context.state).known(request.cue_file_id)
    context.track(cue_file.recording_id)
    readable_format(cue_file)
    _held_against(options, cue_file)
    content, intact = await read(cue_file)
    named = request.audio_file_path
    examined = Examined(
        request=request,
        cue_file=cue_file,
        options=options,
        content=content,
        intact=intact,
        stopwatch=stopwatch,
        audio_path=await audio_of(cue_file.recording_id, named, cue_file.audio_file_path or "", context),
        needs_audio=named is not None,
    )
    return examined if named is not None or options.check_audio else await conclude(examined, context)


async def conclude(examined: Examined, context: StageContext) -> list[Emit | Completed]:
    """Check the sheet and answer: successful, whatever was found in it. Raises: Permanent, INVALID_CUE, as `parse`."""
    report = (await asyncio.to_thread(_report, examined)).as_json()
    answer = validation_answer(examined.request, context, examined.stopwatch, validation_report=report)
    results = {"cue_file_id": examined.cue_file.cue_file_id, "validation_report": report}
    return [answer, Completed("cue_validation_complete", results)]


def _report(examined: Examined) -> Report:
    profile = _held_against(examined.options, examined.cue_file).profile
    return report_of(
        validate(parse(examined.content), audio_seconds=examined.seconds, profile=profile).findings,
        list(_beside_the_sheet(examined)),
        unknown_options(examined.options),
    )


def _beside_the_sheet(examined: Examined) -> Iterator[Finding]:
    if not examined.intact:
        yield changed()
    if examined.not_opened is not None:
        yield Finding("AUDIO_NOT_CHECKED", f"Not held against its audio: {examined.not_opened}", "warning")


def _held_against(options: ValidationOptions, cue_file: CueFile) -> Format:
    """The format whose limits hold: the one that the options name, else the sheet's own."""
    return format_named(options.format or cue_file.format)
