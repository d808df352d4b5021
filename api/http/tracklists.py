"""`/v1/tracklists`: what is played in a mix, and the sheets made from it."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Body, Request
from pydantic import BaseModel, ConfigDict, Field

from api.http.json_response import Json
from api.http.submissions import ACCEPTED, Wish, submit
from api.library.kinds import CUE_FILE, TRACKLIST
from api.library.known import Id, known
from api.library.paths import shown_path
from api.plane import Plane, plane_of
from api.problems import documented

router = APIRouter(prefix="/v1/tracklists/{tracklist_id}", tags=["tracklists"])

Format = Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f]+$", examples=["standard"])]


class Entry(BaseModel):
    """One track; what is not known is null."""

    model_config = ConfigDict(extra="allow")

    number: int
    start_seconds: float = Field(description="From the beginning of the file")
    title: str | None
    performer: str | None


class Tracklist(BaseModel):
    """What is played in a recording, and from when."""

    model_config = ConfigDict(extra="allow")

    tracklist_id: str
    recording_id: str
    path: str = Field(description="The audio file, relative to the library")
    source: str = Field(description="Where the tracks were found", examples=["embedded"])
    confidence: float = Field(description="0 to 1")
    entries: list[Entry]
    created_at: str
    cue_files: list[str] = Field(description="Ids of the sheets made from it")


class CueWish(Wish):
    """A sheet to write."""

    format: Format = Field(default="standard", description="standard, cdj, traktor, serato, rekordbox, kodi, …")
    options: dict[str, Any] = Field(default={})
    validate_audio: bool = Field(default=False, description="Open the audio and hold the sheet against it")


class CueBatchWish(Wish):
    """Sheets to write, one for each format."""

    formats: list[Format] = Field(min_length=1, max_length=32, examples=[["standard", "traktor"]])
    options: dict[str, Any] = Field(default={})
    validate_audio: bool = Field(default=False, description="Open the audio and hold the sheets against it")


@router.get("", responses={200: {"model": Tracklist}, **documented(404, 422, 503)})
async def show_tracklist(request: Request, tracklist_id: Id) -> Json:
    """A tracklist with its tracks."""
    plane = plane_of(request)
    document = await known(plane, TRACKLIST, tracklist_id)
    cue_files = await plane.state.documents.find(CUE_FILE, "tracklist", tracklist_id)
    return Json(shown_tracklist(plane, document) | {"cue_files": cue_files})


@router.post("/cue", status_code=202, responses=ACCEPTED)
async def generate_cue(
    request: Request, tracklist_id: Id, wish: Annotated[CueWish, Body(default_factory=CueWish)]
) -> Json:
    """Write a CUE sheet of it. The job's results name the file."""
    document = await known(plane_of(request), TRACKLIST, tracklist_id)
    fields = {"tracklist_id": tracklist_id, **wish.model_dump()}
    return await submit(request, "cue.generation.single", fields, recording_id=document.get("recording_id"))


@router.post("/cue-batch", status_code=202, responses=ACCEPTED)
async def generate_cue_batch(request: Request, tracklist_id: Id, wish: CueBatchWish) -> Json:
    """Write sheets of it in several formats. The job's results have one for each."""
    document = await known(plane_of(request), TRACKLIST, tracklist_id)
    fields = {"tracklist_id": tracklist_id, **wish.model_dump()}
    recording_id = document.get("recording_id")
    return await submit(request, "cue.generation.batch", fields, job="batch_job_id", recording_id=recording_id)


def shown_tracklist(plane: Plane, document: dict[str, Any]) -> dict[str, Any]:
    """A stored tracklist as clients see it: its file relative to the library."""
    shown = {key: value for key, value in document.items() if key != "file_path"}
    return shown | {"path": shown_path(document.get("file_path"), plane.services.roots)}
