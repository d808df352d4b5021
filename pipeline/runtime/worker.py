"""Runs the stages that the topology wires to queues, until it is told to stop."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Callable, Collection, Coroutine, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from pipeline.broker.port import Broker
from pipeline.errors import PipelineError
from pipeline.runtime.answering import Answer, Answering, answer_of
from pipeline.runtime.availability import Availability, keep_connected
from pipeline.runtime.cancellations import Cancellations
from pipeline.runtime.child import Configuration, Task
from pipeline.runtime.compose import References, Resolve, Steps, compose, groups, references
from pipeline.runtime.contracts import Contracts
from pipeline.runtime.crew import Crew
from pipeline.runtime.executor import Executor, LoopExecutor, ProcessExecutor, ThreadExecutor, run_in_pool
from pipeline.runtime.fitting import check
from pipeline.runtime.handling import Handler, Services
from pipeline.runtime.leases import Leases
from pipeline.runtime.outbox import Outbox
from pipeline.runtime.outputs import Emitter
from pipeline.runtime.pool import ProcessPool
from pipeline.runtime.publisher import Publisher
from pipeline.runtime.retry import Retries
from pipeline.runtime.subscription import Subscription
from pipeline.runtime.work import LoopContext, Surroundings, ThreadContext, Work
from pipeline.stage import Cancel, Completed, Emit
from pipeline.state.port import StateStore
from pipeline.topology.model import Stage, Topology

_CANCELLED_AGAIN_S = 1.0


@dataclass(frozen=True, slots=True)
class WorkerOptions:
    """What a worker is told beside the topology.

    Attributes:
        data_dir: where stages generate files.
        path: the topology's folder, first on sys.path in pool processes.
        processes: how many there are for all stages together that need some.
        lease_s: how long a message of a crashed worker stays claimed.
        hold_s: how long a delivery is held before it is returned, where the broker takes it nowhere else.
    """

    roots: tuple[Path, ...] = ()
    data_dir: Path = field(default_factory=lambda: Path(tempfile.gettempdir()))
    path: str | None = None
    processes: int = 1
    log_level: str = "info"
    lease_s: float = 30.0
    hold_s: float = 5.0


class Worker:
    """One worker process's stages on one broker and one state store, which stay open when it ends.

    Args:
        stages: names of those to run; None: all.
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
    ) -> None:
        self._broker = broker
        self._options = options or WorkerOptions()
        self._broker_up = Availability("The broker", broker)
        self._state_up = Availability("The state store", state)
        contracts = Contracts(topology, resolve)
        self._services = Services(
            contracts=contracts,
            outbox=Outbox(Publisher(broker, topology, contracts, state), self._state_up),
            retries=Retries(topology, broker),
            state=state,
            state_up=self._state_up,
            broker_up=self._broker_up,
            leases=Leases(state.ledger, lease_s=self._options.lease_s),
            cancellations=Cancellations(state.progress),
            hold_s=self._options.hold_s,
        )
        self._stop_requested = asyncio.Event()
        self._stop_deadline_s = 0.0
        self._ended = asyncio.Event()
        self._pool: ProcessPool | None = None
        self._executors: list[Executor] = []
        self._crews: list[Crew] = []
        self._subscriptions: list[Subscription] = []
        self._build(topology, _chosen(topology, stages), resolve)

    async def run(self) -> None:
        """Serve until `stop`. Outages are waited out.

        Raises: PipelineError if a queue is not declared, or a pool process does not start.
        """
        failure: PipelineError | None = None
        try:
            if self._pool is not None:
                await self._pool.start()
            async with asyncio.TaskGroup() as group:
                keeping = [group.create_task(subscription.keep()) for subscription in self._subscriptions]
                serving = [group.create_task(each) for each in self._background()]
                await self._stop_requested.wait()
                await _cancel(keeping)
                await self._drain()
                await _cancel(serving)
        except* PipelineError as errors:
            failure = _first(errors)
        finally:
            await self._close()
        if failure is not None:
            raise failure

    async def ready(self) -> None:
        """Until every queue is consumed."""
        for subscription in self._subscriptions:
            await subscription.consuming.wait()

    @property
    def held(self) -> int:
        """Deliveries that were taken and are not settled yet."""
        return sum(subscription.held for subscription in self._subscriptions)

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
            self._services.leases.keep(),
            self._services.cancellations.watch(),
            *(crew.run() for crew in self._crews),
        ]

    async def _drain(self) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(self._stop_deadline_s):
                await asyncio.gather(*(subscription.drain() for subscription in self._subscriptions))

    async def _close(self) -> None:
        try:
            for subscription in self._subscriptions:
                await subscription.close()
            for executor in self._executors:
                executor.close()
            if self._pool is not None:
                await self._pool.close()
        finally:
            self._ended.set()

    def _build(self, topology: Topology, stages: Mapping[str, Stage], resolve: Resolve) -> None:
        runs = {name: references(name, stage) for name, stage in stages.items()}
        steps = {name: compose(name, runs[name], resolve) for name in stages}
        contracts = self._services.contracts
        for name, stage in stages.items():
            taken = contracts.models(each for messages in stage.from_.values() for each in messages)
            check(name, steps[name], taken, (*contracts.models(stage.emits).values(), Emit, Completed, Cancel))
            _check_subject(name, stage, taken)
        options = self._options
        surroundings = {
            name: Surroundings(options.roots, options.data_dir, stage.options) for name, stage in stages.items()
        }
        pooled: dict[tuple[str, int | None], References] = {}
        for name, stage in stages.items():
            if stage.executor == "process":
                pooled[name, None] = runs[name]
            else:
                pooled |= {(name, index): run for index, run in groups(runs[name]).items()}
        if pooled:
            configuration = Configuration(options.path, pooled, surroundings, options.log_level)
            self._pool = ProcessPool(options.processes, configuration)
        for name, stage in stages.items():
            self._add(topology, name, stage, steps[name], surroundings[name], answer_of(name, stage, resolve))

    def _add(
        self,
        topology: Topology,
        name: str,
        stage: Stage,
        steps: Steps,
        surroundings: Surroundings,
        answer: Answer | None,
    ) -> None:
        timeout_s = (stage.timeout or topology.defaults.stage.timeout).total_seconds()
        size = stage.concurrency or (self._options.processes if stage.pooled else topology.defaults.stage.concurrency)

        def context(work: Work) -> LoopContext:
            return LoopContext(work, surroundings, self._services.state, self._run_in_process)

        executor = self._executor(name, stage, steps, surroundings, timeout_s, size, context)
        self._executors.append(executor)
        emitter = Emitter("Stage", name, stage.emits, self._services.contracts)
        answering = Answering(
            name, answer, context=context, timeout_s=timeout_s, emitter=emitter, outbox=self._services.outbox
        )
        crew = Crew(Handler(name, stage, self._services, executor, emitter, answering), size)
        self._crews.append(crew)
        self._subscriptions += [
            Subscription(
                queue,
                topology.queue_name(queue),
                broker=self._broker,
                prefetch=stage.prefetch or size,
                take=crew.take,
                leave=crew.leave,
                broker_up=self._broker_up,
                state_up=self._state_up,
            )
            for queue in stage.from_
        ]

    def _executor(
        self,
        name: str,
        stage: Stage,
        steps: Steps,
        surroundings: Surroundings,
        timeout_s: float,
        size: int,
        context: Callable[[Work], LoopContext],
    ) -> Executor:
        store = self._services.state
        if stage.executor == "process" and self._pool is not None:
            return ProcessExecutor(name, self._pool, timeout_s)
        if stage.executor == "thread":
            return ThreadExecutor(
                steps, timeout_s, lambda work: ThreadContext(work, surroundings, store), name=name, threads=size
            )
        return LoopExecutor(steps, timeout_s, context)

    async def _run_in_process(self, work: Work, group: int, value: Any) -> list[Any]:
        assert self._pool is not None
        return await run_in_pool(self._pool, work, Task(work.stage, group, work.envelope, value))


def _chosen(topology: Topology, names: Collection[str] | None) -> dict[str, Stage]:
    if names is None:
        return topology.stages
    unknown = sorted(set(names) - set(topology.stages))
    if unknown:
        known = ", ".join(topology.stages)
        raise PipelineError(f"No stage is called {unknown[0]!r}", where="stages", fix=f"There are: {known}")
    return {name: topology.stages[name] for name in names}


def _check_subject(name: str, stage: Stage, taken: Mapping[str, type[BaseModel]]) -> None:
    for key, wanted in (("track", stage.track), ("job", stage.job)):
        for message, model in taken.items():
            if wanted is not None and wanted not in model.model_fields:
                raise PipelineError(
                    f"Message {message} has no field {wanted!r}",
                    where=f"stages.{name}.{key}",
                    fix=f"It has {', '.join(model.model_fields)}",
                )


async def _cancel(tasks: Collection[asyncio.Task[None]]) -> None:
    """Cancel until all have ended: a cancellation can be swallowed by what a task waits for."""
    pending = set(tasks)
    while pending:
        for task in pending:
            task.cancel()
        _, pending = await asyncio.wait(pending, timeout=_CANCELLED_AGAIN_S)


def _first(errors: BaseExceptionGroup[PipelineError]) -> PipelineError:
    error: BaseException = errors
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error  # type: ignore[return-value]
