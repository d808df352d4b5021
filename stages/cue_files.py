"""Generated sheets in the state store: documents of the kind "cue_file", indexed by recording and tracklist."""

from __future__ import annotations

from typing import Any

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from pipeline.errors import ErrorCode, Permanent
from pipeline.stage import Documents

KIND = "cue_file"


class CueFile(BaseModel):
    """A sheet that was written.

    Attributes:
        format: `standard`, `traktor`, …, as it was asked for.
        file_path: where it is, in the pipeline's data folder.
        file_size: bytes.
        checksum: SHA-256 of the bytes, lower-case hexadecimal.
        audio_file_path: the audio it is about.
        source_cue_file_id: the sheet it was converted from.
        validation_report: what was found in it before it was written.
    """

    model_config = ConfigDict(frozen=True)

    cue_file_id: str
    tracklist_id: str
    recording_id: str
    format: str
    file_path: str
    file_size: int = Field(ge=0)
    checksum: str
    created_at: AwareDatetime
    job_id: str | None = None
    audio_file_path: str | None = None
    source_cue_file_id: str | None = None
    validation_report: dict[str, Any] | None = None


class CueFiles:
    """Reads and writes them. Every method may raise StateUnavailable."""

    def __init__(self, documents: Documents) -> None:
        self._documents = documents

    async def get(self, cue_file_id: str) -> CueFile | None:
        """None where there is none."""
        document = await self._documents.get(KIND, cue_file_id)
        return None if document is None else CueFile.model_validate(document)

    async def known(self, cue_file_id: str) -> CueFile:
        """Raises Permanent, UNKNOWN_CUE_FILE."""
        cue_file = await self.get(cue_file_id)
        if cue_file is None:
            raise Permanent("No CUE file has this id", ErrorCode.UNKNOWN_CUE_FILE)
        return cue_file

    async def put(self, cue_file: CueFile) -> None:
        """Idempotent."""
        await self._documents.put(
            KIND,
            cue_file.cue_file_id,
            cue_file.model_dump(mode="json"),
            index={"recording": cue_file.recording_id, "tracklist": cue_file.tracklist_id},
        )
