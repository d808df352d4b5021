"""Sheets in the data folder, and what the state store says of them."""

from __future__ import annotations

import asyncio
import hashlib
from datetime import UTC, datetime
from pathlib import Path

from pipeline.errors import ErrorCode, Permanent
from pipeline.stage import StageContext
from stages.cue.formats import Rendered, format_named
from stages.cue_files import CueFile, CueFiles
from stages.files import write_whole
from stages.paths import unreadable
from stages.tracklists import Tracklist

FOLDER = "cue"


async def stored_already(cue_file_id: str, context: StageContext) -> CueFile | None:
    """The sheet, where an earlier attempt has written it and it is still there as it was."""
    try:
        found = await CueFiles(context.state).known(cue_file_id)
    except Permanent:
        return None
    return found if await asyncio.to_thread(_is_intact, found) else None


async def store(
    rendered: Rendered,
    cue_file_id: str,
    context: StageContext,
    *,
    format: str,
    tracklist: Tracklist | CueFile,
    audio_path: Path,
    job_id: str,
    source: CueFile | None = None,
) -> CueFile:
    """Write a sheet, then say that it is there. The same id gives the same file.

    Args:
        tracklist: what it was made of, or the sheet it was converted from: both know tracklist and recording.
    Raises: OSError.
    """
    path = context.data_dir / FOLDER / f"{cue_file_id}.{rendered.extension}"
    await asyncio.to_thread(write_whole, path, rendered.content)
    cue_file = CueFile(
        cue_file_id=cue_file_id,
        tracklist_id=tracklist.tracklist_id,
        recording_id=tracklist.recording_id,
        format=format,
        file_path=str(path),
        file_size=len(rendered.content),
        checksum=hashlib.sha256(rendered.content).hexdigest(),
        created_at=datetime.now(UTC),
        job_id=job_id,
        audio_file_path=str(audio_path),
        source_cue_file_id=None if source is None else source.cue_file_id,
    )
    await CueFiles(context.state).put(cue_file)
    return cue_file


async def read(cue_file: CueFile) -> tuple[bytes, bool]:
    """The sheet's bytes, and whether they are those that were written.

    Raises: Permanent, FILE_NOT_FOUND or FILE_UNREADABLE; Transient when the file system fails.
    """
    path = Path(cue_file.file_path)
    try:
        content = await asyncio.to_thread(path.read_bytes)
    except OSError as error:
        raise unreadable(error, path) from error
    return content, hashlib.sha256(content).hexdigest() == cue_file.checksum


def is_of(cue_file: CueFile, rendered: Rendered) -> bool:
    """Whether it is this sheet: a request may come with the id of another one."""
    return cue_file.checksum == hashlib.sha256(rendered.content).hexdigest()


def readable_format(cue_file: CueFile) -> None:
    """Raises Permanent, UNKNOWN_FORMAT, for a sheet whose format cannot be read back."""
    if not format_named(cue_file.format).readable:
        raise Permanent(f"A sheet in the format {cue_file.format} cannot be read back", ErrorCode.UNKNOWN_FORMAT)


def _is_intact(cue_file: CueFile) -> bool:
    try:
        return hashlib.sha256(Path(cue_file.file_path).read_bytes()).hexdigest() == cue_file.checksum
    except OSError:
        return False
