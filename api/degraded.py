"""Telling everybody who is connected that something the service depends on is away, and that it is back."""

from __future__ import annotations

import asyncio

from api.health import Readiness
from api.socket.frames import Frame, notice
from api.socket.hub import Hub

_LOOK_EVERY_S = 2.0
_MEANING = {
    "state": "The state store is away: progress and lists come when it is back",
    "broker": "The broker is away: nothing can be asked for until it is back",
}


class Degradation:
    """What is away just now.

    Looked at every other second; away is what did not answer twice, so that a reconnect is no news.
    """

    def __init__(self, readiness: Readiness, hub: Hub) -> None:
        self._readiness = readiness
        self._hub = hub
        self._failing: set[str] = set()
        self._away: set[str] = set()

    @property
    def away(self) -> frozenset[str]:
        """The names of what is away."""
        return frozenset(self._away)

    async def run(self) -> None:
        """For as long as this runs."""
        while True:
            await self.look()
            await asyncio.sleep(_LOOK_EVERY_S)

    async def look(self) -> None:
        """Ask each, and tell what has changed."""
        _, answer = await self._readiness.check()
        failing = {name for name, check in answer["checks"].items() if check["status"] != "ok"}
        away = failing & (self._failing | self._away)
        for name in sorted(away - self._away):
            self._hub.broadcast(_degraded(name))
        for name in sorted(self._away - away):
            self._hub.broadcast(notice("restored", f"The {_name(name)} is back"))
        self._failing, self._away = failing, away

    def notices(self) -> list[Frame]:
        """What a client that has just connected should know."""
        return [_degraded(name) for name in sorted(self._away)]


def _degraded(name: str) -> Frame:
    return notice("degraded", _MEANING.get(name, f"{name} is away"))


def _name(name: str) -> str:
    return {"state": "state store"}.get(name, name)
