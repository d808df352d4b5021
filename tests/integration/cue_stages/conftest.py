"""Real audio, and the CUE services on real servers, which retry at once."""

from __future__ import annotations

import shutil
import uuid
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from ops.audio import write_track
from pipeline.messages.message import ERROR_CODE
from pipeline.topology.model import Topology
from stages.examples import EXAMPLES
from stages.tracklists import Tracklist, TracklistEntry, Tracklists
from tests.api_plane import project_topology
from tests.live_library import LiveLibrary

SECONDS = 12.0
STAGES = ["cue.generation", "cue.generation.batch", "cue.validation", "cue.conversion"]
EXTERNAL = {
    "cue.generation.single": "cue.generation.complete",
    "cue.generation.batch": "cue.generation.batch.complete",
    "cue.validation": "cue.validation.complete",
    "cue.conversion": "cue.conversion.complete",
}
QUEUES = {name: name.removesuffix(".single") for name in EXTERNAL}


def quick() -> Topology:
    """The project's topology, whose retries do not wait."""
    topology = project_topology()
    standard = topology.retries["standard"]
    delays = [timedelta(milliseconds=each) for each in (50, 60, 70)]
    retries = {**topology.retries, "standard": standard.model_copy(update={"delays": delays})}
    return topology.model_copy(update={"retries": retries})


class CueService(LiveLibrary):
    """With the requests and answers of the tracklist service."""

    async def tracklist(self, path: Path, *, starts: tuple[float, ...] = (0.0, 6.0)) -> str:
        """The id of a stored tracklist of a file."""
        titles = ("Harbour Lights", "Night Bus", "Last Call")
        tracklist = Tracklist(
            tracklist_id=str(uuid.uuid4()),
            recording_id=str(uuid.uuid4()),
            file_path=str(path),
            source="manual",
            confidence=1.0,
            entries=tuple(
                TracklistEntry(number=number, start_seconds=start, title=title, performer="Mira Holt", bpm=128.0)
                for number, (start, title) in enumerate(zip(starts, titles, strict=False), 1)
            ),
            created_at=datetime.now(UTC),
            title="An Evening",
        )
        await Tracklists(self.state.documents).put(tracklist)
        return tracklist.tracklist_id

    def body(self, message: str, **fields: Any) -> dict[str, Any]:
        """The document's example with ids of its own, and other fields."""
        example = EXAMPLES[message][0]
        return {
            **{name: str(uuid.uuid4()) if value == "uuid-string" else value for name, value in example.items()},
            **fields,
        }

    async def ask(self, message: str, body: dict[str, Any] | bytes, *, id: str | None = None) -> dict[str, Any]:
        """What is answered to a request."""
        await self.publish(message, body, id=id)
        return await self.answer(EXTERNAL[message])

    async def dead_letter(self, message: str) -> str:
        """The error code that the next dead letter of the request's queue has."""
        return str((await self.take(f"{QUEUES[message]}.dlq")).headers[ERROR_CODE])

    async def sheet(self, path: Path) -> tuple[str, Path]:
        """The id of a sheet that was generated, and its file."""
        body = self.body("cue.generation.single", tracklist_id=await self.tracklist(path), validate_audio=False)
        answer = await self.ask("cue.generation.single", body | {"audio_file_path": str(path)})
        assert answer["success"], answer
        return answer["cue_file_id"], Path(answer["file_path"])


@pytest.fixture
async def service(
    rabbitmq_url: str, rabbitmq_management_url: str, redis_url: str, tmp_path: Path
) -> AsyncIterator[CueService]:
    opened = CueService(rabbitmq_url, rabbitmq_management_url, redis_url, tmp_path, topology=quick())
    try:
        await opened.open()
        await opened.start(STAGES)
        yield opened
    finally:
        await opened.close()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared_service(
    rabbitmq_url: str, rabbitmq_management_url: str, redis_url: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[CueService]:
    """One for all tests of a module, which leave nothing in its queues."""
    folder = tmp_path_factory.mktemp("shared")
    opened = CueService(rabbitmq_url, rabbitmq_management_url, redis_url, folder, topology=quick())
    try:
        await opened.open()
        await opened.start(STAGES)
        yield opened
    finally:
        await opened.close()


@pytest.fixture(scope="session")
def track(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Twelve seconds of music in a format; not to be changed."""
    folder = tmp_path_factory.mktemp("tracks")

    def made(suffix: str) -> Path:
        path = folder / f"track.{suffix}"
        if not path.exists():
            write_track(path, bpm=128.0, key="C major", seconds=SECONDS)
        return path

    return made


@pytest.fixture
def mix(service: CueService, track: Callable[[str], Path]) -> Path:
    """A file of the library."""
    return Path(shutil.copy(track("mp3"), service.root / "mix.mp3"))
