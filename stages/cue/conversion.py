"""`cue.conversion`: a stored sheet in another format, and what is lost on the way."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from pipeline.errors import ErrorCode, Permanent, Transient
from pipeline.messages.message import derive_message_id
from pipeline.stage import Completed, Emit, StageContext
from stages.answers import Stopwatch
from stages.contracts import CueConversionRequest
from stages.cue.answers import conversion_answer
from stages.cue.findings import report_of
from stages.cue.formats import Audio, format_named
from stages.cue.generation import losses_found, result_of
from stages.cue.parse import parse
from stages.cue.profiles import Loss
from stages.cue.sheet import Sheet, Track
from stages.cue.sheets import is_of, read, readable_format, store, stored_already
from stages.cue.validate import validate
from stages.cue_files import CueFiles

_METADATA = ("songwriter", "catalog", "cdtextfile", "isrc", "flags")


async def convert(request: CueConversionRequest, context: StageContext) -> list[Emit | Completed]:
    """Convert and answer.

    Raises: Permanent, UNKNOWN_CUE_FILE, FILE_NOT_FOUND, UNKNOWN_FORMAT or INVALID_CUE; Transient where the disk fails.
    """
    stopwatch = Stopwatch()
    target = format_named(request.target_format)
    source = await CueFiles(context.state).known(request.source_cue_file_id)
    context.track(source.recording_id)
    readable_format(source)
    content, _ = await read(source)
    sheet = _checked(content)
    left_out: tuple[Loss, ...] = ()
    if not request.preserve_metadata:
        sheet, left_out = without_metadata(sheet)
    audio_path = Path(source.audio_file_path or sheet.files[0].name)
    rendered = target.render(sheet, Audio(audio_path))
    report = report_of(validate(rendered.sheet, profile=target.profile).findings, losses_found(rendered))
    cue_file_id = derive_message_id(request.message_id, "cue_file", source.cue_file_id, target.name)
    cue_file = await stored_already(cue_file_id, context)
    if cue_file is None or not is_of(cue_file, rendered):
        try:
            cue_file = await store(
                rendered,
                cue_file_id,
                context,
                format=target.name,
                tracklist=source,
                audio_path=audio_path,
                job_id=request.conversion_job_id,
                source=source,
            )
        except OSError as error:
            raise Transient(
                f"The sheet cannot be written: {error.strerror}", ErrorCode.DEPENDENCY_UNAVAILABLE
            ) from error
    losses = [loss.as_json() for loss in (*left_out, *rendered.losses)]
    found = {**result_of(cue_file), "validation_report": report.as_json(), "losses": losses}
    answer = conversion_answer(request, context, stopwatch, **found)
    return [answer, Completed("cue_conversion_complete", {"target_format": target.name, **found})]


def without_metadata(sheet: Sheet) -> tuple[Sheet, tuple[Loss, ...]]:
    """Times, titles and performers alone, and what else there was."""
    losses = tuple(_metadata(sheet))
    files = tuple(
        replace(
            file,
            tracks=tuple(replace(track, songwriter=None, isrc=None, flags=(), rems=()) for track in file.tracks),
        )
        for file in sheet.files
    )
    return replace(sheet, files=files, songwriter=None, catalog=None, cdtextfile=None, rems=()), losses


def _metadata(sheet: Sheet) -> Iterator[Loss]:
    parts: list[tuple[Sheet | Track, int | None]] = [(sheet, None), *((each, each.number) for each in sheet.tracks())]
    for part, number in parts:
        for field in _METADATA:
            if getattr(part, field, None):
                yield Loss(field, "left out as asked", number)
        for rem in part.rems:
            yield Loss(f"REM {rem.key}", "left out as asked", number)


def _checked(content: bytes) -> Sheet:
    """The sheet, if it is one that a player can follow. Raises Permanent, INVALID_CUE."""
    parsed = parse(content)
    report = validate(parsed, profile=format_named("cdj").profile)
    errors = [each for each in report.errors if each.code != "TOO_MANY_TRACKS"]
    if errors:
        raise Permanent(
            f"The sheet is not valid: {errors[0].message}", ErrorCode.INVALID_CUE, validation_report=report.as_json()
        )
    return parsed.sheet
