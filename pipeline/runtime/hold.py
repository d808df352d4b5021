"""The deliveries that one consumer has handed over and that are not settled yet."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from pipeline.broker.port import Delivery


class Hold:
    """Counts them, and knows what may still be done with them.

    Attributes:
        queue: the queue's key in the topology.
        count: how many they are.
        returning: nothing more is started; what waits goes back to the queue once consumption has ended.
        void: the broker has taken them all back already, and delivers them again.
        end: ends the consumption, to begin it anew.
    """

    __slots__ = ("__weakref__", "_empty", "_idle", "_unstarted", "count", "end", "queue", "returning", "void")

    def __init__(self, queue: str, end: Callable[[], None]) -> None:
        self.queue = queue
        self.end = end
        self.returning = False
        self.void = False
        self.count = 0
        self._unstarted: list[Delivery] = []
        self._empty, self._idle = asyncio.Event(), asyncio.Event()
        self._note()

    def take(self) -> None:
        self.count += 1
        self._note()

    def settled(self) -> None:
        self.count -= 1
        self._note()

    def leave(self, delivery: Delivery) -> None:
        """Keep a delivery that will not be started, for `give_back`."""
        self._unstarted.append(delivery)
        self._note()

    def give_back(self) -> None:
        """Return what was left. Sooner, it would be delivered to the same consumer again."""
        unstarted, self._unstarted = self._unstarted, []
        for delivery in unstarted:
            delivery.reject(requeue=True)
            self.settled()

    def return_all(self, delivery: Delivery) -> None:
        """Return a delivery and all that came after it, in the order they came.

        Alone it would come back behind those that are on their way. So nothing more is started, and the consumption
        ends: the broker puts back what is not settled, in its order.
        """
        self.returning = True
        self.leave(delivery)
        self.end()

    async def idle(self) -> None:
        """Until all but those that were left are settled."""
        await self._idle.wait()

    async def empty(self) -> None:
        """Until all are settled."""
        await self._empty.wait()

    def _note(self) -> None:
        for event, reached in ((self._empty, self.count == 0), (self._idle, self.count == len(self._unstarted))):
            if reached:
                event.set()
            else:
                event.clear()
