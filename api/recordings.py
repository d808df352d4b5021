"""`/v1/recordings`: what the library holds and how its analysis stands."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request

from api.frames import quotable
from api.library import Sort
from api.plane import plane_of
from api.problems import Problem
from pipeline.errors import ErrorCode

StatusFilter = Literal["new", "queued", "analyzing", "retrying", "completed", "failed", "cancelled"]

router = APIRouter(prefix="/v1/recordings", tags=["recordings"])


@router.get("")
async def list_recordings(
    request: Request,
    offset: Annotated[int, Query(ge=0)] = 0,
    limit: Annotated[int, Query(ge=0, le=500)] = 100,
    status: StatusFilter | None = None,
    q: Annotated[str, Query(max_length=200, description="Part of the path, or a recording id")] = "",
    sort: Sort = "newest",
) -> dict[str, Any]:
    """Recordings with progress, results or error, and counts by status over the whole library."""
    return await plane_of(request).library.page(offset=offset, limit=limit, status=status, query=q.strip(), sort=sort)


@router.get("/{recording_id}")
async def show_recording(request: Request, recording_id: str) -> dict[str, Any]:
    """One recording with its history."""
    found = await plane_of(request).library.one(recording_id)
    if found is None:
        raise Problem(
            404,
            f'No recording has the id "{quotable(recording_id)}"',
            ErrorCode.UNKNOWN_RECORDING,
            "GET /v1/recordings lists those there are",
        )
    return found
