"""Tracklists in the state store: documents of the kind "tracklist", indexed by their recording."""

from __future__ import annotations

from typing import Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from pipeline.errors import ErrorCode, Permanent
from pipeline.stage import Documents

KIND = "tracklist"

TracklistSource = Literal["embedded", "chapters", "sidecar", "audio", "manual"]


class TracklistEntry(BaseModel):
    """One track of a mix. What is not known is None, never a placeholder.

    Attributes:
        start_seconds: from the beginning of the audio file.
        end_seconds: where it is known to end before the next one starts.
        confidence: 0 to 1, that a track starts there.
    """

    model_config = ConfigDict(frozen=True)

    number: int = Field(ge=1, le=999)
    start_seconds: float = Field(ge=0, allow_inf_nan=False)
    end_seconds: float | None = Field(default=None, ge=0, allow_inf_nan=False)
    title: str | None = None
    performer: str | None = None
    isrc: str | None = None
    bpm: float | None = None
    key: str | None = None
    genre: str | None = None
    label: str | None = None
    year: int | None = None
    comment: str | None = None
    confidence: float | None = Field(default=None, ge=0, le=1)


class Tracklist(BaseModel):
    """What is played in a recording, and from when.

    Attributes:
        file_path: the audio file, as it was when the list was made.
        confidence: 0 to 1; 1 for a list that somebody wrote.
    """

    model_config = ConfigDict(frozen=True)

    tracklist_id: str
    recording_id: str
    file_path: str
    source: TracklistSource
    confidence: float = Field(ge=0, le=1)
    entries: tuple[TracklistEntry, ...]
    created_at: AwareDatetime
    title: str | None = None
    performer: str | None = None
    duration_seconds: float | None = Field(default=None, ge=0, allow_inf_nan=False)
    genre: str | None = None
    date: str | None = Field(default=None, description="Of release or of recording, a year at least")
    catalog: str | None = Field(default=None, description="The medium's catalogue number, 13 digits")


class Tracklists:
    """Reads and writes tracklists. Every method may raise StateUnavailable."""

    def __init__(self, documents: Documents) -> None:
        self._documents = documents

    async def known(self, tracklist_id: str) -> Tracklist:
        """Raises Permanent, UNKNOWN_TRACKLIST."""
        document = await self._documents.get(KIND, tracklist_id)
        if document is None:
            raise Permanent("No tracklist has this id", ErrorCode.UNKNOWN_TRACKLIST)
        return Tracklist.model_validate(document)

    async def put(self, tracklist: Tracklist) -> None:
        """Idempotent."""
        await self._documents.put(
            KIND,
            tracklist.tracklist_id,
            tracklist.model_dump(mode="json"),
            index={"recording": tracklist.recording_id},
        )

    async def of_recording(self, recording_id: str) -> list[str]:
        """Ids of the recording's tracklists, sorted."""
        return await self._documents.find(KIND, "recording", recording_id)
