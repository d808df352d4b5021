"""`/v1/renames`: what was renamed, what people think of it, and the patterns in names."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, ConfigDict, Field

from api.http.json_response import Json
from api.http.submissions import ACCEPTED, WHOLE, Wish, submit
from api.library.kinds import FEEDBACK, PATTERN, RECORDING, RENAME
from api.library.known import Id, IdInBody, known, unknown
from api.library.paths import shown_path
from api.plane import plane_of
from api.problems import documented

router = APIRouter(prefix="/v1/renames", tags=["renames"])

_PATHS = ("original_path", "new_path", "backup_path")
_INTERNAL = ("file",)
_MOST_AT_ONCE = 2000


class Rename(BaseModel):
    """A rename that was done or refused; paths relative to the library."""

    model_config = ConfigDict(extra="allow")

    rename_id: str
    original_path: str
    new_path: str | None
    feedback: list[dict[str, Any]] = Field(description="What was said of it, in no order")


class Patterns(BaseModel):
    """Part of the list of patterns; each has its text and its score."""

    items: list[dict[str, Any]]
    total: int
    offset: int
    limit: int


class PatternOptions(Wish):
    """What to look for in names."""

    detect_patterns: bool = True
    suggest_improvements: bool = True


class PatternWish(Wish):
    """The recordings whose names to look at."""

    recording_ids: list[IdInBody] = Field(min_length=1, max_length=_MOST_AT_ONCE)
    options: PatternOptions = PatternOptions()


class FeedbackWish(Wish):
    """How well a rename went."""

    feedback_type: Literal["success", "failure", "improvement"]
    message: str | None = Field(default=None, max_length=4096)
    user_rating: Annotated[int, Field(ge=1, le=5), WHOLE] | None = None


@router.get("/patterns", responses={200: {"model": Patterns}, **documented(422, 503)})
async def list_patterns(
    request: Request,
    offset: Annotated[int, Query(ge=0, le=10_000_000)] = 0,
    limit: Annotated[int, Query(ge=1, le=500)] = 100,
) -> Json:
    """The patterns that are known, with their scores, the latest first."""
    items, total = await plane_of(request).state.documents.page(PATTERN, offset=offset, limit=limit)
    return Json({"items": items, "total": total, "offset": offset, "limit": limit})


@router.post("/patterns", status_code=202, responses=ACCEPTED)
async def analyse_patterns(request: Request, wish: PatternWish) -> Json:
    """The patterns in the names of recordings, and better names. The job's results have them."""
    documents = await plane_of(request).state.documents.get_many(RECORDING, wish.recording_ids)
    paths = []
    for recording_id, document in zip(wish.recording_ids, documents, strict=True):
        if document is None:
            raise unknown(RECORDING, recording_id)
        paths.append(document["path"])
    fields = {"file_paths": paths, "options": wish.options.model_dump()}
    return await submit(request, "rename.pattern.analyze", fields)


@router.get("/{rename_id}", responses={200: {"model": Rename}, **documented(404, 422, 503)})
async def show_rename(request: Request, rename_id: Id) -> Json:
    """A rename, with the feedback on it."""
    plane = plane_of(request)
    document = await known(plane, RENAME, rename_id)
    roots = plane.services.roots
    paths = {key: shown_path(document[key], roots) for key in _PATHS if document.get(key)}
    given = await plane.state.documents.find(FEEDBACK, "rename", rename_id)
    feedback = [each for each in await plane.state.documents.get_many(FEEDBACK, given) if each is not None]
    shown = {key: value for key, value in document.items() if key not in _INTERNAL}
    return Json({"rename_id": rename_id, "new_path": None} | shown | paths | {"feedback": feedback})


@router.post("/{rename_id}/feedback", status_code=202, responses=ACCEPTED)
async def give_feedback(request: Request, rename_id: Id, wish: FeedbackWish) -> Json:
    """Say how well a rename went; later suggestions learn from it."""
    document = await known(plane_of(request), RENAME, rename_id)
    fields = {"rename_id": rename_id, **wish.model_dump(exclude_none=True)}
    return await submit(request, "rename.feedback", fields, job=None, recording_id=document.get("recording_id"))
