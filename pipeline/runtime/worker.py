"""Runs the stages that the topology wires to queues, until it is told to stop; goes over to another revision of it."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Coroutine, Mapping
from contextlib import suppress
from typing import Any

from pipeline.broker.port import Broker
from pipeline.errors import PipelineError
from pipeline.runtime.assembly import Assembled, Assembly, WorkerOptions
from pipeline.runtime.audit import Audit
from pipeline.runtime.availability import Availability, keep_connected
from pipeline.runtime.breaker import Breakers
from pipeline.runtime.cancellations import Cancellations
from pipeline.runtime.compose import Resolve
from pipeline.runtime.contracts import Contracts
from pipeline.runtime.declared import require_exchanges, require_queues
from pipeline.runtime.handling import Services
from pipeline.runtime.isolation import Isolation
from pipeline.runtime.leases import Leases
from pipeline.runtime.line import Line, cancel
from pipeline.runtime.outbox import Outbox
from pipeline.runtime.pool import ProcessPool
from pipeline.runtime.publisher import Publisher
from pipeline.runtime.retry import Retries
from pipeline.state.port import StateStore
from pipeline.topology.difference import Difference, difference, needed_exchanges, needed_queues
from pipeline.topology.model import Topology

_SETTLING_S = 5.0  # beside the time that its work may take
_BEGINNING_S = 10.0


class Worker:
    """One worker process's stages on one broker and one state store, which stay open when it ends.

    Args:
        stages: names of those to run; None: all.
        audit: is told of each delivery; stays open.
    Raises: PipelineError for a wrong stage name, or steps that do not fit together.
    """

    def __init__(
        self,
        topology: Topology,
        broker: Broker,
        state: StateStore,
        resolve: Resolve,
        options: WorkerOptions | None = None,
        *,
        stages: Collection[str] | None = None,
        audit: Audit | None = None,
    ) -> None:
        self._broker = broker
        options = options or WorkerOptions()
        self._broker_up = Availability("The broker", broker)
        self._state_up = Availability("The state store", state)
        self._contracts = Contracts(topology, resolve)
        self._publisher = Publisher(broker, topology, self._contracts, state)
        self._retries = Retries(topology, broker)
        self._leases = Leases(state.ledger, lease_s=options.lease_s)
        self._cancellations = Cancellations(state.progress)
        self._breakers = Breakers(topology, resolve)
        services = Services(
            contracts=self._contracts,
            outbox=Outbox(self._publisher, self._state_up),
            retries=self._retries,
            state=state,
            state_up=self._state_up,
            broker_up=self._broker_up,
            leases=self._leases,
            isolation=Isolation(),
            cancellations=self._cancellations,
            breakers=self._breakers,
            audit=audit,
            hold_s=options.hold_s,
        )
        self._assembly = Assembly(broker, services, resolve, options)
        self._stop_requested = asyncio.Event()
        self._stop_deadline_s = 0.0
        self._ended = asyncio.Event()
        self._changing = asyncio.Lock()
        self._group: asyncio.TaskGroup | None = None
        self._topology = topology
        self._names = stages
        self._lines: dict[str, Line] = {}
        self._pools: dict[ProcessPool, set[str]] = {}
        self._take_on(self._assembly.assemble(topology, _chosen(topology, stages)))

    async def run(self) -> None:
        """Serve until `stop`. Outages are waited out.

        Raises: PipelineError if a queue is not declared, or a pool process does not start.
        """
        failure: PipelineError | None = None
        try:
            for pool in self._pools:
                await pool.start()
            async with asyncio.TaskGroup() as group:
                serving = [group.create_task(each) for each in self._background()]
                for line in self._lines.values():
                    line.start(group)
                self._group = group
                await self._stop_requested.wait()
                async with self._changing:
                    self._group = None
                    lines = list(self._lines.values())
                    await asyncio.gather(*(line.drain(self._stop_deadline_s) for line in lines))
                    for line in lines:
                        await line.close()
                await cancel(serving)
        except* PipelineError as errors:
            failure = _first(errors)
        finally:
            await self._close()
        if failure is not None:
            raise failure

    async def ready(self) -> None:
        """Until every queue is consumed."""
        for line in self._lines.values():
            await line.ready()

    @property
    def held(self) -> int:
        """Deliveries that were taken and are not settled yet."""
        return sum(line.held for line in self._lines.values())

    @property
    def stages(self) -> tuple[str, ...]:
        """Names of the stages it runs."""
        return tuple(self._lines)

    @property
    def away(self) -> Mapping[str, str]:
        """Dependencies that are away, or were a moment ago, and the state of their breakers."""
        return self._breakers.states()

    async def change(self, topology: Topology) -> Difference:
        """Go over to another revision: stages that changed or went are drained, others go on without a pause.

        Modules that were imported are not imported anew. Returns when the new stages consume, or have tried for a
        few seconds; they go on trying.

        Raises: PipelineError if a stage's steps do not fit together, or a queue or exchange it needs is not declared:
            nothing is changed then.
        """
        async with self._changing:
            names = _chosen_still(topology, self._names)
            changes = difference(self._topology, topology, self._names)
            begun = [name for name in names if name in (*changes.added, *changes.changed)]
            assembled = self._assembly.assemble(topology, begun)
            await self._require(topology, begun)
            if assembled.pool is not None:
                await assembled.pool.start()
            ending = [self._lines.pop(name) for name in (*changes.removed, *changes.changed)]
            await asyncio.gather(*(self._end(line) for line in ending))
            for each in (self._contracts, self._publisher, self._retries, self._breakers):
                each.adopt(topology)
            self._topology = topology
            self._take_on(assembled)
            group = None if self._stop_requested.is_set() else self._group
            if group is not None:
                for line in assembled.lines:
                    line.start(group, patient=True)
        if group is not None:
            # A broker that is away, or a permission that is given a moment later, holds up these stages alone.
            with suppress(TimeoutError):
                async with asyncio.timeout(_BEGINNING_S):
                    await asyncio.gather(*(line.ready() for line in assembled.lines))
        return changes

    async def stop(self, deadline_s: float = 30.0) -> None:
        """Consume no more, let running work finish for `deadline_s` seconds, return the rest to its queues.

        Returns when `run` has ended.
        """
        self._stop_deadline_s = deadline_s
        self._stop_requested.set()
        await self._ended.wait()

    def _background(self) -> list[Coroutine[Any, Any, None]]:
        return [
            keep_connected(self._broker_up, self._broker),
            self._state_up.keep(),
            self._leases.keep(),
            self._cancellations.watch(),
            self._breakers.keep(),
        ]

    def _take_on(self, assembled: Assembled) -> None:
        self._lines |= {line.name: line for line in assembled.lines}
        if assembled.pool is not None:
            self._pools[assembled.pool] = {line.name for line in assembled.lines}

    async def _end(self, line: Line) -> None:
        """Drain a line; a stop that is asked for meanwhile shortens that."""
        draining = asyncio.ensure_future(line.drain(line.timeout_s + _SETTLING_S))
        stopping = asyncio.ensure_future(self._stop_requested.wait())
        await asyncio.wait({draining, stopping}, return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        if not draining.done():
            await asyncio.wait({draining}, timeout=self._stop_deadline_s)
        draining.cancel()
        await asyncio.gather(draining, stopping, return_exceptions=True)
        await line.close()
        for pool, users in list(self._pools.items()):
            users.discard(line.name)
            if not users:
                del self._pools[pool]
                await pool.close()

    async def _require(self, topology: Topology, begun: Collection[str]) -> None:
        """What stages need that begin, and what others need that they didn't before."""
        for require, needed in ((require_queues, needed_queues), (require_exchanges, needed_exchanges)):
            had = {each for name in self._lines for each in needed(self._topology, name)}
            names = _chosen_still(topology, self._names)
            wanted = {
                name: [each for each in needed(topology, name) if name in begun or each not in had] for name in names
            }
            await require(self._broker, dict.fromkeys(each for needs in wanted.values() for each in needs))

    async def _close(self) -> None:
        try:
            for line in self._lines.values():
                await line.close()
            for pool in self._pools:
                await pool.close()
        finally:
            self._ended.set()


def _chosen(topology: Topology, names: Collection[str] | None) -> list[str]:
    if names is None:
        return list(topology.stages)
    unknown = sorted(set(names) - set(topology.stages))
    if unknown:
        known = ", ".join(topology.stages)
        raise PipelineError(f"No stage is called {unknown[0]!r}", where="stages", fix=f"There are: {known}")
    return list(dict.fromkeys(names))


def _chosen_still(topology: Topology, names: Collection[str] | None) -> list[str]:
    """Those that are there; one that was asked for may have gone."""
    return [name for name in topology.stages if names is None or name in names]


def _first(errors: BaseExceptionGroup[PipelineError]) -> PipelineError:
    error: BaseException = errors
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error  # type: ignore[return-value]
