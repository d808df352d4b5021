"""`/v1/cue-files`: generated sheets, their download, validation and conversion."""

from __future__ import annotations

from pathlib import PurePath
from typing import Annotated, Any

from fastapi import APIRouter, Body, Request
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from api.http.files import TooLarge, attachment, read_file, revalidated
from api.http.json_response import Json
from api.http.submissions import ACCEPTED, Wish, submit
from api.http.tracklists import Format
from api.library.kinds import CUE_FILE, RECORDING
from api.library.known import Id, known
from api.library.paths import generated_file, shown_path
from api.plane import Plane, plane_of
from api.problems import Problem, documented
from pipeline.errors import ErrorCode

router = APIRouter(prefix="/v1/cue-files/{cue_file_id}", tags=["CUE files"])

_MEDIA_TYPES = {".cue": "application/x-cue", ".nml": "application/xml", ".xml": "application/xml"}
_OTHER = "application/octet-stream"
_AGAIN = "Generate it again: POST /v1/tracklists/{tracklist_id}/cue"


class CueFile(BaseModel):
    """A sheet that was written."""

    model_config = ConfigDict(extra="allow")

    cue_file_id: str
    tracklist_id: str
    recording_id: str
    format: str = Field(examples=["standard"])
    file_size: int = Field(description="Bytes")
    checksum: str = Field(description="SHA-256 of the content")
    created_at: str
    audio_path: str = Field(description="The audio it is about, relative to the library")
    content_url: str = Field(description="Where to download it")


class ValidationWish(Wish):
    """How to look at the sheet."""

    validation_options: dict[str, Any] = Field(default={})


class ConversionWish(Wish):
    """What to make of the sheet."""

    target_format: Format
    preserve_metadata: bool = True
    conversion_options: dict[str, Any] = Field(default={})


@router.get("", responses={200: {"model": CueFile}, **documented(404, 422, 503)})
async def show_cue_file(request: Request, cue_file_id: Id) -> Json:
    """What is known of a sheet."""
    plane = plane_of(request)
    return Json(shown_cue_file(plane, await known(plane, CUE_FILE, cue_file_id)))


@router.get(
    "/content",
    response_class=Response,
    responses={
        200: {
            "description": "The sheet, to be saved under its audio's name",
            "content": {kind: {"schema": {"type": "string"}} for kind in sorted({*_MEDIA_TYPES.values(), _OTHER})},
            "headers": {
                name: {"schema": {"type": "string"}, "required": True} for name in ("ETag", "Content-Disposition")
            },
        },
        304: {"description": "The client's copy is the current one"},
        **documented(404, 409, 422, 503),
    },
)
async def download_cue_file(request: Request, cue_file_id: Id) -> Response:
    """The sheet itself, held against its checksum."""
    plane = plane_of(request)
    cue_file = await known(plane, CUE_FILE, cue_file_id)
    path = generated_file(cue_file.get("file_path"), plane.services.data_dir)
    if path is None:
        raise Problem(404, "The sheet's file is not there any more", ErrorCode.FILE_NOT_FOUND, _AGAIN)
    try:
        content, checksum = await read_file(path)
    except OSError:
        raise Problem(404, "The sheet's file cannot be read", ErrorCode.FILE_UNREADABLE, _AGAIN) from None
    except TooLarge:
        raise Problem(409, "The sheet's file is too large for one", "FILE_CHANGED", _AGAIN) from None
    if checksum != cue_file.get("checksum"):
        raise Problem(409, "The sheet's file is not what was written", "FILE_CHANGED", _AGAIN)
    suffix = path.suffix.lower()
    headers = {"Content-Disposition": attachment(PurePath(await _audio(plane, cue_file)).stem, suffix)}
    return revalidated(request, content, _MEDIA_TYPES.get(suffix, _OTHER), checksum, headers)


@router.post("/validation", status_code=202, responses=ACCEPTED)
async def validate_cue_file(
    request: Request, cue_file_id: Id, wish: Annotated[ValidationWish, Body(default_factory=ValidationWish)]
) -> Json:
    """Hold a sheet against the rules and, where it is there, its audio. The job's results have the report."""
    document = await known(plane_of(request), CUE_FILE, cue_file_id)
    fields = {"cue_file_id": cue_file_id, **wish.model_dump()}
    recording_id = document.get("recording_id")
    return await submit(request, "cue.validation", fields, job="validation_job_id", recording_id=recording_id)


@router.post("/conversion", status_code=202, responses=ACCEPTED)
async def convert_cue_file(request: Request, cue_file_id: Id, wish: ConversionWish) -> Json:
    """Write it in another format. The job's results name the new file, and what the format has no place for."""
    document = await known(plane_of(request), CUE_FILE, cue_file_id)
    fields = {"source_cue_file_id": cue_file_id, **wish.model_dump()}
    recording_id = document.get("recording_id")
    return await submit(request, "cue.conversion", fields, job="conversion_job_id", recording_id=recording_id)


def shown_cue_file(plane: Plane, document: dict[str, Any]) -> dict[str, Any]:
    """A stored sheet as clients see it: no path on the server."""
    hidden = ("file_path", "audio_file_path")
    shown = {key: value for key, value in document.items() if key not in hidden}
    return shown | {
        "audio_path": shown_path(document.get("audio_file_path"), plane.services.roots),
        "content_url": f"/v1/cue-files/{document.get('cue_file_id')}/content",
    }


async def _audio(plane: Plane, cue_file: dict[str, Any]) -> str:
    """The audio's path: where it is now, else where it was."""
    recording = await plane.state.documents.get(RECORDING, str(cue_file.get("recording_id")))
    return str((recording or {}).get("path") or cue_file.get("audio_file_path") or cue_file.get("cue_file_id"))
