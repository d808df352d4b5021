from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.api_plane import RunningApi, running_api


@pytest.fixture
async def api() -> AsyncIterator[RunningApi]:
    """An API server on a free port, over empty embedded engines."""
    async with running_api() as running:
        yield running
