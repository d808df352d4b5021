"""Makes lines of stages: resolves their steps, sees that they fit together, and gives each its runners and executor."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from pipeline.broker.port import Broker
from pipeline.errors import PipelineError
from pipeline.runtime.answering import Answer, Answering, answer_of
from pipeline.runtime.batching import BatchExecutor
from pipeline.runtime.child import Configuration, Task
from pipeline.runtime.compose import References, Resolve, Steps, compose, groups, references
from pipeline.runtime.consuming import Consuming
from pipeline.runtime.contracts import Contracts
from pipeline.runtime.executor import Executor, LoopExecutor, ProcessExecutor, ThreadExecutor, run_in_pool
from pipeline.runtime.fitting import check, of_one
from pipeline.runtime.handling import Handler, Services
from pipeline.runtime.line import Line
from pipeline.runtime.outputs import Emitter
from pipeline.runtime.pool import ProcessPool
from pipeline.runtime.work import LoopContext, Surroundings, ThreadContext, Work
from pipeline.stage import Cancel, Completed, Emit
from pipeline.topology.model import Topology
from pipeline.topology.stages import Stage


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


@dataclass(frozen=True, slots=True)
class Assembled:
    """Lines that are not started yet, and the pool that those of them share which need one."""

    lines: tuple[Line, ...]
    pool: ProcessPool | None


class Assembly:
    """For one worker."""

    def __init__(self, broker: Broker, services: Services, resolve: Resolve, options: WorkerOptions) -> None:
        self._broker = broker
        self._services = services
        self._resolve = resolve
        self._options = options

    def assemble(self, topology: Topology, names: Sequence[str]) -> Assembled:
        """Lines for some stages of a topology. Raises PipelineError for steps that do not fit together."""
        stages = {name: topology.stages[name] for name in names}
        runs = {name: references(name, stage) for name, stage in stages.items()}
        steps = {name: compose(name, runs[name], self._resolve) for name in stages}
        self._check(stages, steps, Contracts(topology, self._resolve))
        surroundings = {
            name: Surroundings(self._options.roots, self._options.data_dir, stage.options)
            for name, stage in stages.items()
        }
        pool = self._pool(stages, runs, surroundings)
        lines = [
            self._line(
                topology, name, stage, steps[name], surroundings[name], answer_of(name, stage, self._resolve), pool
            )
            for name, stage in stages.items()
        ]
        return Assembled(tuple(lines), pool)

    def _check(self, stages: Mapping[str, Stage], steps: Mapping[str, Steps], contracts: Contracts) -> None:
        for name, stage in stages.items():
            taken = contracts.models(each for messages in stage.from_.values() for each in messages)
            check(
                name,
                of_one(name, steps[name]) if stage.batch else steps[name],
                taken,
                (*contracts.models(stage.emits).values(), Emit, Completed, Cancel),
            )
            _check_subject(name, stage, taken)

    def _pool(
        self, stages: Mapping[str, Stage], runs: Mapping[str, References], surroundings: Mapping[str, Surroundings]
    ) -> ProcessPool | None:
        pooled: dict[tuple[str, int | None], References] = {}
        for name, stage in stages.items():
            if stage.executor == "process":
                pooled[name, None] = runs[name]
            else:
                pooled |= {(name, index): run for index, run in groups(runs[name]).items()}
        if not pooled:
            return None
        options = self._options
        return ProcessPool(
            options.processes, Configuration(options.path, pooled, dict(surroundings), options.log_level)
        )

    def _line(
        self,
        topology: Topology,
        name: str,
        stage: Stage,
        steps: Steps,
        surroundings: Surroundings,
        answer: Answer | None,
        pool: ProcessPool | None,
    ) -> Line:
        services = self._services
        timeout_s = (stage.timeout or topology.defaults.stage.timeout).total_seconds()
        size = stage.at_once(self._options.processes if stage.pooled else topology.defaults.stage.concurrency)

        async def run_in_process(work: Work, group: int, value: Any) -> list[Any]:
            assert pool is not None
            return await run_in_pool(pool, work, Task(work.stage, group, work.envelope, value))

        def context(work: Work) -> LoopContext:
            return LoopContext(work, surroundings, services.state, run_in_process)

        executor = self._executor(name, stage, steps, surroundings, timeout_s, size, context, pool)
        emitter = Emitter("Stage", name, stage.emits, services.contracts)
        answering = Answering(
            name, answer, context=context, timeout_s=timeout_s, emitter=emitter, outbox=services.outbox
        )
        consuming = Consuming(self._broker, services, topology, self._options.hold_s)
        handler = Handler(
            name,
            stage,
            services,
            executor,
            emitter,
            answering,
            topology.ledger(stage),
            services.breakers.of(stage.depends_on, topology),
        )
        crews, subscriptions, shares = consuming.arrange(name, stage, handler, size)
        return Line(name, subscriptions, crews, executor, timeout_s, shares)

    def _executor(
        self,
        name: str,
        stage: Stage,
        steps: Steps,
        surroundings: Surroundings,
        timeout_s: float,
        size: int,
        context: Callable[[Work], LoopContext],
        pool: ProcessPool | None,
    ) -> Executor:
        store = self._services.state
        if stage.executor == "process" and pool is not None:
            return ProcessExecutor(name, pool, timeout_s)
        if stage.executor == "thread":
            return ThreadExecutor(
                steps, timeout_s, lambda work: ThreadContext(work, surroundings, store), name=name, threads=size
            )
        if stage.batch is not None:
            return BatchExecutor(steps, stage.batch, timeout_s, context, at_once=stage.concurrency or 1)
        return LoopExecutor(steps, timeout_s, context)


def _check_subject(name: str, stage: Stage, taken: Mapping[str, type[BaseModel]]) -> None:
    for key, wanted in (("track", stage.track), ("job", stage.job), ("order_by", stage.order_by)):
        for message, model in taken.items():
            if wanted is not None and wanted not in model.model_fields:
                raise PipelineError(
                    f"Message {message} has no field {wanted!r}",
                    where=f"stages.{name}.{key}",
                    fix=f"It has {', '.join(model.model_fields)}",
                )
