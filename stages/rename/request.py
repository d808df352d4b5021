"""`rename.request`: what is to be done is stored before it is done, so that doing it again finds it done."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

from pipeline.messages.message import derive_message_id
from pipeline.stage import Completed, Emit, Failed, StageContext
from stages.contracts import RenameRequest, RenameResponse
from stages.recordings import Recordings
from stages.rename.folder import FileState
from stages.rename.moving import Plan, carried_out, planned
from stages.rename.patterns import pattern_of

KIND = "rename"
ANSWER, COMPLETED = "rename.response", "rename_complete"

Document = dict[str, Any]
"""rename_id, state (intended, done, failed), original_path, new_path and backup_path (real paths, or None), pattern
(the suggested name's, or None), recording_id (or None), file (the file's state before), requested_at and updated_at
(RFC 3339), correlation_id, error and error_code (None unless failed)."""


async def rename(request: RenameRequest, context: StageContext) -> list[Emit | Completed]:
    """Rename the file and answer. A request that is delivered again is answered as before.

    Raises:
        Permanent: INVALID_NAME, TARGET_EXISTS, FOLDER_NOT_WRITABLE, UNSUPPORTED_FORMAT, and what
            `stages.paths.audio_file` says of the file.
        Transient: where the file system fails.
    """
    rename_id = _id(context)
    document = await context.state.get(KIND, rename_id)
    if document is None or document["file"] is None:
        document = await _intended(request, rename_id, context)
    elif document["recording_id"] is not None:
        context.track(document["recording_id"])
    if document["state"] != "done":
        backup = await asyncio.to_thread(
            carried_out, _plan_of(document), context.roots, backup=request.options.backup_original
        )
        document |= {
            "state": "done",
            "backup_path": None if backup is None else _beside(document, backup),
            "error": None,
            "error_code": None,
        }
        await _put(document, context)
    name, backup_path = os.path.basename(document["new_path"]), document["backup_path"]
    # Beside the path that was asked for, which may go through links.
    folder = Path(request.file_path).parent
    body = RenameResponse(
        original_path=request.file_path,
        new_path=str(folder / name),
        backup_path=None if backup_path is None else str(folder / os.path.basename(backup_path)),
        success=True,
        error=None,
        error_code=None,
        rename_id=rename_id,
        job_id=_job_id(request, context),
        correlation_id=_correlation_id(request, context),
    )
    results = {
        "rename_id": rename_id,
        "original_name": os.path.basename(document["original_path"]),
        "new_name": name,
        "backup_name": None if backup_path is None else os.path.basename(backup_path),
    }
    return [Emit(ANSWER, body), Completed(COMPLETED, results)]


async def failed(request: RenameRequest, failure: Failed, context: StageContext) -> Emit:
    """`success: false`, with the reason. It is remembered too, so that there can be feedback on it."""
    rename_id = _id(context)
    before = await context.state.get(KIND, rename_id) or _blank(request, rename_id, context)
    if before["state"] != "done":
        verdict = {"state": "failed", "error": failure.reason, "error_code": failure.error_code}
        await _put(before | verdict, context)
    body = RenameResponse(
        original_path=request.file_path,
        new_path=None,
        backup_path=None,
        success=False,
        error=failure.reason,
        error_code=failure.error_code,
        rename_id=rename_id,
        job_id=_job_id(request, context),
        correlation_id=_correlation_id(request, context),
    )
    return Emit(ANSWER, body)


async def _intended(request: RenameRequest, rename_id: str, context: StageContext) -> Document:
    """Check the request, and store what it comes to."""
    plan = await asyncio.to_thread(
        planned,
        request.file_path,
        request.suggested_name,
        rename_id,
        context.roots,
        preserve_extension=request.options.preserve_extension,
    )
    original = plan.folder / plan.old
    recording = await Recordings(context.state).at(str(original))
    document = _blank(request, rename_id, context) | {
        "original_path": str(original),
        "new_path": str(plan.folder / plan.new),
        "file": {
            "device": plan.state.device,
            "inode": plan.state.inode,
            "size": plan.state.size,
            "mtime_ns": plan.state.mtime_ns,
        },
    }
    if recording is not None:
        document["recording_id"] = recording["recording_id"]
        context.track(recording["recording_id"])
    await _put(document, context)
    return document


def _blank(request: RenameRequest, rename_id: str, context: StageContext) -> Document:
    pattern = pattern_of(request.suggested_name)
    return {
        "rename_id": rename_id,
        "state": "intended",
        "original_path": request.file_path,
        "new_path": None,
        "backup_path": None,
        "pattern": None if pattern is None else pattern.text,
        "recording_id": None,
        "file": None,
        "requested_at": _now(),
        "correlation_id": _correlation_id(request, context),
        "error": None,
        "error_code": None,
    }


async def _put(document: Document, context: StageContext) -> None:
    index = {"recording": document["recording_id"]} if document["recording_id"] else {}
    document["updated_at"] = _now()
    await context.state.put(KIND, document["rename_id"], document, index=index)


def _plan_of(document: Mapping[str, Any]) -> Plan:
    old, new = Path(document["original_path"]), Path(document["new_path"])
    return Plan(old.parent, old.name, new.name, FileState(**document["file"]), document["rename_id"])


def _beside(document: Mapping[str, Any], name: str) -> str:
    return str(Path(document["original_path"]).with_name(name))


def _id(context: StageContext) -> str:
    """The same for a request that is delivered again. One without an id cannot be known again."""
    asked = context.envelope.message_id
    return str(uuid4()) if asked is None else derive_message_id(asked, KIND)


def _job_id(request: RenameRequest, context: StageContext) -> str | None:
    return request.job_id or context.envelope.message_id


def _correlation_id(request: RenameRequest, context: StageContext) -> str | None:
    return request.correlation_id or context.envelope.correlation_id


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="microseconds")
