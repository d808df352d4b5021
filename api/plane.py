"""The parts of the API that live as long as the process, and their start and stop."""

from __future__ import annotations

import asyncio
import contextlib
import uuid
from collections import defaultdict
from collections.abc import AsyncIterator
from typing import cast

from starlette.requests import HTTPConnection

from api.alerts import Known
from api.degraded import Degradation
from api.health import Readiness
from api.history import History
from api.library.index import Library
from api.services import Services
from api.socket.hub import Hub
from api.socket.relay import Relay
from api.workers import Workers
from pipeline.errors import StateUnavailable, Unreachable
from pipeline.state.port import StateStore
from pipeline.topology.graph import graph_of

_ANNOUNCE_S = 5.0
_ANNOUNCE_TTL_S = 20.0
_ANSWER_S = 2.0
_GROUP = "websocket"


class Plane:
    """Hub, relay, index and readiness over one set of services."""

    def __init__(self, services: Services) -> None:
        self.services = services
        self.hub = Hub()
        self.library = Library(services.state, services.roots)
        self.workers = Workers(services.state.documents, self.hub)
        self.relay = Relay(services.state.progress, self.hub, [self.library.observe])
        self.readiness = Readiness({"broker": services.broker.ping, "state": services.state.ping})
        self.degradation = Degradation(self.readiness, self.hub)
        self.history = History(services.flows)
        self._graph = graph_of(services.topology)
        self._node = str(uuid.uuid4())
        self._reading: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    @property
    def state(self) -> StateStore:
        return self.services.state

    @property
    def queue_names(self) -> list[str]:
        """All queues of the topology, dead letters' and retries' included."""
        return self._graph.queues

    def known(self) -> Known:
        """What alerts are made from."""
        away = self.degradation.away
        return Known(self._graph, self.history.samples, self.workers.known, away, self.relay.connected)

    def reading(self, queue: str) -> asyncio.Lock:
        """To be held while a queue is read through: what one reader holds, the next would not find."""
        return self._reading[queue]

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Relay events and announce the number of connections; on leaving, close all sockets with 1012."""
        self.relay.start()
        tasks = [
            asyncio.create_task(each)
            for each in (self._announce(), self.workers.run(), self.degradation.run(), self.history.run())
        ]
        try:
            yield
        finally:
            self.readiness.draining = True
            await self.relay.stop()
            await self.hub.close()
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            with contextlib.suppress(StateUnavailable, Unreachable, TimeoutError):
                async with asyncio.timeout(_ANSWER_S):
                    await self.state.announce(_GROUP, self._node, 0, _ANNOUNCE_TTL_S)

    async def drain(self) -> None:
        """Fail readiness, refuse new sockets, close those there are."""
        self.readiness.draining = True
        await self.hub.close()

    async def count_connections(self) -> int:
        """Connections of the whole cluster; of this process where the state store is away."""
        try:
            async with asyncio.timeout(_ANSWER_S):
                return await self.state.announce(_GROUP, self._node, self.hub.connections, _ANNOUNCE_TTL_S)
        except (StateUnavailable, Unreachable, TimeoutError):
            return self.hub.connections

    async def _announce(self) -> None:
        while not self.readiness.draining:
            await self.count_connections()
            await asyncio.sleep(_ANNOUNCE_S)


def plane_of(connection: HTTPConnection) -> Plane:
    """The plane of the application that serves this request or socket."""
    return cast(Plane, connection.app.state.plane)
