"""Circuit breakers: while what a stage depends on is away, its queues are not consumed, and no attempts are used up."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable, Iterable, Mapping
from enum import IntEnum
from typing import Any

import structlog

from pipeline.errors import ErrorCode
from pipeline.runtime.compose import Resolve
from pipeline.runtime.failure import Failure
from pipeline.telemetry import BREAKER, BREAKER_OPENED
from pipeline.topology.model import Topology
from pipeline.topology.stages import Dependency

_log = structlog.get_logger()
_TELLING = frozenset({ErrorCode.DEPENDENCY_UNAVAILABLE.value, ErrorCode.TIMEOUT.value})
# Failures of the broker and the state store, which have an availability of their own.
_OURS = frozenset({"BrokerError", "StateUnavailable"})


class State(IntEnum):
    """Whether what depends on it is consumed; the value of the metric."""

    CLOSED = 0
    HALF_OPEN = 1
    OPEN = 2


class Breaker:
    """For one dependency of one worker.

    So many failures one after the other, within a time, open it. While it is open it is probed; after that, messages
    are worked on one at a time until one succeeds, which closes it, or fails for it, which opens it again.

    Args:
        probe: called without arguments, awaited if need be; it raises or gives False while the dependency is away.
        opened: called whenever it opens.
    """

    def __init__(
        self, name: str, dependency: Dependency, probe: Callable[[], Any] | None, opened: Callable[[Breaker], None]
    ) -> None:
        self.name = name
        self.dependency = dependency
        self.state = State.CLOSED
        self._probe = probe
        self._opened = opened
        self._failures: list[float] = []
        self._passable = asyncio.Event()
        self._passable.set()
        self._listeners: dict[Callable[[], None], None] = {}
        BREAKER.labels(name).set(self.state)

    @property
    def trying(self) -> bool:
        """Whether it lets messages through one at a time."""
        return self.state is State.HALF_OPEN

    def on_lost(self, listener: Callable[[], None]) -> None:
        """Have `listener` called whenever consumption has to begin anew: as it opens, and as it closes again."""
        self._listeners[listener] = None

    def forget(self, listener: Callable[[], None]) -> None:
        """Call it no more. Idempotent."""
        self._listeners.pop(listener, None)

    async def wait(self) -> None:
        """Until messages may be worked on."""
        await self._passable.wait()

    def failed(self) -> None:
        """A message failed for this dependency."""
        now = asyncio.get_running_loop().time()
        within = self.dependency.within.total_seconds()
        self._failures = [at for at in self._failures if now - at < within] + [now]
        if self.state is State.HALF_OPEN or (
            self.state is State.CLOSED and len(self._failures) >= self.dependency.failures
        ):
            self._open()

    def succeeded(self) -> None:
        """A message was worked on."""
        self._failures.clear()
        if self.state is State.HALF_OPEN:
            _log.warning("a dependency answers again", dependency=self.name)
            self._enter(State.CLOSED)

    async def recover(self) -> None:
        """Probe until it answers, then let messages through one at a time."""
        every = self.dependency.every.total_seconds()
        while self.state is State.OPEN:
            await asyncio.sleep(every)
            if await self._answers(every):
                self._enter(State.HALF_OPEN)

    async def _answers(self, seconds: float) -> bool:
        if self._probe is None:
            return True
        try:
            async with asyncio.timeout(seconds):
                if inspect.iscoroutinefunction(self._probe):
                    answer = await self._probe()
                else:
                    answer = await asyncio.to_thread(self._probe)
        except Exception as error:
            _log.info("a dependency is still away", dependency=self.name, error_class=type(error).__name__)
            return False
        return answer is not False

    def _open(self) -> None:
        _log.error(
            "a dependency is away; what depends on it is not consumed until it answers",
            dependency=self.name,
            probed_every_s=self.dependency.every.total_seconds(),
        )
        BREAKER_OPENED.labels(self.name).inc()
        self._enter(State.OPEN)
        self._opened(self)

    def _enter(self, state: State) -> None:
        self.state = state
        self._failures.clear()
        BREAKER.labels(self.name).set(state)
        if state is State.OPEN:
            self._passable.clear()
        else:
            self._passable.set()
        if state is not State.HALF_OPEN:
            for listener in list(self._listeners):
                listener()


class Breakers:
    """All of one worker."""

    def __init__(self, topology: Topology, resolve: Resolve) -> None:
        self._resolve = resolve
        self._topology = topology
        self._breakers: dict[str, Breaker] = {}
        self._opened: asyncio.Queue[Breaker] = asyncio.Queue()

    def adopt(self, topology: Topology) -> None:
        """Go by another revision of the topology from now on; a dependency that changed has a new breaker."""
        for name, breaker in list(self._breakers.items()):
            if topology.dependencies.get(name) != breaker.dependency:
                del self._breakers[name]
        self._topology = topology

    def of(self, names: Iterable[str], topology: Topology) -> tuple[Breaker, ...]:
        """Those of some dependencies of a topology. Raises what `resolve` raises for a probe."""
        return tuple(self._breaker(name, topology.dependencies[name]) for name in names)

    def states(self) -> Mapping[str, str]:
        """Those that are not closed, by name: open, half open."""
        return {
            name: breaker.state.name.lower().replace("_", " ")
            for name, breaker in self._breakers.items()
            if breaker.state is not State.CLOSED
        }

    async def keep(self) -> None:
        """See to those that open, for as long as this runs."""
        async with asyncio.TaskGroup() as group:
            while True:
                breaker = await self._opened.get()
                group.create_task(breaker.recover())

    def _breaker(self, name: str, dependency: Dependency) -> Breaker:
        known = self._breakers.get(name)
        if known is None or known.dependency != dependency:
            probe = None if dependency.probe is None else self._resolve(dependency.probe)
            known = self._breakers[name] = Breaker(name, dependency, probe, self._opened.put_nowait)
        return known


def blamed(breakers: Iterable[Breaker], failure: Failure) -> list[Breaker]:
    """Those whose dependency a failure is about: the one that the step names, else all, if it is of that sort."""
    named = failure.details.get("dependency")
    if named is not None:
        return [breaker for breaker in breakers if breaker.name == named]
    if failure.error_code in _TELLING and not _OURS & set(failure.kinds):
        return list(breakers)
    return []
