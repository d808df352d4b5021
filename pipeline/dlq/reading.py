"""Reading a queue without taking anything from it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager

from pipeline.broker.port import Broker, Delivery
from pipeline.dlq.queues import declared_depth, not_declared
from pipeline.errors import NoSuchQueue, Unreachable

# The most that AMQP lets a consumer hold.
_PREFETCH_LIMIT = 65_535
_QUIET_S = 0.25
_PATIENCE_S = 30.0


@asynccontextmanager
async def reading(broker: Broker, queue: str, most: int | None = None) -> AsyncGenerator[AsyncIterator[Delivery], None]:
    """What waits in the queue now, from its head on. What is not settled in the block goes back to its place after it.

    It is read by a consumer that is then closed, rather than by `get` and a requeue of each: that keeps the order
    on classic and on quorum queues, and is what the broker does by itself should this process be killed.

    Args:
        most: how many to read; never more than waited at the start, so that what arrives meanwhile is not read,
            and never more than 65 535.
    Raises: PipelineError if the queue is not declared, Unreachable if the connection is lost.
    """
    waiting = await declared_depth(broker, queue)
    most = min(waiting, _PREFETCH_LIMIT, waiting if most is None else most)
    if most <= 0:
        yield _arriving(broker, queue, asyncio.Queue(), 0)
        return
    arrived: asyncio.Queue[Delivery | None] = asyncio.Queue()
    try:
        consumer = await broker.consume(
            queue, arrived.put_nowait, prefetch=most, on_lost=lambda: arrived.put_nowait(None)
        )
    except NoSuchQueue as error:
        raise not_declared(queue) from error
    try:
        yield _arriving(broker, queue, arrived, most)
    finally:
        await consumer.close()


async def _arriving(
    broker: Broker, queue: str, arrived: asyncio.Queue[Delivery | None], most: int
) -> AsyncIterator[Delivery]:
    for _ in range(most):
        delivery = await _next(broker, queue, arrived)
        if delivery is None:
            return
        yield delivery


async def _next(broker: Broker, queue: str, arrived: asyncio.Queue[Delivery | None]) -> Delivery | None:
    """The next delivery, or None when somebody else took what was left."""
    deadline = asyncio.get_running_loop().time() + _PATIENCE_S
    empty_before = False
    while asyncio.get_running_loop().time() < deadline:
        try:
            async with asyncio.timeout(_QUIET_S):
                delivery = await arrived.get()
        except TimeoutError:
            # Twice: at the first time the last delivery may be on its way.
            empty = await declared_depth(broker, queue) == 0
            if empty and empty_before:
                return None
            empty_before = empty
            continue
        if delivery is None:
            break
        return delivery
    raise Unreachable(
        f'The broker stopped delivering from "{queue}"',
        fix="What was read and not dealt with is in the queue again. Run the command again",
    )
