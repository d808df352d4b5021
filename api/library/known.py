"""Documents of the state store by id; an id that is not there is answered with 404."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Path
from pydantic import Field

from api.library.kinds import CUE_FILE, RECORDING, RENAME, TRACKLIST
from api.plane import Plane
from api.problems import Problem
from api.socket.frames import quotable
from pipeline.errors import ErrorCode
from pipeline.state.port import Event

_TEXT = r"^[^\x00-\x1f\x7f/]+$"
Id = Annotated[str, Path(min_length=1, max_length=200, pattern=_TEXT, description="As lists and answers give it")]
IdInBody = Annotated[str, Field(min_length=1, max_length=200, pattern=_TEXT)]

_UNKNOWN = {
    RECORDING: ("recording", ErrorCode.UNKNOWN_RECORDING, "GET /v1/recordings lists those there are"),
    TRACKLIST: (
        "tracklist",
        ErrorCode.UNKNOWN_TRACKLIST,
        "GET /v1/recordings/{recording_id} lists a recording's; POST /v1/recordings/{recording_id}/tracklist makes one",
    ),
    CUE_FILE: (
        "CUE file",
        ErrorCode.UNKNOWN_CUE_FILE,
        "GET /v1/recordings/{recording_id} lists a recording's; POST /v1/tracklists/{tracklist_id}/cue makes one",
    ),
    RENAME: ("rename", ErrorCode.UNKNOWN_RENAME, "The results of a rename's job have its id"),
}


async def known(plane: Plane, kind: str, id: str) -> dict[str, Any]:
    """The document. Raises Problem, 404; StateUnavailable."""
    document = await plane.state.documents.get(kind, id)
    if document is None:
        raise unknown(kind, id)
    return document


async def live_recording(plane: Plane, recording_id: str) -> dict[str, Any]:
    """The document of a recording whose file is there as far as the catalog knows.

    Raises: Problem, 404 or 410; StateUnavailable.
    """
    recording = await known(plane, RECORDING, recording_id)
    if recording.get("deleted_at"):
        raise Problem(
            410,
            "The recording's file was deleted",
            ErrorCode.FILE_NOT_FOUND,
            "Put the file back; it is found by its content",
        )
    return recording


async def recording_or_work(plane: Plane, recording_id: str) -> tuple[dict[str, Any], Event | None]:
    """The document and the last event of a recording that has at least one of them.

    Raises: Problem, 404; StateUnavailable.
    """
    document = await plane.state.documents.get(RECORDING, recording_id)
    event = await plane.state.progress.snapshot(recording_id)
    if document is None and (event is None or event.is_job):
        raise unknown(RECORDING, recording_id)
    return document or {}, event


def unknown(kind: str, id: str) -> Problem:
    name, code, fix = _UNKNOWN[kind]
    return Problem(404, f'No {name} has the id "{quotable(id)}"', code, fix)
