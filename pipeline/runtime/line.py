"""One stage at work: its queues, its runners, and where its steps run."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Sequence
from contextlib import suppress

from pipeline.runtime.crew import Crew
from pipeline.runtime.executor import Executor
from pipeline.runtime.lanes import Lanes
from pipeline.runtime.shares import Shares
from pipeline.runtime.subscription import Subscription

_CANCELLED_AGAIN_S = 1.0


class Line:
    """Begins with `start`, ends with `stop`, each once.

    Args:
        crews: what the subscriptions hand their deliveries to.
        timeout_s: the longest that its work on one delivery may take.
        shares: of the queues that it shares with other workers, if it does.
    """

    def __init__(
        self,
        name: str,
        subscriptions: Sequence[Subscription],
        crews: Sequence[Crew | Lanes],
        executor: Executor,
        timeout_s: float,
        shares: Shares | None = None,
    ) -> None:
        self.name = name
        self.timeout_s = timeout_s
        self._subscriptions = tuple(subscriptions)
        self._crews = tuple(crews)
        self._shares = shares
        self._executor = executor
        self._keeping: list[asyncio.Task[None]] = []
        self._working: list[asyncio.Task[None]] = []

    @property
    def held(self) -> int:
        """Deliveries that were taken and are not settled yet."""
        return sum(subscription.held for subscription in self._subscriptions)

    async def ready(self) -> None:
        """Until every queue is consumed."""
        for subscription in self._subscriptions:
            await subscription.consuming.wait()

    def start(self, group: asyncio.TaskGroup, *, patient: bool = False) -> None:
        """Consume and work, in tasks of the group, whose failure is the group's.

        Args:
            patient: a queue that can't be consumed is tried again, instead of failing.
        """
        self._keeping = [group.create_task(subscription.keep(patient=patient)) for subscription in self._subscriptions]
        if self._shares is not None:
            self._keeping.append(group.create_task(self._shares.keep()))
        self._working = [group.create_task(crew.run()) for crew in self._crews]

    async def drain(self, deadline_s: float) -> None:
        """Consume no more, and let running work finish for so long."""
        await cancel(self._keeping)
        with suppress(TimeoutError):
            async with asyncio.timeout(deadline_s):
                await asyncio.gather(*(subscription.drain() for subscription in self._subscriptions))

    async def close(self) -> None:
        """End what is still running, and return to the queues what is not settled."""
        await cancel([*self._keeping, *self._working])
        for subscription in self._subscriptions:
            await subscription.close()
        self._executor.close()


async def cancel(tasks: Collection[asyncio.Task[None]]) -> None:
    """Cancel until all have ended: a cancellation can be swallowed by what a task waits for."""
    pending = set(tasks)
    while pending:
        for task in pending:
            task.cancel()
        _, pending = await asyncio.wait(pending, timeout=_CANCELLED_AGAIN_S)
