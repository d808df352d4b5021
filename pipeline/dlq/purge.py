"""Taking dead letters away for good."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from pipeline.broker.port import Broker, Delivery
from pipeline.clock import Clock, SystemClock
from pipeline.dlq.choosing import Chosen, choosing
from pipeline.dlq.letter import DeadLetter
from pipeline.dlq.queues import DeadLetterQueue
from pipeline.dlq.selection import Selection
from pipeline.dlq.trail import Trail
from pipeline.messages.message import Message

_BATCH = 100

Save = Callable[[Sequence[tuple[DeadLetter, Message]]], None]


@dataclass(frozen=True, slots=True)
class Purged:
    """What became of the messages that were read.

    Attributes:
        dry_run: nothing was taken away.
        purged: gone; in a dry run, what would be.
        kept: were not selected, and stay.
        not_found: ids asked for that no message read has.
    """

    dry_run: bool
    purged: int
    kept: int
    not_found: tuple[str, ...]


async def purge(
    broker: Broker,
    queue: DeadLetterQueue,
    selection: Selection,
    *,
    trail: Trail | None = None,
    save: Save | None = None,
    dry_run: bool = False,
    clock: Clock | None = None,
) -> Purged:
    """Take what is selected out of the dead-letter queue, oldest first, a batch at a time.

    Args:
        save: keeps a batch elsewhere; awaited by nobody, so it has to be on disk when it returns. What it raises
            leaves the batch in the queue.
        trail: where each batch is recorded before it leaves the queue.
        dry_run: only count.
    Raises: PipelineError if the queue is not declared, or the trail is not; Unreachable if the connection is lost.
    """
    return await _Purge(broker, queue, selection, trail, save, dry_run).run(clock or SystemClock())


class _Purge:
    def __init__(
        self,
        broker: Broker,
        queue: DeadLetterQueue,
        selection: Selection,
        trail: Trail | None,
        save: Save | None,
        dry_run: bool,
    ) -> None:
        self._broker = broker
        self._queue = queue
        self._selection = selection
        self._trail = trail
        self._save = save
        self._dry_run = dry_run
        self._batch: list[tuple[Delivery, DeadLetter]] = []
        self._chosen: Chosen
        self._purged = 0

    async def run(self, clock: Clock) -> Purged:
        if self._trail is not None and not self._dry_run:
            await self._trail.require()
        test = self._selection.test(clock.time())
        async with choosing(
            self._broker, self._queue, test, self._selection.limit, make_room=self._settle
        ) as self._chosen:
            async for delivery, letter in self._chosen:
                if self._dry_run:
                    continue
                self._batch.append((delivery, letter))
                if len(self._batch) == _BATCH:
                    await self._settle()
            await self._settle()
            chosen = self._chosen
        not_found = tuple(sorted(set(self._selection.message_ids or ()) - chosen.seen))
        return Purged(self._dry_run, chosen.matched if self._dry_run else self._purged, chosen.kept, not_found)

    async def _settle(self) -> None:
        batch, self._batch = self._batch, []
        if not batch:
            return
        if self._save is not None:
            self._save([(letter, delivery.message) for delivery, letter in batch])
        if self._trail is not None:
            await self._trail.record("purge", self._queue, self._selection, [letter for _, letter in batch])
        for delivery, _ in batch:
            self._chosen.take(delivery)
        self._purged += len(batch)
