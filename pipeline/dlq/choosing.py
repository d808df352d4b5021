"""Going through a dead-letter queue once, picking out what is selected."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from pipeline.broker.port import Broker, Delivery
from pipeline.dlq.letter import DeadLetter, read_letter
from pipeline.dlq.queues import DeadLetterQueue
from pipeline.dlq.reading import MakeRoom, Reading, no_room, reading
from pipeline.dlq.selection import Test


class Chosen:
    """Deliveries that are selected, oldest first, with what they say; for `async for`.

    Attributes:
        matched, kept: how many were, and were not, among those read so far.
        seen: ids of all that were read.
    """

    def __init__(self, found: Reading, queue: DeadLetterQueue, test: Test, limit: int | None) -> None:
        self._found = found
        self._queue = queue
        self._test = test
        self._limit = limit
        self.matched = 0
        self.kept = 0
        self.seen: set[str] = set()

    def __aiter__(self) -> Chosen:
        return self

    async def __anext__(self) -> tuple[Delivery, DeadLetter]:
        while self._limit is None or self.matched < self._limit:
            delivery = await anext(self._found)
            letter = read_letter(delivery, self.matched + self.kept + 1, self._queue.origin)
            if letter.message_id is not None:
                self.seen.add(letter.message_id)
            if self._test(letter):
                self.matched += 1
                return delivery, letter
            self.kept += 1
        raise StopAsyncIteration

    def take(self, delivery: Delivery) -> None:
        """It is dealt with, and leaves the queue."""
        self._found.take(delivery)


@asynccontextmanager
async def choosing(
    broker: Broker,
    queue: DeadLetterQueue,
    test: Test,
    limit: int | None,
    *,
    most: int | None = None,
    make_room: MakeRoom = no_room,
) -> AsyncGenerator[Chosen, None]:
    """Once through the queue. See `reading`.

    Args:
        limit: how many to pick out.
        most: how many to read.
    Raises: PipelineError if the queue is not declared, Unreachable if the connection is lost.
    """
    async with reading(broker, queue.name, most, make_room=make_room) as found:
        yield Chosen(found, queue, test, limit)
