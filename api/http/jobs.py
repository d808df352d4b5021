"""`/v1/jobs`: what became of a request, for clients without a socket."""

from __future__ import annotations

import json
from typing import Any

from fastapi import APIRouter, Request
from pydantic import Field

from api.http.json_response import Json
from api.library.known import Id
from api.library.standing import Standing, standing
from api.plane import plane_of
from api.problems import Problem, documented
from api.socket.frames import quotable

router = APIRouter(prefix="/v1/jobs", tags=["jobs"])


class Job(Standing):
    """How a request stands, and how it got there."""

    job_id: str
    recording_id: str | None = Field(description="The recording it is about, where that is known")
    history: list[dict[str, Any]] = Field(description="The `data` of its events, oldest first; kept for 24 hours")


@router.get("/{job_id}", responses={200: {"model": Job}, **documented(404, 422, 503)})
async def show_job(request: Request, job_id: Id) -> Json:
    """How a request stands: what its socket messages say, for polling. A recording's id shows its analysis."""
    progress = plane_of(request).state.progress
    event = await progress.snapshot(job_id)
    if event is None:
        raise Problem(
            404,
            f'No job has the id "{quotable(job_id)}"',
            "UNKNOWN_JOB",
            "The answer to a request has the id of its job; it may have ended long ago",
        )
    history = await progress.since(job_id, 0)
    recording_id = json.loads(event.frame).get("recording_id")
    shown = {"job_id": job_id, "recording_id": recording_id if recording_id != job_id or not event.is_job else None}
    return Json(shown | standing(event) | {"history": [each.data for each in history]})
