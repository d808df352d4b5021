"""One worker with all stages, for all tests of a module."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from ops.audio import write_track
from tests.integration.messages.watched_library import WatchedLibrary


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def library(
    rabbitmq_url: str, rabbitmq_management_url: str, redis_url: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[WatchedLibrary]:
    library = WatchedLibrary(rabbitmq_url, rabbitmq_management_url, redis_url, tmp_path_factory.mktemp("messages"))
    try:
        await library.open()
        yield library
    finally:
        await library.close()


@pytest.fixture(scope="session")
def song(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An MP3 of 12 seconds, 128 BPM, in C major, outside the library."""
    path = tmp_path_factory.mktemp("song") / "song.mp3"
    tags = {"title": "Harbour Lights", "artist": "The Tidewater Band"}
    write_track(path, bpm=128.0, key="C major", seconds=12.0, seed=3, tags=tags)
    return path
