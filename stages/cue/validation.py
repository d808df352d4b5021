"""`cue.validation`: everything that is found about a stored sheet, with lines, and against its audio."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from pipeline.errors import ErrorCode, Permanent
from pipeline.stage import Completed, Emit, StageContext
from stages.answers import Stopwatch
from stages.contracts import CueValidationRequest
from stages.cue.answers import validation_answer
from stages.cue.findings import Finding, report_of
from stages.cue.formats import format_named
from stages.cue.parse import parse
from stages.cue.sheets import read, readable_format
from stages.cue.validate import validate
from stages.cue_files import CueFile, CueFiles
from stages.paths import inside_roots


@dataclass(frozen=True, slots=True)
class Examined:
    """A sheet and its bytes.

    Attributes:
        intact: whether they are those that were written.
        seconds: how long the audio is, once it was opened.
    """

    request: CueValidationRequest
    cue_file: CueFile
    content: bytes
    intact: bool
    audio_path: Path
    stopwatch: Stopwatch
    seconds: float | None = None

    def with_seconds(self, seconds: float | None) -> Examined:
        return replace(self, seconds=seconds)


async def examine(request: CueValidationRequest, context: StageContext) -> Examined | list[Emit | Completed]:
    """Read the sheet; where no audio is named, check it at once.

    Raises: Permanent, UNKNOWN_CUE_FILE, FILE_NOT_FOUND, UNKNOWN_FORMAT, PATH_NOT_ALLOWED, INVALID_MESSAGE.
    """
    stopwatch = Stopwatch()
    cue_file = await CueFiles(context.state).known(request.cue_file_id)
    context.track(cue_file.recording_id)
    readable_format(cue_file)
    content, intact = await read(cue_file)
    if request.audio_file_path is None:
        return conclude(Examined(request, cue_file, content, intact, Path(), stopwatch), context)
    audio_path = inside_roots(request.audio_file_path, context.roots)
    return Examined(request, cue_file, content, intact, audio_path, stopwatch)


def conclude(examined: Examined, context: StageContext) -> list[Emit | Completed]:
    """Check the sheet and answer: successful, whatever was found in it.

    Raises: Permanent, UNKNOWN_FORMAT, INVALID_MESSAGE, INVALID_CUE (what is too large to be a sheet).
    """
    profile = format_named(_profile(examined)).profile
    changed = Finding("CHECKSUM_MISMATCH", "The file is not as it was written", "warning")
    report = report_of(
        validate(parse(examined.content), audio_seconds=examined.seconds, profile=profile).findings,
        [] if examined.intact else [changed],
    ).as_json()
    answer = validation_answer(examined.request, context, examined.stopwatch, validation_report=report)
    results = {"cue_file_id": examined.cue_file.cue_file_id, "validation_report": report}
    return [answer, Completed("cue_validation_complete", results)]


def _profile(examined: Examined) -> str:
    """The format whose limits hold: the sheet's own, or the one that the options name."""
    named = examined.request.validation_options.get("format", examined.cue_file.format)
    if not isinstance(named, str):
        raise Permanent("validation_options.format is not the name of a format", ErrorCode.INVALID_MESSAGE)
    return named
