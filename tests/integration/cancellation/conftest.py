"""The analysis of the project on real servers, with music long enough to be caught at work."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from ops.audio import write_track
from tests.live_library import LiveLibrary, live_library


@pytest.fixture
async def library(
    rabbitmq_url: str, rabbitmq_management_url: str, redis_url: str, tmp_path: Path
) -> AsyncIterator[LiveLibrary]:
    async with live_library(rabbitmq_url, rabbitmq_management_url, redis_url, tmp_path) as opened:
        yield opened


@pytest.fixture
def track(library: LiveLibrary) -> Callable[[str], Path]:
    """A short piece in the library."""

    def made(name: str) -> Path:
        path = library.root / name
        write_track(path, bpm=120, key="A minor", seconds=5, style="pop")
        return path

    return made
