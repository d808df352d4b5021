"""Looking into a dead-letter queue."""

from __future__ import annotations

from pipeline.broker.port import Broker
from pipeline.dlq.letter import DeadLetter, read_letter
from pipeline.dlq.queues import DeadLetterQueue
from pipeline.dlq.reading import reading


async def peek(broker: Broker, queue: DeadLetterQueue, limit: int = 100) -> list[DeadLetter]:
    """Up to `limit` entries, oldest first. The queue is left as it was, in its order.

    The broker marks what was looked at as redelivered. Raises: PipelineError if the queue is not declared, Unreachable.
    """
    async with reading(broker, queue.name, limit) as found:
        entries: list[DeadLetter] = []
        async for delivery in found:
            entries.append(read_letter(delivery, len(entries) + 1, queue.origin))
        return entries
