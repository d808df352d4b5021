"""What may be asked for a recording: analysis and its cancellation, metadata, a tracklist, another name."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Body, Request
from pydantic import Field

from api.http.json_response import Json
from api.http.submissions import ACCEPTED, WHOLE, Wish, submit
from api.library.known import Id, live_recording, recording_or_work
from api.plane import plane_of
from api.problems import documented

router = APIRouter(prefix="/v1/recordings/{recording_id}", tags=["recordings"])

_NEEDS_THE_FILE = ACCEPTED | documented(410)


class AnalysisWish(Wish):
    """What to analyse, and how soon."""

    analysis_types: list[Literal["bpm", "key", "energy"]] = Field(
        default=["bpm", "key", "energy"], min_length=1, max_length=16
    )
    priority: Annotated[int, Field(ge=1, le=10), WHOLE] | None = Field(
        default=None, description="10 is worked on first; by default above what scans have asked for"
    )


class MetadataWish(Wish):
    """What to read from the file."""

    extraction_types: list[Literal["id3_tags", "audio_analysis"]] = Field(
        default=["id3_tags", "audio_analysis"], min_length=1, max_length=16
    )


class TracklistWish(Wish):
    """Where to look for the tracks of a mix."""

    source_hint: Literal["auto", "embedded", "sidecar", "audio"] = Field(
        default="auto", description="auto: embedded sheet or chapters, then a sidecar .cue, then the audio itself"
    )


class RenameOptions(Wish):
    """How to rename."""

    preserve_extension: bool = True
    backup_original: bool = False


class RenameWish(Wish):
    """Another name in the same folder; a file that is there is never overwritten."""

    suggested_name: str = Field(min_length=1, max_length=1024, examples=["Artist - Track Title.mp3"])
    options: RenameOptions = RenameOptions()


@router.post("/analysis", status_code=202, responses=_NEEDS_THE_FILE)
async def analyse(
    request: Request, recording_id: Id, wish: Annotated[AnalysisWish, Body(default_factory=AnalysisWish)]
) -> Json:
    """Analyse it (again). Overtakes what scans have asked for; what is already known of the same content is reused."""
    recording = await live_recording(plane_of(request), recording_id)
    fields = {
        "file_path": recording["path"],
        "analysis_types": wish.analysis_types,
        "metadata": {},
    }
    if wish.priority is not None:
        fields["priority"] = wish.priority
    return await submit(request, "analysis.request", fields, job=None, follow=recording_id, recording_id=recording_id)


@router.delete("/analysis", status_code=202, responses=ACCEPTED)
async def cancel_analysis(request: Request, recording_id: Id) -> Json:
    """Cancel its analysis: queued, it never starts; running, it is stopped. Harmless where there is none."""
    await recording_or_work(plane_of(request), recording_id)
    fields = {"action": "cancel"}
    return await submit(request, "analysis.cancel", fields, job=None, follow=recording_id, recording_id=recording_id)


@router.post("/metadata", status_code=202, responses=_NEEDS_THE_FILE)
async def extract_metadata(
    request: Request, recording_id: Id, wish: Annotated[MetadataWish, Body(default_factory=MetadataWish)]
) -> Json:
    """Read its tags, its technical data and its cover (again)."""
    await live_recording(plane_of(request), recording_id)
    fields = {"extraction_types": wish.extraction_types}
    return await submit(request, "metadata.extract", fields, recording_id=recording_id)


@router.post("/tracklist", status_code=202, responses=_NEEDS_THE_FILE)
async def generate_tracklist(
    request: Request, recording_id: Id, wish: Annotated[TracklistWish, Body(default_factory=TracklistWish)]
) -> Json:
    """Find out what is played in it, and from when. The job's results name the tracklist."""
    await live_recording(plane_of(request), recording_id)
    return await submit(request, "tracklist.generate", {"source_hint": wish.source_hint}, recording_id=recording_id)


@router.post("/rename", status_code=202, responses=_NEEDS_THE_FILE)
async def rename(request: Request, recording_id: Id, wish: RenameWish) -> Json:
    """Rename its file. The job's results have the new name and the `rename_id`, for feedback."""
    recording = await live_recording(plane_of(request), recording_id)
    fields = {
        "file_path": recording["path"],
        "suggested_name": wish.suggested_name,
        "options": wish.options.model_dump(),
    }
    return await submit(request, "rename.request", fields, recording_id=recording_id)
