"""Audio files with tags, steps on them, and the whole service on real servers."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from ops.audio import write_track
from stages.answers import Stopwatch
from stages.contracts import MetadataExtractionRequest
from stages.metadata.extraction import Extracted, Located, read
from tests.live_library import LiveLibrary, live_library


@dataclass
class PoolContext:
    """What the pool hands to a step."""

    messages: list[str] = field(default_factory=list)

    def progress(self, fraction: float, message: str = "") -> None:
        self.messages.append(message)


@pytest.fixture(scope="session")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Three seconds of music in a format, without tags; not to be changed."""
    folder = tmp_path_factory.mktemp("plain")

    def made(suffix: str) -> Path:
        path = folder / f"track.{suffix}"
        if not path.exists():
            write_track(path, bpm=120, key="A minor", seconds=3, style="pop")
        return path

    return made


@pytest.fixture
def track(plain: Callable[[str], Path], tmp_path: Path) -> Callable[[str], Path]:
    """A copy of one's own."""

    def copied(suffix: str) -> Path:
        return Path(shutil.copy(plain(suffix), tmp_path / f"track.{suffix}"))

    return copied


@pytest.fixture
def extract() -> Callable[..., Extracted]:
    """What the step in the pool gives for a file."""

    def run(path: Path, *types: str) -> Extracted:
        request = MetadataExtractionRequest.model_validate(
            {"recording_id": "a-recording", "extraction_types": types or ["id3_tags", "audio_analysis"]}
        )
        return read(Located(request, path, path.stat().st_size, {}, Stopwatch()), PoolContext())  # type: ignore[arg-type]

    return run


@pytest.fixture
async def library(
    rabbitmq_url: str, rabbitmq_management_url: str, redis_url: str, tmp_path: Path
) -> AsyncIterator[LiveLibrary]:
    async with live_library(rabbitmq_url, rabbitmq_management_url, redis_url, tmp_path) as opened:
        yield opened


@pytest.fixture
def tagged(tmp_path: Path) -> Callable[[str], tuple[Path, bytes]]:
    """A short tagged file of one's own, and what is in it."""

    def made(suffix: str) -> tuple[Path, bytes]:
        path = tmp_path / f"tagged.{suffix}"
        tags = {"title": "Song", "artist": "Somebody", "album": "Album", "track": "3/12", "date": "2020"}
        write_track(path, bpm=120, key="A minor", seconds=1, style="pop", tags=tags)
        return path, path.read_bytes()

    return made
