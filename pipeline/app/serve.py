"""Runs the parts of the pipeline that a command asks for, in one event loop, until it is told to stop."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Collection, Coroutine, Mapping, Sequence
from contextlib import AsyncExitStack
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import Any

import structlog
from fastapi import FastAPI

from api.app import create_app
from api.server import ApiServer
from pipeline.app.engines import Engines, make_engines
from pipeline.app.loading import Loaded
from pipeline.app.parts import make_audit, make_services, make_sources, make_worker
from pipeline.app.presence import Presence
from pipeline.app.reload import Reloader
from pipeline.broker.embedded.engine import EmbeddedBroker
from pipeline.broker.port import Broker
from pipeline.errors import ExitCode, PipelineError
from pipeline.runtime.availability import Availability, keep_connected
from pipeline.runtime.declared import require_exchanges
from pipeline.runtime.sources import SourceRunner
from pipeline.runtime.worker import Worker
from pipeline.state.port import StateStore
from pipeline.topology.difference import exchanges_of
from pipeline.topology.expand import retry_delays
from pipeline.topology.model import Topology

_QUIET_S = 0.25
_log = structlog.get_logger()


class Part(StrEnum):
    """What a process can do."""

    WORKER = "worker"
    API = "api"
    SOURCES = "sources"


class Serving:
    """What is running, for whoever runs beside it.

    Attributes:
        address: the API's base URL; empty without one.
    """

    def __init__(self, topology: Topology, engines: Engines) -> None:
        self.state: StateStore = engines.state
        self.address = ""
        self.interrupted = False
        self.stopping = asyncio.Event()
        self.worker: Worker | None = None
        self.sources: list[SourceRunner] = []
        self.api: FastAPI | None = None
        self._engines = engines
        self._broker: Broker = engines.broker
        self._queues: list[str] = []
        self._look_after(topology)

    async def adopt(self, loaded: Loaded, *, roots: Sequence[Path]) -> None:
        """Go over to another revision of the topology. Raises PipelineError if it can't be; all is as it was then."""
        topology = loaded.topology
        services = make_services(loaded, self._engines, roots) if self.api is not None else None
        if isinstance(self._broker, EmbeddedBroker):
            self._broker.declare(loaded.definitions)
        await require_exchanges(self._broker, sorted(self._published(topology) - self._published(self._topology)))
        if self.worker is not None:
            changes = await self.worker.change(topology)
            told = {"added": changes.added, "removed": changes.removed, "changed": changes.changed}
            _log.info("stages were changed", **{kind: list(names) for kind, names in told.items() if names})
        for source in self.sources:
            if not source.adopt(topology):
                _log.warning("a source that changed goes on as it was until it is restarted", source=source.name)
        if self.api is not None and services is not None:
            self.api.state.plane.services = services
        self._look_after(topology)

    def stages(self) -> tuple[str, ...]:
        """Names of those that run in this process."""
        return self.worker.stages if self.worker else ()

    def away(self) -> Mapping[str, str]:
        """Dependencies that the stages of this process wait for."""
        return self.worker.away if self.worker else {}

    def _published(self, topology: Topology) -> set[str]:
        """Exchanges that sources and the API publish to; a worker looks after its own."""
        found: set[str] = set(exchanges_of(topology, topology.messages)) if self.api is not None else set()
        for source in self.sources:
            if source.name in topology.sources:
                found |= set(exchanges_of(topology, topology.sources[source.name].emits))
        return found

    def _look_after(self, topology: Topology) -> None:
        self._topology = topology
        taken = {queue for stage in topology.stages.values() for queue in stage.from_}
        self._queues = [name for queue in sorted(taken) for name in topology.queue_names(queue)]
        self._queues += [topology.retry_queue(delay) for delay in retry_delays(topology)]

    def stop(self) -> None:
        """Ask everything to end."""
        self.stopping.set()

    def interrupt(self) -> None:
        """Ctrl-C: stop, and say so in the exit code."""
        self.interrupted = True
        self.stop()

    async def settled(self) -> None:
        """Until what the sources found at the start is done: nothing waits, nothing is worked on."""
        for source in self.sources:
            await source.caught_up()
        quiet = 0
        # A delivery on its way is counted nowhere for a moment, so once is not enough.
        while quiet < 2:
            quiet = quiet + 1 if await self._idle() else 0
            await asyncio.sleep(_QUIET_S)

    async def _idle(self) -> bool:
        if self.worker is not None and self.worker.held:
            return False
        depths = [await self._broker.depth(queue) for queue in self._queues]
        return not any(depth.messages for depth in depths)


async def serve(
    loaded: Loaded,
    parts: Collection[Part],
    *,
    stages: Collection[str] | None = None,
    folders: Sequence[Path] = (),
    limit: int | None = None,
    beside: Callable[[Serving], Coroutine[Any, Any, None]] | None = None,
) -> int:
    """Serve until SIGTERM, SIGINT or `Serving.stop`, then drain; the process's exit code.

    Args:
        stages: for the worker; None: all.
        folders: what sources watch, and where files may be touched unless LIBRARY_ROOTS says otherwise.
        limit: how many of the files that are there a source takes.
        beside: runs along; when it raises, everything stops.
    Raises: PipelineError if a part cannot start or go on.
    """
    engines = make_engines(loaded.settings, loaded.topology, loaded.definitions)
    serving = Serving(loaded.topology, engines)
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, serving.stop)
    loop.add_signal_handler(signal.SIGINT, serving.interrupt)
    roots = loaded.settings.library_roots or tuple(folders)
    failure: PipelineError | None = None
    try:
        async with AsyncExitStack() as stack:
            stack.push_async_callback(engines.state.close)
            stack.push_async_callback(engines.broker.close)
            if engines.embedded:
                await engines.state.connect()
                await engines.broker.connect()
            if Part.API in parts:
                serving.api = create_app(make_services(loaded, engines, roots))
                server = ApiServer(serving.api, loaded.settings.api_host, loaded.settings.api_port)
                await server.start()
                stack.push_async_callback(server.stop)
                serving.address = f"http://{_shown(loaded.settings.api_host)}:{server.port}/"
            if Part.WORKER in parts:
                audit = make_audit(loaded.settings)
                if audit is not None:
                    stack.callback(audit.close)
                serving.worker = make_worker(loaded, engines, roots, stages, audit)
            if Part.SOURCES in parts:
                serving.sources = make_sources(loaded, engines, folders, limit)
            # In the order in which they are stopped: what is found last is still worked on.
            presence = Presence(engines.state, serving.stages, serving.away)
            adopt, watch = partial(serving.adopt, roots=roots), loaded.settings.pipeline_reload
            reloader = Reloader(loaded, adopt, presence.tell, watch=watch)
            loop.add_signal_handler(signal.SIGHUP, reloader.ask)
            runners: list[SourceRunner | Worker] = [*serving.sources, *([serving.worker] if serving.worker else [])]
            async with asyncio.TaskGroup() as group:
                background = [group.create_task(beside(serving))] if beside else []
                background.append(group.create_task(reloader.run()))
                if serving.worker is not None:
                    background.append(group.create_task(presence.run()))
                if serving.worker is None:
                    broker_up = Availability("The broker", engines.broker)
                    background.append(group.create_task(keep_connected(broker_up, engines.broker)))
                for runner in runners:
                    group.create_task(runner.run())
                await serving.stopping.wait()
                for task in background:
                    task.cancel()
                for runner in runners:
                    await runner.stop()
    except* PipelineError as errors:
        failure = first_of(errors)
    if failure is not None:
        # Raised here, since what is raised in an `except*` comes out as a group again.
        raise failure
    return ExitCode.INTERRUPTED if serving.interrupted else ExitCode.DONE


def first_of(errors: BaseExceptionGroup[PipelineError]) -> PipelineError:
    """The first error of a group, however deep: one is what a user can act on."""
    error: BaseException = errors
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    assert isinstance(error, PipelineError)
    return error


def _shown(host: str) -> str:
    """The host as a browser on this machine reaches it."""
    if host in ("0.0.0.0", "::", "127.0.0.1"):
        return "localhost"
    return f"[{host}]" if ":" in host else host
