"""A rename from its plan to its end: within one folder, never over a file that is there, safe to be done again.

All functions block: call them in a thread.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from pipeline.errors import ErrorCode, Permanent
from stages.paths import audio_file, inside_roots
from stages.rename.backup import back_up, backup_of
from stages.rename.exclusive import rename_exclusively
from stages.rename.folder import FileState, Folder, opened, refused
from stages.rename.names import safe_name


@dataclass(frozen=True, slots=True)
class Plan:
    """What a rename comes to.

    Attributes:
        folder: its real path.
        old, new: names in it.
        state: of the file before.
        token: of this rename alone, fit for a file name.
    """

    folder: Path
    old: str
    new: str
    state: FileState
    token: str


def planned(path: str, suggested: str, token: str, roots: Sequence[Path], *, preserve_extension: bool) -> Plan:
    """Check everything, change nothing. A symlink is renamed itself; it must not lead out of the roots.

    Raises:
        Permanent: INVALID_NAME, UNSUPPORTED_FORMAT, TARGET_EXISTS, and what `stages.paths.audio_file` says of the file.
        Transient: where the file system fails.
    """
    audio_file(path, roots)
    folder, old = inside_roots(Path(path).parent, roots), Path(path).name
    new = safe_name(suggested, old, preserve_extension=preserve_extension)
    with opened(folder, roots) as held:
        try:
            state = held.file(old)
            if state is None:
                raise Permanent(f"{old} is not there", ErrorCode.FILE_NOT_FOUND)
            _refuse_taken(held, old, new)
        except OSError as error:
            raise refused(error, old) from error
    return Plan(folder, old, new, state, token)


def carried_out(plan: Plan, roots: Sequence[Path], *, backup: bool) -> str | None:
    """Rename as planned, unless an earlier attempt has done so, whole or in part.

    Returns: the name of the backup, if there is one.
    Raises: as `planned`; FOLDER_NOT_WRITABLE.
    """
    with opened(plan.folder, roots) as held:
        try:
            return _carried_out(held, plan, backup)
        except OSError as error:
            raise refused(error, plan.old) from error


def _carried_out(held: Folder, plan: Plan, backup: bool) -> str | None:
    if plan.old == plan.new:
        return None
    if _has_arrived(held, plan):
        return backup_of(held, plan.old, plan.state) if backup else None
    if held.file(plan.old) is None:
        raise Permanent(f"{plan.old} is not there any more", ErrorCode.FILE_NOT_FOUND)
    _refuse_taken(held, plan.old, plan.new)
    kept, made = back_up(held, plan.old, plan.token) if backup else (None, False)
    try:
        _rename(held, plan)
    except OSError:
        if kept is not None and made:
            with suppress(OSError):
                os.unlink(kept, dir_fd=held.descriptor)
        raise
    held.sync()
    return kept


def _refuse_taken(held: Folder, old: str, new: str) -> None:
    taken = held.lookalike(new, besides=old) if new != old else None
    if taken is not None:
        raise Permanent(f"There is a file called {taken} already", ErrorCode.TARGET_EXISTS)


def _rename(held: Folder, plan: Plan) -> None:
    try:
        rename_exclusively(held.descriptor, plan.old, plan.new)
    except FileExistsError:
        if not _is_alias(held, plan):
            raise
        # To a file system that is insensitive to case, the new name is there: it is that of the file itself.
        rename_exclusively(held.descriptor, plan.old, _halfway(plan))
        _go_on(held, plan)


def _go_on(held: Folder, plan: Plan) -> None:
    """From halfway to the new name; back to the old one where that has been taken meanwhile."""
    try:
        rename_exclusively(held.descriptor, _halfway(plan), plan.new)
    except OSError:
        with suppress(OSError):
            rename_exclusively(held.descriptor, _halfway(plan), plan.old)
        raise


def _has_arrived(held: Folder, plan: Plan) -> bool:
    """Whether an earlier attempt came to its end; one that was interrupted between two steps is brought there."""
    halfway = held.file(_halfway(plan))
    if halfway is not None and halfway.is_same_file(plan.state):
        _go_on(held, plan)
        held.sync()
        return True
    before, after = held.file(plan.old), held.file(plan.new)
    if after is None:
        return False
    if before is None:
        return after.is_same_file(plan.state) or after.looks_alike(plan.state)
    if not after.is_same_file(plan.state):
        return False
    if before.is_same_file(after):
        if _is_alias(held, plan):
            return False
        os.unlink(plan.old, dir_fd=held.descriptor)
        held.sync()
    return True


def _is_alias(held: Folder, plan: Plan) -> bool:
    """Whether both names are one entry of the folder, which the file system finds by either."""
    before, after = held.file(plan.old), held.file(plan.new)
    if before is None or after is None or not before.is_same_file(after):
        return False
    names = held.names()
    return not (plan.old in names and plan.new in names)


def _halfway(plan: Plan) -> str:
    return f".{plan.token}.renaming"
