"""A CUE sheet beside the audio file: named as it is, or naming it."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path

from pipeline.errors import ErrorCode, Permanent, StepError, Transient
from pipeline.stage import StageContext
from stages.cue.parse import LARGEST, Parsed
from stages.paths import TEMPORARY, inside_roots
from stages.tracklist.found import Found, Located
from stages.tracklist.sheets import found_in, names, read_sheet

_MOST_OTHERS = 100
"""Sheets of other names in the folder that are looked into."""


def sidecar(located: Located, context: StageContext) -> Found | None:
    """The tracks of the first sheet that has some for the file; None where no sheet is about it.

    In order: `name.ext.cue`, `name.cue`, then the others in the folder whose FILE is the file, by name. A sheet that a
    symlink has outside the roots is none.

    Raises:
        Permanent: INVALID_CUE where a sheet is named as the file is but says nothing of it; those of `listed`.
        Transient: FILE_UNREADABLE when the file system fails.
    """
    audio = Path(located.file_path)
    own, others = _beside(audio)
    useless: list[str] = []
    for path in own:
        parsed = _parsed(path, context.roots)
        found = found_in(parsed, "sidecar", located) if parsed else None
        if found is not None:
            return found
        useless.append(path.name)
    for path in others[:_MOST_OTHERS]:
        parsed = _parsed(path, context.roots)
        if parsed and names(parsed, audio) and (found := found_in(parsed, "sidecar", located)):
            return found
    if useless:
        raise Permanent(f"{useless[0]} says nothing that can be used about {audio.name}", ErrorCode.INVALID_CUE)
    return None


def _beside(audio: Path) -> tuple[list[Path], list[Path]]:
    """The sheets in the file's folder: those named as it is, then the others."""
    wanted = [f"{audio.name}.cue".casefold(), f"{audio.stem}.cue".casefold()]
    sheets = sorted(_sheets(audio.parent), key=lambda path: path.name)
    own = sorted((path for path in sheets if path.name.casefold() in wanted), key=lambda path: _rank(path, wanted))
    return own, [path for path in sheets if path not in own]


def _rank(path: Path, wanted: Sequence[str]) -> int:
    return wanted.index(path.name.casefold())


def _sheets(folder: Path) -> Iterator[Path]:
    try:
        with os.scandir(folder) as entries:
            yield from (Path(entry.path) for entry in entries if entry.name.casefold().endswith(".cue"))
    except OSError as error:
        if error.errno in TEMPORARY:
            raise Transient(f"The folder cannot be read: {error.strerror}", ErrorCode.FILE_UNREADABLE) from error


def _parsed(path: Path, roots: Sequence[Path]) -> Parsed | None:
    """A sheet; None where it is not a file inside the roots that can be read and is of a sheet's size."""
    try:
        real = inside_roots(path, roots)
        found = real.stat()
        if not stat.S_ISREG(found.st_mode) or found.st_size > LARGEST:
            return None
        return read_sheet(real.read_bytes())
    except Transient:
        raise
    except StepError:
        return None
    except OSError as error:
        if error.errno in TEMPORARY:
            raise Transient(f"{path.name} cannot be read: {error.strerror}", ErrorCode.FILE_UNREADABLE) from error
        return None
