"""Sending dead letters back to the queue they died in."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from math import inf

from pipeline.broker.port import Broker, Delivery
from pipeline.clock import Clock, SystemClock
from pipeline.dlq.choosing import Chosen, choosing
from pipeline.dlq.letter import DeadLetter, revived
from pipeline.dlq.pace import Pace
from pipeline.dlq.queues import DeadLetterQueue, declared_depth
from pipeline.dlq.reading import undisturbed, until_waiting
from pipeline.dlq.refusal import Refusal, Validate
from pipeline.dlq.selection import Selection
from pipeline.dlq.trail import Trail
from pipeline.errors import BrokerError, NotConfirmed
from pipeline.messages.message import Message

# Confirms awaited together: enough to hide the round trip, few enough to be repeated after a kill.
_BATCH = 100
_BATCH_S = 10.0
# A broker closes the channel of who holds a message for long: 15 minutes in 3.8, 30 since.
_ROUND_S = 300.0
_EVERYTHING = Selection()


@dataclass(frozen=True, slots=True)
class Replayed:
    """What became of the messages that were read.

    Attributes:
        dry_run: nothing was sent.
        replayed: confirmed in their origin queue and gone from the dead-letter queue; in a dry run, what would be.
        kept: were not selected, and stay.
        refused: selected and stay, because they would fail again.
        failed: selected and stay, because the broker did not take them: entry and reason.
        not_found: ids asked for that no message read has.
        unread: how many were behind the last one read, because of the limit or the time.
    """

    dry_run: bool = False
    replayed: int = 0
    kept: int = 0
    refused: tuple[tuple[DeadLetter, Refusal], ...] = ()
    failed: tuple[tuple[DeadLetter, str], ...] = ()
    not_found: tuple[str, ...] = ()
    unread: int = 0


async def replay(
    broker: Broker,
    queue: DeadLetterQueue,
    selection: Selection = _EVERYTHING,
    *,
    validate: Validate | None = None,
    trail: Trail | None = None,
    rate_per_s: float | None = None,
    within_s: float | None = None,
    dry_run: bool = False,
    clock: Clock | None = None,
) -> Replayed:
    """Publish what is selected to the origin queue, oldest first, and take it from the dead-letter queue.

    Each message leaves the dead-letter queue only after the broker has confirmed it in the other: a kill in between
    leaves it in both, with one `message_id`, and loses none. Messages that fail again while this runs are not read
    a second time.

    Args:
        validate: keeps those that would fail again; None sends all.
        trail: where each batch is recorded before it leaves the dead-letter queue.
        rate_per_s: None for as fast as the broker confirms.
        within_s: end then, with the rest unread.
        dry_run: go through it, and send nothing.
    Raises: PipelineError if a queue is not declared, or the trail is not; Unreachable if the connection is lost.
    """
    return await _Replay(
        broker, queue, selection, validate, trail, rate_per_s, within_s, dry_run, clock or SystemClock()
    ).run()


@dataclass(slots=True)
class _Round:
    """What one going through left in the queue."""

    read: int = 0
    kept: int = 0
    refused: list[tuple[DeadLetter, Refusal]] = field(default_factory=list)
    failed: list[tuple[DeadLetter, str]] = field(default_factory=list)


class _Replay:
    """In rounds, each from the head of the queue, for no message may be held for as long as a slow replay takes."""

    def __init__(
        self,
        broker: Broker,
        queue: DeadLetterQueue,
        selection: Selection,
        validate: Validate | None,
        trail: Trail | None,
        rate_per_s: float | None,
        within_s: float | None,
        dry_run: bool,
        clock: Clock,
    ) -> None:
        self._broker = broker
        self._queue = queue
        self._selection = selection
        self._validate = validate
        self._trail = trail
        self._pace = Pace(rate_per_s, clock)
        self._batch_size = _BATCH if rate_per_s is None else max(1, min(_BATCH, int(rate_per_s * _BATCH_S)))
        self._dry_run = dry_run
        self._clock = clock
        began = clock.time()
        self._end = inf if within_s is None else began + within_s
        self._test = selection.test(began)
        self._batch: list[tuple[Delivery, DeadLetter, asyncio.Future[None]]] = []
        self._chosen: Chosen
        self._round = _Round()
        self._seen: set[str] = set()
        self._failed: dict[str, str] = {}
        self._done = 0

    async def run(self) -> Replayed:
        await declared_depth(self._broker, self._queue.origin)
        if self._trail is not None and not self._dry_run:
            await self._trail.require()
        waiting = await undisturbed(self._broker, self._queue.name)
        # What arrives meanwhile is behind what was there, so that a count tells the two apart.
        while await self._go_through(waiting - self._done):
            await until_waiting(self._broker, self._queue.name, waiting - self._done)
        left = self._round
        return Replayed(
            dry_run=self._dry_run,
            replayed=self._done,
            kept=left.kept,
            refused=tuple(left.refused),
            failed=tuple(left.failed),
            not_found=tuple(sorted(set(self._selection.message_ids or ()) - self._seen)),
            unread=max(0, waiting - self._done - left.kept - len(left.refused) - len(left.failed)),
        )

    async def _go_through(self, most: int) -> bool:
        """One round; whether another has to go on where it ended."""
        found = self._round = _Round()
        limit = self._selection.limit
        rest = None if limit is None else limit - self._done
        ends, done_before = self._clock.time() + _ROUND_S, self._done
        async with choosing(
            self._broker, self._queue, self._test, rest, most=most, make_room=self._settle
        ) as self._chosen:
            try:
                async for delivery, letter in self._chosen:
                    in_time = await self._deal_with(delivery, letter)
                    now = self._clock.time()
                    if not in_time or now >= self._end:
                        return False
                    if now >= ends and self._done > done_before:
                        return True
            finally:
                found.kept = self._chosen.kept
                self._seen |= self._chosen.seen
                await self._settle()
        return False

    async def _deal_with(self, delivery: Delivery, letter: DeadLetter) -> bool:
        """Whether there was time for it."""
        message = revived(delivery, self._clock.time())
        refusal = None if self._validate is None else self._validate(self._queue, message)
        if refusal is not None:
            self._round.refused.append((letter, refusal))
        elif letter.message_id in self._failed:
            self._round.failed.append((letter, self._failed[letter.message_id]))
        elif self._dry_run:
            self._done += 1
        elif await self._pace.next(self._end):
            self._batch.append((delivery, letter, _published(self._broker, self._queue.origin, message)))
            if len(self._batch) >= self._batch_size:
                await self._settle()
        else:
            return False
        return True

    async def _settle(self) -> None:
        """Take from the dead-letter queue what is confirmed in the other; the batch is empty afterwards."""
        sent, self._batch = self._batch, []
        confirmed: list[tuple[Delivery, DeadLetter]] = []
        for delivery, letter, confirm in sent:
            try:
                await confirm
            except BrokerError as error:
                self._round.failed.append((letter, str(error)))
                if letter.message_id is not None:
                    self._failed[letter.message_id] = str(error)
            else:
                confirmed.append((delivery, letter))
        if confirmed and self._trail is not None:
            await self._trail.record("replay", self._queue, self._selection, [letter for _, letter in confirmed])
        for delivery, _ in confirmed:
            self._chosen.take(delivery)
        self._done += len(confirmed)


def _published(broker: Broker, queue: str, message: Message) -> asyncio.Future[None]:
    """The confirm to come; headers that can't be sent (again) count as a refusal, too."""
    try:
        return asyncio.ensure_future(broker.publish("", queue, message))
    except (TypeError, ValueError) as error:
        refused: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        refused.set_exception(NotConfirmed(f"Its headers can't be published again: {error}"))
        return refused
