"""`/v1/recordings`: what the library holds and how its analysis stands."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, ConfigDict, Field

from api.http.cue_files import CueFile, shown_cue_file
from api.http.json_response import Json
from api.library.index import Sort
from api.library.kinds import ANALYSIS, CUE_FILE, METADATA, RECORDING, TRACKLIST
from api.library.known import Id, recording_or_work
from api.library.metadata import shown_metadata
from api.library.paths import shown_path
from api.library.standing import Standing
from api.library.tags import tags_of
from api.plane import Plane, plane_of
from api.problems import documented

StatusFilter = Literal["new", "queued", "analyzing", "retrying", "completed", "failed", "cancelled"]

router = APIRouter(prefix="/v1/recordings", tags=["recordings"], responses=documented(422, 503))

_MOST_SHOWN = 100
_FILE_FIELDS = ("file_type", "format_family", "sha256_hash", "xxh128_hash", "first_seen", "updated_at", "deleted_at")


class Recording(Standing):
    """A recording in the list."""

    recording_id: str
    path: str = Field(description="Relative to the library", examples=["sets/Night Drive.flac"])
    title: str | None
    artist: str | None
    album: str | None
    has_cover: bool
    size_bytes: int | None


class RecordingPage(BaseModel):
    """Part of the list, with counts over the whole library."""

    items: list[Recording]
    total: int = Field(description="How many match")
    offset: int
    limit: int
    counts: dict[str, int] = Field(description="By status, over the whole library")
    finished_last_minute: int


class FormerPath(BaseModel):
    path: str
    until: str


class File(BaseModel):
    """What is known of the file."""

    file_type: str | None
    format_family: str | None
    sha256_hash: str | None
    xxh128_hash: str | None
    first_seen: str | None
    updated_at: str | None
    deleted_at: str | None
    path_history: list[FormerPath]


class Twin(BaseModel):
    """Another recording of the same content."""

    recording_id: str
    path: str


class TracklistSummary(BaseModel):
    tracklist_id: str
    source: str | None
    confidence: float | None
    title: str | None
    track_count: int
    created_at: str | None


class Links(BaseModel):
    """Addresses of its pictures."""

    cover: str | None
    waveform: str


class RecordingDetails(Recording):
    """All that is known of a recording."""

    model_config = ConfigDict(extra="allow")

    file: File
    metadata: dict[str, Any] | None = Field(description="Tags, technical data and cover, as they were read")
    analysis: dict[str, Any] | None = Field(description="What the analysis of this content has found")
    tracklists: list[TracklistSummary] = Field(description="Newest first, 100 at most")
    cue_files: list[CueFile] = Field(description="Newest first, 100 at most")
    duplicates: list[Twin] = Field(description="Other recordings of the same content, 100 at most")
    history: list[dict[str, Any]] = Field(description="The `data` of its events, oldest first; kept for 24 hours")
    links: Links


@router.get("", responses={200: {"model": RecordingPage}})
async def list_recordings(
    request: Request,
    offset: Annotated[int, Query(ge=0, le=10_000_000)] = 0,
    limit: Annotated[int, Query(ge=0, le=500)] = 100,
    status: StatusFilter | None = None,
    q: Annotated[
        str,
        Query(max_length=200, description="Words of path, title, artist and album, in any order; or a recording id"),
    ] = "",
    sort: Sort = "newest",
) -> Json:
    """Recordings with progress, results or error, and counts by status over the whole library."""
    library = plane_of(request).library
    return Json(await library.page(offset=offset, limit=limit, status=status, query=q.strip(), sort=sort))


@router.get("/{recording_id}", responses={200: {"model": RecordingDetails}, **documented(404)})
async def show_recording(request: Request, recording_id: Id) -> Json:
    """One recording with its metadata, results, tracklists, sheets, duplicates and history."""
    plane = plane_of(request)
    document, event = await recording_or_work(plane, recording_id)
    documents = plane.state.documents
    metadata = await documents.get(METADATA, recording_id)
    content = document.get("xxh128_hash")
    history = await plane.state.progress.since(recording_id, 0) if event else []
    shown = plane.library.shown(recording_id, document, event, tags_of(metadata or {}))
    base = f"/v1/recordings/{recording_id}"
    return Json(
        shown
        | {
            "file": shown_file(plane, document),
            "metadata": shown_metadata(metadata),
            "analysis": _shown_analysis(await documents.get(ANALYSIS, content)) if content else None,
            "tracklists": [_summary(each) for each in await _newest(plane, TRACKLIST, recording_id)],
            "cue_files": [shown_cue_file(plane, each) for each in await _newest(plane, CUE_FILE, recording_id)],
            "duplicates": await _twins(plane, recording_id, document.get("sha256_hash")),
            "history": [each.data for each in history],
            "links": {"cover": f"{base}/cover" if shown["has_cover"] else None, "waveform": f"{base}/waveform.svg"},
        }
    )


def shown_file(plane: Plane, document: dict[str, Any]) -> dict[str, Any]:
    """What is known of the file, with the paths it had shown like its own."""
    roots = plane.services.roots
    former = document.get("path_history") or []
    history = [{"path": shown_path(each["path"], roots), "until": each["until"]} for each in former]
    return {key: document.get(key) for key in _FILE_FIELDS} | {"path_history": history}


def _shown_analysis(document: dict[str, Any] | None) -> dict[str, Any] | None:
    """Without what the analyser keeps for itself."""
    return document and {key: value for key, value in document.items() if key != "findings"}


async def _newest(plane: Plane, kind: str, recording_id: str) -> Sequence[dict[str, Any]]:
    ids = await plane.state.documents.find(kind, "recording", recording_id)
    found = [each for each in await plane.state.documents.get_many(kind, ids) if each is not None]
    found.sort(key=lambda each: str(each.get("created_at")), reverse=True)
    return found[:_MOST_SHOWN]


def _summary(tracklist: dict[str, Any]) -> dict[str, Any]:
    names = ("tracklist_id", "source", "confidence", "title", "created_at")
    return {name: tracklist.get(name) for name in names} | {"track_count": len(tracklist.get("entries") or [])}


async def _twins(plane: Plane, recording_id: str, sha256: str | None) -> list[dict[str, str]]:
    if not sha256:
        return []
    ids = [each for each in await plane.state.documents.find(RECORDING, "sha256", sha256) if each != recording_id]
    ids = ids[:_MOST_SHOWN]
    documents = await plane.state.documents.get_many(RECORDING, ids)
    roots = plane.services.roots
    return [
        {"recording_id": each, "path": shown_path(document.get("path"), roots)}
        for each, document in zip(ids, documents, strict=True)
        if document is not None and not document.get("deleted_at")
    ]
