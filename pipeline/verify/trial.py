"""One scenario from its beginning to its account."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

from pipeline.broker.rabbitmq import RabbitMQBroker
from pipeline.errors import BrokerError, PipelineError
from pipeline.provision.management import ManagementClient
from pipeline.state.store import RedisStore
from pipeline.verify.account import Account, Finding, Problem
from pipeline.verify.faults import Fault
from pipeline.verify.inflicting import Inflicting
from pipeline.verify.producer import Producer
from pipeline.verify.recovery import Inflicted, Recovery, recovery
from pipeline.verify.schedule import Planned
from pipeline.verify.sink import END, Sink, read_documents, read_remains
from pipeline.verify.site import NAME, Site, opened

_STANDSTILL_S = 75.0  # longer than a lease and the longest delay
_SETTLE_S = 300.0
_QUIET = 7  # looks; what is said of a quorum queue may be 5 s old
_READY_S = 60.0
_LOOK_S = 0.5


@dataclass(frozen=True, slots=True)
class Scenario:
    """What is broken, and for how long.

    Attributes:
        jobs: how many are sent in these minutes.
    """

    name: str
    faults: Sequence[type[Fault]]
    seed: int
    minutes: float
    jobs: int
    clustered: bool = False
    workers: int = 2


@dataclass(frozen=True, slots=True)
class Result:
    """What came of a scenario. Counts are of parts, three for each job."""

    scenario: str
    seed: int
    seconds: float
    planned: list[Planned]
    recoveries: list[tuple[Inflicted, Recovery]]
    sent: int
    repeated: int
    effects: int
    letters: int
    given_up: int
    delivered_again: int
    findings: list[Finding]


class Trial:
    """
    Args:
        tell: called with a line for each thing that happens.
    """

    def __init__(self, scenario: Scenario, site: Site, tell: Callable[[str], None]) -> None:
        self.account = Account()
        self._scenario = scenario
        self._site = site
        self._inflicting = Inflicting(site, self.account, scenario.faults, tell)

    async def run(self) -> Result:
        """Raises PipelineError if the pipeline does not even start."""
        began = time.monotonic()
        scenario, account = self._scenario, self.account
        async with AsyncExitStack() as stack:
            producing, observing = RabbitMQBroker(self._site.proxied_url), RabbitMQBroker(self._site.url)
            for broker in (producing, observing):
                await broker.connect()
                stack.push_async_callback(broker.close)
            management = await stack.enter_async_context(ManagementClient(self._site.nodes[0].management_url, "/"))
            names = [row["name"] for row in await management.list("queues", "/")]
            buried = [name for name in names if name.endswith(".dlq")]
            waiting = [name for name in names if name not in buried and name != END]
            self._site.workers.start()
            await self._consumed(management)
            async with asyncio.TaskGroup() as group:
                background = [
                    group.create_task(Sink(observing, account, buried).run()),
                    group.create_task(self._site.workers.watch()),
                ]
                chance = random.Random(f"jobs {scenario.seed}")
                rate = scenario.jobs / (scenario.minutes * 60)
                producer = Producer(producing, account, chance, jobs=scenario.jobs, rate=rate)
                sending = group.create_task(self._send(producer))
                await self._inflicting.run(scenario.seed, time.monotonic() + scenario.minutes * 60)
                await sending
                await self._settle(management, waiting)
                for task in background:
                    task.cancel()
            await self._site.workers.stop()
            await self._read(stack, management, waiting)
        return self._result(time.monotonic() - began)

    async def _consumed(self, management: ManagementClient) -> None:
        """Until the workers have begun. Raises PipelineError."""
        deadline = time.monotonic() + _READY_S
        while not (await management.get("queues", "/", "verify.enter")).get("consumers"):
            if time.monotonic() > deadline:
                raise PipelineError(
                    "The workers do not begin",
                    where=str(self._site.folder / "workers.log"),
                    fix="See there, with --keep",
                )
            await asyncio.sleep(_LOOK_S)

    async def _send(self, producer: Producer) -> None:
        await producer.run()
        self._inflicting.all_sent = True

    async def _settle(self, management: ManagementClient, waiting: Sequence[str]) -> None:
        """Until everything has come out and nothing waits, or nothing moves any more, or all time is up."""
        began = moved = time.monotonic()
        quiet, before = 0, (-1, -1)
        while quiet < _QUIET and time.monotonic() < min(moved + _STANDSTILL_S, began + _SETTLE_S):
            await asyncio.sleep(1.0)
            rows = await management.list("queues", "/")
            held = sum(row.get("messages", 1) for row in rows if row["name"] in waiting)
            now = self.account.open, held
            quiet = quiet + 1 if held == 0 and (self.account.open == 0 or now == before) else 0
            if now != before:
                moved, before = time.monotonic(), now

    async def _read(self, stack: AsyncExitStack, management: ManagementClient, waiting: Sequence[str]) -> None:
        """What is left, in queues and in the state store."""
        broker = RabbitMQBroker(self._site.url)
        stack.push_async_callback(broker.close)
        await broker.connect()
        await read_remains(broker, self.account, waiting)
        for row in await management.list("queues", "/"):
            if row["name"] in waiting and row.get("messages_dlx"):
                what = f"holds {row['messages_dlx']} messages that it hands over to nobody"
                self.account.complain(Problem.STUCK, row["name"], what)
        store = RedisStore(self._site.redis.url, NAME)
        stack.push_async_callback(store.close)
        await read_documents(store, self.account)
        for complaint in self._site.workers.complaints:
            self.account.complain(Problem.WORKER_FAILED, "worker", complaint)

    def _result(self, seconds: float) -> Result:
        account = self.account
        settlements = list(account.settlements())
        complete = account.open == 0
        return Result(
            scenario=self._scenario.name,
            seed=self._scenario.seed,
            seconds=seconds,
            planned=self._inflicting.planned,
            recoveries=[(each, recovery(each, settlements, complete=complete)) for each in self._inflicting.inflicted],
            sent=account.sent,
            repeated=account.repeated,
            effects=account.effects,
            letters=account.letters,
            given_up=account.given_up,
            delivered_again=account.delivered_again,
            findings=account.findings(),
        )


async def run_trial(scenario: Scenario, folder: Path, tell: Callable[[str], None], *, keep: bool = False) -> Result:
    """A scenario on servers of its own, in `folder`. Raises PipelineError where it can't be begun or gone on with."""
    failure: BaseException | None = None
    result: Result | None = None
    try:
        async with opened(folder, clustered=scenario.clustered, workers=scenario.workers, keep=keep) as site:
            result = await Trial(scenario, site, tell).run()
    except* (PipelineError, BrokerError) as errors:
        failure = errors
        while isinstance(failure, BaseExceptionGroup):
            failure = failure.exceptions[0]
    if result is None:
        # Raised here, since what is raised in an `except*` comes out as a group again.
        raise (
            failure if isinstance(failure, PipelineError) else PipelineError(f"It could not be gone on with: {failure}")
        )
    return result
