"""Sheets in the data folder, and what the state store says of them."""

from __future__ import annotations

import asyncio
import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from pipeline.errors import ErrorCode, Permanent, Transient
from pipeline.stage import StageContext
from stages.cue.findings import Finding, Report
from stages.cue.formats import Rendered, format_named
from stages.cue.parse import LARGEST
from stages.cue_files import CueFile, CueFiles
from stages.files import write_whole
from stages.paths import unreadable
from stages.tracklists import Tracklist

FOLDER = "cue"


@dataclass(frozen=True, slots=True)
class Order:
    """A sheet that is to be written.

    Attributes:
        cue_file_id: the same order has the same one.
        origin: the tracklist it is made of, or the sheet it is converted from.
        job_id: of the job that asked for it.
    """

    cue_file_id: str
    format: str
    origin: Tracklist | CueFile
    audio_path: Path
    job_id: str


async def stored_already(cue_file_id: str, context: StageContext) -> CueFile | None:
    """The sheet, where an earlier attempt has written it and it is still there as it was."""
    found = await CueFiles(context.state).get(cue_file_id)
    return found if found is not None and await asyncio.to_thread(_is_intact, found) else None


async def kept(order: Order, rendered: Rendered, report: Report, context: StageContext) -> CueFile:
    """The sheet, on disk and in the state store; one that is there with the same content is left as it is.

    Args:
        report: what was found in it.
    Raises: Transient, DEPENDENCY_UNAVAILABLE, where it cannot be written; StateUnavailable.
    """
    path = context.data_dir / FOLDER / f"{order.cue_file_id}.{rendered.extension}"
    checksum = _sha256(rendered.content)
    there = await stored_already(order.cue_file_id, context)
    if there is not None and there.checksum == checksum and there.file_path == str(path):
        return there
    try:
        await asyncio.to_thread(write_whole, path, rendered.content)
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise Transient(f"The sheet cannot be stored just now: {reason}", ErrorCode.DEPENDENCY_UNAVAILABLE) from error
    cue_file = CueFile(
        cue_file_id=order.cue_file_id,
        tracklist_id=order.origin.tracklist_id,
        recording_id=order.origin.recording_id,
        format=order.format,
        file_path=str(path),
        file_size=len(rendered.content),
        checksum=checksum,
        created_at=datetime.now(UTC),
        job_id=order.job_id,
        audio_file_path=str(order.audio_path),
        source_cue_file_id=order.origin.cue_file_id if isinstance(order.origin, CueFile) else None,
        validation_report=report.as_json(),
    )
    await CueFiles(context.state).put(cue_file)
    return cue_file


async def read(cue_file: CueFile) -> tuple[bytes, bool]:
    """The sheet's bytes, and whether they are those that were written.

    Raises:
        Permanent: FILE_NOT_FOUND, FILE_UNREADABLE, or INVALID_CUE for what is too large to be one.
        Transient: FILE_UNREADABLE when the file system fails.
    """
    path = Path(cue_file.file_path)
    try:
        content = await asyncio.to_thread(_bytes_of, path)
    except OSError as error:
        raise unreadable(error, path) from error
    if len(content) > LARGEST:
        raise Permanent(f"{path.name} is too large to be a CUE sheet", ErrorCode.INVALID_CUE)
    return content, _sha256(content) == cue_file.checksum


def changed() -> Finding:
    """The warning about a sheet whose bytes are not those that were written."""
    return Finding("CHECKSUM_MISMATCH", "The file is not as it was written", "warning")


def readable_format(cue_file: CueFile) -> None:
    """Raises Permanent, UNKNOWN_FORMAT, for a sheet whose format cannot be read back."""
    if not format_named(cue_file.format).readable:
        raise Permanent(f"A sheet in the format {cue_file.format} cannot be read back", ErrorCode.UNKNOWN_FORMAT)


def _is_intact(cue_file: CueFile) -> bool:
    try:
        return _sha256(_bytes_of(Path(cue_file.file_path))) == cue_file.checksum
    except OSError:
        return False


def _bytes_of(path: Path) -> bytes:
    """A byte more than a sheet may have, at most."""
    with path.open("rb") as file:
        return file.read(LARGEST + 1)


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
