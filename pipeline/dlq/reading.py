"""Reading a queue without taking anything from it, however much waits there."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager

from pipeline.broker.port import Broker, Consumer, Delivery
from pipeline.dlq.queues import declared_depth, not_declared
from pipeline.errors import NoSuchQueue, Unreachable

# What one consumer holds unsettled: few at first, since they are in memory here; then up to the most AMQP lets it hold.
_FIRST_WINDOW, _LARGEST_WINDOW = 1_000, 65_535
_QUIET_S = 0.25
_PATIENCE_S = 30.0
_OTHERS_S, _OTHERS_POLL_S = 3.0, 0.05

MakeRoom = Callable[[], Awaitable[None]]


async def no_room() -> None:
    """Nothing waits to be settled."""


class Reading:
    """What waits in a queue, from its head on; for `async for`. What is not taken goes back to its place at the end.

    A consumer that holds as many as it may is cancelled, and the next one reads on behind it: so the order is kept,
    and what was read is nowhere twice.
    """

    def __init__(self, broker: Broker, queue: str, most: int, make_room: MakeRoom) -> None:
        self._broker = broker
        self._queue = queue
        self._unread = most
        self._make_room = make_room
        self._arrived: asyncio.Queue[Delivery | None] = asyncio.Queue()
        self._consumers: list[Consumer] = []
        self._window = 0
        self._held = 0

    def __aiter__(self) -> Reading:
        return self

    async def __anext__(self) -> Delivery:
        if self._unread <= 0:
            raise StopAsyncIteration
        if self._held >= self._window:
            # Settled first: what an earlier consumer holds would be counted as this one's.
            await self._make_room()
            if self._held >= self._window:
                await self._next_window()
        delivery = await self._next()
        if delivery is None:
            self._unread = 0
            raise StopAsyncIteration
        self._unread -= 1
        self._held += 1
        return delivery

    def take(self, delivery: Delivery) -> None:
        """It is dealt with, and leaves the queue."""
        delivery.ack()
        self._held -= 1

    async def close(self) -> None:
        """Give back what was not taken: the oldest first, since a quorum queue keeps them in the order they return."""
        if self._consumers:
            await self._consumers[-1].cancel()  # or it would be given what the others give back
        for consumer in self._consumers:
            await consumer.close()

    async def _next_window(self) -> None:
        if self._consumers:
            await self._consumers[-1].cancel()
        self._window = min(_LARGEST_WINDOW, self._window * 2 or _FIRST_WINDOW)
        self._held = 0
        try:
            consumer = await self._broker.consume(
                self._queue,
                self._arrived.put_nowait,
                prefetch=min(self._window, self._unread),
                on_lost=lambda: self._arrived.put_nowait(None),
            )
        except NoSuchQueue as error:
            raise not_declared(self._queue) from error
        self._consumers.append(consumer)

    async def _next(self) -> Delivery | None:
        """The next delivery, or None when somebody else took what was left."""
        deadline = asyncio.get_running_loop().time() + _PATIENCE_S
        empty_before = False
        while asyncio.get_running_loop().time() < deadline:
            try:
                async with asyncio.timeout(_QUIET_S):
                    delivery = await self._arrived.get()
            except TimeoutError:
                # Twice: at the first time the last delivery may be on its way.
                empty = await declared_depth(self._broker, self._queue) == 0
                if empty and empty_before:
                    return None
                empty_before = empty
                continue
            if delivery is None:
                break
            return delivery
        raise Unreachable(
            f'The broker stopped delivering from "{self._queue}"',
            fix="What was read and not dealt with is in the queue again. Run the command again",
        )


@asynccontextmanager
async def reading(
    broker: Broker, queue: str, most: int | None = None, *, make_room: MakeRoom = no_room
) -> AsyncGenerator[Reading, None]:
    """What waits in the queue now, from its head on. What is not taken in the block goes back to its place after it.

    It is read by consumers that are then closed, rather than by `get` and a requeue of each: that keeps the order
    on classic and on quorum queues, and is what the broker does by itself should this process be killed.

    Args:
        most: how many to read; never more than waited at the start, so that what arrives meanwhile is not read.
        make_room: takes or gives up all that was read and is not decided on yet; awaited where it stands in the way.
    Raises: PipelineError if the queue is not declared, Unreachable if the connection is lost.
    """
    waiting = await undisturbed(broker, queue)
    found = Reading(broker, queue, waiting if most is None else min(waiting, most), make_room)
    try:
        yield found
    finally:
        await found.close()


async def undisturbed(broker: Broker, queue: str) -> int:
    """Messages that wait, once nobody else reads them: what another holds is not counted. Waits a few seconds at most.

    Raises as `reading`.
    """
    deadline = asyncio.get_running_loop().time() + _OTHERS_S
    while True:
        try:
            depth = await broker.depth(queue)
        except NoSuchQueue as error:
            raise not_declared(queue) from error
        if not depth.consumers or asyncio.get_running_loop().time() >= deadline:
            return depth.messages
        await asyncio.sleep(_OTHERS_POLL_S)


async def until_waiting(broker: Broker, queue: str, count: int) -> None:
    """Until as many wait again as were given back, or somebody else has taken them. Raises as `reading`.

    A broker has no event for it.
    """
    deadline = asyncio.get_running_loop().time() + _PATIENCE_S
    while await declared_depth(broker, queue) < count and asyncio.get_running_loop().time() < deadline:  # noqa: ASYNC110
        await asyncio.sleep(_QUIET_S)
