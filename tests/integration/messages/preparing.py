"""What has to be there before a message makes sense: files, and recordings, tracklists and sheets by their ids."""

from __future__ import annotations

import uuid
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pipeline.state.port import Status, Update
from stages.examples import EXAMPLES
from stages.tracklists import Tracklist, TracklistEntry, Tracklists
from tests.integration.messages.bodies import Body, fitted, place_song
from tests.integration.messages.watched_library import WatchedLibrary

SONG_SECONDS = 12.0
FILES = ("track.mp3", "track1.mp3", "track2.mp3", "audio.mp3")


@dataclass(frozen=True, slots=True)
class Desk:
    """A folder of the library with the files that the examples name, for one message.

    Attributes:
        correlation_id: in the bodies whose example has one.
    """

    library: WatchedLibrary
    folder: Path
    correlation_id: str

    @classmethod
    def laid(cls, library: WatchedLibrary, song: Path, files: tuple[str, ...] = FILES) -> Desk:
        """With files of their own, each a different copy of the song."""
        folder = library.root / uuid.uuid4().hex
        for name in files:
            place_song(song, folder / name)
        folder.mkdir(exist_ok=True)
        return cls(library, folder, str(uuid.uuid4()))

    def body(self, message: str, ids: Mapping[str, str] | None = None, number: int = 0) -> Body:
        """The document's example as it fits here."""
        return fitted(EXAMPLES[message][number], self.folder, {"correlation_id": self.correlation_id, **(ids or {})})

    async def recording(self, name: str = "track.mp3") -> str:
        """The id of the recording of a file, catalogued and analysed."""
        path = self.folder / name
        event = self.body("file.created") | {"file_path": str(path)}
        await self.library.settled("file.created", await self.library.publish("file.created", event))
        recording = await self.library.recording_at(path)
        assert recording is not None, f"{path} is not in the catalog; {dict(self.library.letters)}"
        recording_id: str = recording["recording_id"]
        await self.library.event(recording_id, "analysis_complete")
        return recording_id

    async def unanalysed_recording(self, name: str = "track.mp3") -> str:
        """The id of a recording that the catalog knows and nobody has looked at."""
        recording_id = str(uuid.uuid4())
        await self.library.recording(recording_id, self.folder / name)
        return recording_id

    async def queued_recording(self) -> str:
        """The id of a recording whose analysis is asked for, and shown as queued, but has not come yet."""
        recording_id = await self.unanalysed_recording()
        update = Update(recording_id, str(uuid.uuid4()), "", "progress", Status.QUEUED)
        assert await self.library.state.progress.record(update) is not None
        return recording_id

    async def tracklist(self, name: str = "audio.mp3") -> str:
        """The id of a tracklist of two tracks."""
        tracklist = Tracklist(
            tracklist_id=str(uuid.uuid4()),
            recording_id=await self.unanalysed_recording(name),
            file_path=str(self.folder / name),
            source="manual",
            confidence=1.0,
            entries=(
                TracklistEntry(number=1, start_seconds=0.0, title="Harbour Lights", performer="The Tidewater Band"),
                TracklistEntry(number=2, start_seconds=6.0, title="Night Bus", performer="Mira Holt"),
            ),
            created_at=datetime.now(UTC),
            title="An Evening",
            performer="Several",
            duration_seconds=SONG_SECONDS,
        )
        await Tracklists(self.library.state.documents).put(tracklist)
        return tracklist.tracklist_id

    async def cue_file(self) -> str:
        """The id of a sheet that was generated from such a tracklist."""
        body = self.body("cue.generation.single", {"tracklist_id": await self.tracklist()})
        answer = await self._answer_to("cue.generation.single", body, "cue.generation.complete")
        return str(answer["cue_file_id"])

    async def rename(self) -> str:
        """The id of a rename that was carried out."""
        answer = await self._answer_to("rename.request", self.body("rename.request"), "rename.response")
        return str(answer["rename_id"])

    async def _answer_to(self, message: str, body: Body, answer: str) -> dict[str, Any]:
        correlation_id = str(uuid.uuid4())
        await self.library.publish(message, body | {"correlation_id": correlation_id})
        found = await self.library.answered(answer, correlation_id)
        assert found["success"], found
        return found


SIDECAR = """\
PERFORMER "Several"
TITLE "An Evening"
FILE "track.mp3" MP3
  TRACK 01 AUDIO
    TITLE "Harbour Lights"
    PERFORMER "The Tidewater Band"
    INDEX 01 00:00:00
  TRACK 02 AUDIO
    TITLE "Night Bus"
    PERFORMER "Mira Holt"
    INDEX 01 00:06:00
"""

Prepare = Callable[[Desk], Awaitable[Mapping[str, str]]]


async def nothing(desk: Desk) -> Mapping[str, str]:
    return {}


async def recording(desk: Desk) -> Mapping[str, str]:
    return {"recording_id": await desk.recording()}


async def unanalysed(desk: Desk) -> Mapping[str, str]:
    return {"recording_id": await desk.unanalysed_recording()}


async def gone(desk: Desk) -> Mapping[str, str]:
    ids = await recording(desk)
    (desk.folder / "track.mp3").unlink()
    return ids


async def mixed(desk: Desk) -> Mapping[str, str]:
    (desk.folder / "track.cue").write_text(SIDECAR)
    return await unanalysed(desk)


async def queued(desk: Desk) -> Mapping[str, str]:
    return {"recording_id": await desk.queued_recording()}


async def tracklist(desk: Desk) -> Mapping[str, str]:
    return {"tracklist_id": await desk.tracklist()}


async def cue_file(desk: Desk) -> Mapping[str, str]:
    cue_file_id = await desk.cue_file()
    return {"cue_file_id": cue_file_id, "source_cue_file_id": cue_file_id}


async def rename(desk: Desk) -> Mapping[str, str]:
    return {"rename_id": await desk.rename()}


PREPARATIONS: Mapping[str, Prepare] = {
    "file.deleted": recording,
    "catalog.sweep": gone,
    "file.analyze": unanalysed,
    "analysis.request": unanalysed,
    "analysis.cancel": queued,
    "metadata.extract": unanalysed,
    "waveform.generate": unanalysed,
    "tracklist.generate": mixed,
    "cue.generation.single": tracklist,
    "cue.generation.batch": tracklist,
    "cue.validation": cue_file,
    "cue.conversion": cue_file,
    "rename.feedback": rename,
}
"""What each message needs before it; the others need their files only."""
