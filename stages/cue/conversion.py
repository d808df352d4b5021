"""`cue.conversion`: a stored sheet in another format, and what is lost on the way."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pipeline.messages.message import derive_message_id
from pipeline.stage import Completed, Emit, StageContext
from stages.answers import Stopwatch
from stages.contracts import CueConversionRequest
from stages.cue.answers import conversion_answer, shown
from stages.cue.audio import audio_of
from stages.cue.findings import Report, report_of
from stages.cue.formats import Audio, Format, Rendered, format_named
from stages.cue.generation import checked, losses_found, refuse_invalid, result_of
from stages.cue.options import ConversionOptions, chosen, unknown_options
from stages.cue.parse import parse
from stages.cue.profiles import Loss
from stages.cue.sheet import Sheet, Track, file_type
from stages.cue.sheets import Order, changed, kept, read, readable_format
from stages.cue.validate import validate
from stages.cue_files import CueFiles

_MOST_LOSSES = 500
_METADATA = ("songwriter", "catalog", "cdtextfile", "isrc", "flags")


async def convert(request: CueConversionRequest, context: StageContext) -> list[Emit | Completed]:
    """Convert and answer.

    Raises:
        Permanent: UNKNOWN_CUE_FILE, FILE_NOT_FOUND, UNKNOWN_FORMAT, INVALID_MESSAGE or INVALID_CUE.
        Transient: where the disk fails.
    """
    stopwatch = Stopwatch()
    target = format_named(request.target_format)
    options = chosen(ConversionOptions, request.conversion_options)
    source = await CueFiles(context.state).known(request.source_cue_file_id)
    context.track(source.recording_id)
    readable_format(source)
    content, intact = await read(source)
    context.progress(0.2, "reading the sheet")
    audio_path = await audio_of(source.recording_id, None, source.audio_file_path or "", context)
    converted = await asyncio.to_thread(_converted, content, target, request.preserve_metadata, options, audio_path)
    report = report_of(converted.report.findings, [] if intact else [changed()], unknown_options(options))
    refuse_invalid(report, f"The sheet makes no valid one for {target.name}")
    cue_file_id = derive_message_id(request.message_id, "cue_file", source.cue_file_id, target.name)
    order = Order(cue_file_id, target.name, source, audio_path, request.conversion_job_id)
    context.progress(0.9, f"writing {target.name}")
    found = result_of(await kept(order, converted.rendered, report, context)) | {
        "validation_report": report.as_json(),
        "losses": losses_told(converted.losses),
    }
    answer = conversion_answer(request, context, stopwatch, **found)
    return [answer, Completed("cue_conversion_complete", {"target_format": target.name, **shown(found)})]


def losses_told(losses: Sequence[Loss]) -> list[dict[str, Any]]:
    """As answers have them: one by one, or, of very many, those of one sort together with all their tracks."""
    if len(losses) <= _MOST_LOSSES:
        return [loss.as_json() for loss in losses]
    together: dict[tuple[str, str], list[int]] = {}
    for loss in losses:
        together.setdefault((loss.field, loss.reason), []).extend([] if loss.track is None else [loss.track])
    return [Loss(field, reason).as_json() | {"tracks": tracks} for (field, reason), tracks in together.items()]


@dataclass(frozen=True, slots=True)
class _Converted:
    rendered: Rendered
    report: Report
    losses: tuple[Loss, ...]


def _converted(
    content: bytes, target: Format, with_metadata: bool, options: ConversionOptions, audio: Path
) -> _Converted:
    """Raises: Permanent, INVALID_CUE."""
    sheet = _checked(content)
    left_out: tuple[Loss, ...] = ()
    if not with_metadata:
        sheet, left_out = without_metadata(sheet)
    if options.audio_file_name is not None and len(sheet.files) == 1:
        name = options.audio_file_name
        sheet = replace(sheet, files=(replace(sheet.files[0], name=name, type=file_type(name)),))
    rendered = target.render(sheet, Audio(audio))
    report = report_of(checked(target, rendered, None), list(losses_found(rendered)))
    return _Converted(rendered, report, (*left_out, *rendered.losses))


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
    """The sheet, if it is one that a player can follow; how many tracks it may have is the target's affair.

    Raises: Permanent, INVALID_CUE.
    """
    parsed = parse(content)
    findings = validate(parsed).findings
    refuse_invalid(Report(tuple(each for each in findings if each.code != "TOO_MANY_TRACKS")), "The sheet is not valid")
    return parsed.sheet
