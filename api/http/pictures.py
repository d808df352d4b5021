"""A recording's cover and its waveform."""

from __future__ import annotations

import contextlib
import hashlib
import time
import uuid
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, Field
from starlette.responses import Response

from api.http.files import TooLarge, read_file, revalidated
from api.http.json_response import Json
from api.http.submissions import ACCEPTED, accepted, submit
from api.http.waveform import Waveform, narrowed, read_waveform, svg
from api.library.kinds import METADATA, WAVEFORM
from api.library.known import Id, live_recording, recording_or_work
from api.library.paths import generated_file
from api.library.standing import standing
from api.plane import plane_of
from api.problems import Problem, documented
from pipeline.errors import ErrorCode
from pipeline.messages.message import derive_message_id
from pipeline.state.port import Event, Status

router = APIRouter(prefix="/v1/recordings/{recording_id}", tags=["recordings"])

_PICTURES = ("image/gif", "image/jpeg", "image/png", "image/webp")
_OTHER = "application/octet-stream"
_NO_COVER = "NO_COVER"


@router.get(
    "/cover",
    response_class=Response,
    responses={
        200: {
            "description": "The picture, as it is in the file",
            "content": {kind: {"schema": {"type": "string", "format": "binary"}} for kind in (*_PICTURES, _OTHER)},
            "headers": {"ETag": {"schema": {"type": "string"}, "required": True}},
        },
        304: {"description": "The client's copy is the current one"},
        **documented(404, 422, 503),
    },
)
async def show_cover(request: Request, recording_id: Id) -> Response:
    """The cover that its tags hold."""
    plane = plane_of(request)
    await recording_or_work(plane, recording_id)
    metadata = await plane.state.documents.get(METADATA, recording_id) or {}
    cover = metadata.get("cover") or {}
    path = generated_file(cover.get("file"), plane.services.data_dir)
    if path is None:
        fix = "POST /v1/recordings/{recording_id}/metadata reads the file's tags again"
        raise Problem(404, "The recording has no cover", _NO_COVER, fix)
    try:
        content, checksum = await read_file(path)
    except (OSError, TooLarge):
        fix = "POST /v1/recordings/{recording_id}/metadata writes it again"
        raise Problem(404, "The cover's file cannot be read", ErrorCode.FILE_UNREADABLE, fix) from None
    mime = cover.get("mime")
    return revalidated(request, content, mime if mime in _PICTURES else _OTHER, checksum, {})


class WaveformParts(BaseModel):
    """How loud a recording is from its beginning to its end."""

    recording_id: str
    duration_seconds: float | None
    low: list[float] = Field(description="The lowest sample of each part, -1 to 1; parts are equally long")
    high: list[float] = Field(description="The highest sample of each part, -1 to 1")
    rms: list[float] = Field(description="The root mean square of each part, 0 to 1")


_WAVEFORM_ANSWERS = ACCEPTED | {
    304: {"description": "The client's copy is the current one"},
    **documented(410),
}
_WAVEFORM_ANSWERS[202] = _WAVEFORM_ANSWERS[202] | {
    "description": "It is being made: ask again after `Retry-After` seconds",
}
_ETAG = {"ETag": {"schema": {"type": "string"}, "required": True}}
_RETRY_AFTER_S = 2
_QUEUED_AT_MOST_S = 60.0
_MESSAGE = "waveform.generate"

Columns = Annotated[int, Query(ge=10, le=4000, description="At most this many parts")]


@router.get(
    "/waveform.svg",
    response_class=Response,
    responses=_WAVEFORM_ANSWERS
    | {
        200: {
            "description": "A picture in the colour of the text around it (`currentColor`), for any size",
            "content": {"image/svg+xml": {"schema": {"type": "string"}}},
            "headers": _ETAG,
        }
    },
)
async def show_waveform(request: Request, recording_id: Id, columns: Columns = 600) -> Response:
    """A picture of how loud it is from its beginning to its end."""
    found = await _waveform(request, recording_id)
    if isinstance(found, Response):
        return found
    wave, duration = found
    minutes, seconds = divmod(round(duration or 0), 60)
    drawn = svg(narrowed(wave, columns), f"Waveform of {minutes} min {seconds} s")
    return revalidated(request, drawn, "image/svg+xml", hashlib.sha256(drawn.encode()).hexdigest(), {})


@router.get("/waveform.json", responses=_WAVEFORM_ANSWERS | {200: {"model": WaveformParts, "headers": _ETAG}})
async def show_waveform_peaks(request: Request, recording_id: Id, columns: Columns = 4000) -> Response:
    """The same as numbers."""
    found = await _waveform(request, recording_id)
    if isinstance(found, Response):
        return found
    wave, duration = narrowed(found[0], columns), found[1]
    shown = {"recording_id": recording_id, "duration_seconds": duration} | {
        name: [round(value, 3) for value in getattr(wave, name)] for name in ("low", "high", "rms")
    }
    content = bytes(Json(shown).body).decode()
    return revalidated(request, content, "application/json", hashlib.sha256(content.encode()).hexdigest(), {})


async def _waveform(request: Request, recording_id: str) -> tuple[Waveform, float | None] | Response:
    """The waveform of this content and how long it is in seconds, or the answer that it is being made.

    Raises: Problem, 404 where it could not be made.
    """
    plane = plane_of(request)
    recording = await live_recording(plane, recording_id)
    document = await plane.state.documents.get(WAVEFORM, recording_id)
    content = recording.get("xxh128_hash")
    if document is not None and document.get("xxh128") in (None, content):
        with contextlib.suppress(ValueError):  # a damaged one is made anew
            return read_waveform(document), document.get("duration_seconds")
    # One id for each content, so that however many ask, in however many processes, it is made once.
    job_id = derive_message_id(WAVEFORM, recording_id, str(content), str(recording.get("revision")))
    event = await plane.state.progress.snapshot(job_id)
    state = standing(event)
    if event is not None and event.status in (Status.FAILED, Status.CANCELLED):
        raise _not_made(state)
    if event is not None and event.status is Status.COMPLETED:
        job_id = str(uuid.uuid4())  # it was made, and is gone
    if event is None or event.status is Status.COMPLETED or _forgotten(event, state):
        answer = await submit(request, _MESSAGE, {}, identity=job_id, recording_id=recording_id)
    else:
        answer = accepted(
            message=_MESSAGE, message_id=job_id, correlation_id=job_id, job_id=job_id, recording_id=recording_id
        )
    answer.headers["Retry-After"] = str(_RETRY_AFTER_S)
    return answer


def _forgotten(event: Event, state: dict[str, Any]) -> bool:
    """Whether it was announced so long ago that its message may never have been sent; sent twice, it is done once."""
    return event.status is Status.QUEUED and time.time() - (state["updated_at"] or 0) > _QUEUED_AT_MOST_S


def _not_made(state: dict[str, Any]) -> Problem:
    error = state["error"] or {}
    return Problem(
        404,
        f"The waveform could not be made: {error.get('message')}",
        error.get("error_code") or ErrorCode.INTERNAL_ERROR,
        "See the recording's file, and GET /v1/dlq for the request that failed",
    )
