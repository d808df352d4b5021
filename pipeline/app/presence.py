"""Lets others know of a worker: which stages it runs, by which revision of the topology."""

from __future__ import annotations

import asyncio
import os
import socket
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any

from pipeline.errors import StateUnavailable, Unreachable
from pipeline.state.port import StateStore

KIND = "worker"
SEEN_EVERY_S = 5.0
_ANSWER_S = 2.0


class Presence:
    """Writes a document about the process every few seconds and when there is news, and removes it at the end.

    Args:
        stages: the names of those that it runs now.
        away: the dependencies that it waits for, and the state of their breakers.
    """

    def __init__(
        self, state: StateStore, stages: Callable[[], Sequence[str]], away: Callable[[], Mapping[str, str]] = dict
    ) -> None:
        self._documents = state.documents
        self._stages = stages
        self._away = away
        self._id = uuid.uuid4().hex
        self._news = asyncio.Event()
        self._about: dict[str, Any] = {"host": socket.gethostname(), "pid": os.getpid(), "started_at": time.time()}

    def tell(self, revision: str, refused: str) -> None:
        """Which revision is in force, and why a newer one is not; empty where there is none."""
        if self._about.get("revision") != revision:
            self._about["in_force_since"] = time.time()
        self._about |= {"revision": revision, "refused": refused}
        self._news.set()

    async def run(self) -> None:
        """For as long as this runs; a state store that is away is told later."""
        try:
            while True:
                self._news.clear()
                seen = {"stages": sorted(self._stages()), "away": dict(self._away()), "seen_at": time.time()}
                with suppress(StateUnavailable, Unreachable):
                    await self._documents.put(KIND, self._id, self._about | seen)
                with suppress(TimeoutError):
                    async with asyncio.timeout(SEEN_EVERY_S):
                        await self._news.wait()
        finally:
            with suppress(StateUnavailable, Unreachable, TimeoutError):
                async with asyncio.timeout(_ANSWER_S):
                    await self._documents.delete(KIND, self._id)
