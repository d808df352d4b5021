"""The workers that are about, as they tell of themselves in the state store; and what is new about them."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import Counter
from typing import Any

from api import metrics
from api.library.kinds import WORKER
from api.socket.frames import notice
from api.socket.hub import Hub
from pipeline.errors import StateUnavailable, Unreachable
from pipeline.stage import Documents

_LOOK_EVERY_S = 2.0
_GONE_AFTER_S = 15.0
_FORGOTTEN_AFTER_S = 3600.0
_MOST = 500


class Workers:
    """Looked at every other second.

    Attributes:
        known: their documents, in the order of their start.
    """

    def __init__(self, documents: Documents, hub: Hub) -> None:
        self.known: list[dict[str, Any]] = []
        self._documents = documents
        self._hub = hub
        self._told: tuple[dict[str, int], set[str], set[str]] | None = None

    async def run(self) -> None:
        """For as long as this runs."""
        while True:
            with contextlib.suppress(StateUnavailable, Unreachable):  # what is known stays until it answers
                await self.look()
            await asyncio.sleep(_LOOK_EVERY_S)

    async def look(self) -> None:
        """Read them, and tell those who follow everything what has changed. Raises StateUnavailable, Unreachable."""
        found, _ = await self._documents.page(WORKER, limit=_MOST)
        now = time.time()
        for each in found:
            if now - each["seen_at"] > _FORGOTTEN_AFTER_S:
                await self._documents.delete(WORKER, each["id"])
        here = [each for each in found if now - each["seen_at"] < _GONE_AFTER_S]
        self.known = sorted(here, key=lambda each: (each["started_at"], each["id"]))
        counts = Counter(str(each["revision"]) for each in self.known)
        metrics.WORKERS.clear()
        for revision, count in counts.items():
            metrics.WORKERS.labels(revision).set(count)
        refused = {str(each["refused"]) for each in self.known if each["refused"]}
        away = {name for each in self.known for name in each.get("away", ())}
        before, self._told = self._told, (dict(counts), refused, away)
        if before is None:
            return
        for name in sorted(away - before[2]):
            self._hub.broadcast_to_everything(
                notice("dependency", f"{name} is away: what depends on it waits until it answers")
            )
        for name in sorted(before[2] - away):
            self._hub.broadcast_to_everything(notice("dependency", f"{name} answers again"))
        new = sorted(counts.keys() - before[0].keys())
        if new and before[0]:  # the first worker is no news
            self._hub.broadcast_to_everything(notice("topology", f"Revision {', '.join(new)} is in force"))
        for reason in sorted(refused - before[1]):
            self._hub.broadcast_to_everything(
                notice("topology_refused", f"A newer topology is not taken over: {reason}")
            )
