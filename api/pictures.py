"""A recording's cover and its waveform."""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.responses import Response

from api.files import TooLarge, read_file, revalidated
from api.kinds import METADATA
from api.known import Id, recording_or_work
from api.paths import generated_file
from api.plane import plane_of
from api.problems import Problem, documented
from pipeline.errors import ErrorCode

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
