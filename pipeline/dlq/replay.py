"""Sending dead letters back to the queue they died in."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from dataclasses import dataclass, field

from pipeline.broker.port import Broker, Delivery
from pipeline.clock import Clock, SystemClock
from pipeline.dlq.letter import DeadLetter, read_letter, revived
from pipeline.dlq.queues import DeadLetterQueue, declared_depth
from pipeline.dlq.reading import reading
from pipeline.errors import BrokerError, NotConfirmed
from pipeline.messages.message import Message

# Confirms awaited together: enough to hide the round trip, few enough to be repeated after a kill.
_BATCH = 100


@dataclass(frozen=True, slots=True)
class Replayed:
    """What became of the messages that were read.

    Attributes:
        replayed: confirmed in their origin queue and gone from the dead-letter queue.
        kept: did not match, and stay.
        failed: matched and stay, because the broker did not take them: entry and reason.
        not_found: ids asked for that no message read has.
        unread: how many were behind the last one read: because of the limit, or beyond 65 535.
    """

    replayed: int = 0
    kept: int = 0
    failed: tuple[tuple[DeadLetter, str], ...] = ()
    not_found: tuple[str, ...] = ()
    unread: int = 0


@dataclass(slots=True)
class _Tally:
    replayed: int = 0
    kept: int = 0
    failed: list[tuple[DeadLetter, str]] = field(default_factory=list)


async def replay(
    broker: Broker,
    queue: DeadLetterQueue,
    *,
    message_ids: Collection[str] | None = None,
    error_code: str | None = None,
    limit: int | None = None,
    clock: Clock | None = None,
) -> Replayed:
    """Publish what matches to the origin queue, oldest first, and take it from the dead-letter queue.

    Each message leaves the dead-letter queue only after the broker has confirmed it in the other: a kill in between
    leaves it in both, with one `message_id`, and loses none. Messages that fail again while this runs are not read
    a second time.

    Args:
        message_ids, error_code: what to replay; everything that matches both. None matches all.
        limit: how many to replay at most.
    Raises: PipelineError if either queue is not declared, Unreachable if the connection is lost.
    """
    await declared_depth(broker, queue.origin)
    waiting = await declared_depth(broker, queue.name)
    clock = clock or SystemClock()
    tally = _Tally()
    seen: set[str] = set()
    batch: list[tuple[Delivery, DeadLetter, asyncio.Future[None]]] = []
    matched = 0
    async with reading(broker, queue.name) as found:
        try:
            async for delivery in found:
                if limit is not None and matched >= limit:
                    break
                letter = read_letter(delivery, matched + tally.kept + 1, queue.origin)
                if letter.message_id is not None:
                    seen.add(letter.message_id)
                if not _matches(letter, message_ids, error_code):
                    tally.kept += 1
                    continue
                matched += 1
                confirm = _published(broker, queue.origin, revived(delivery, clock.time()))
                batch.append((delivery, letter, confirm))
                if len(batch) == _BATCH:
                    await _settle(batch, tally)
        finally:
            await _settle(batch, tally)
    not_found = tuple(sorted(set(message_ids or ()) - seen))
    return Replayed(
        tally.replayed, tally.kept, tuple(tally.failed), not_found, unread=max(0, waiting - matched - tally.kept)
    )


def _published(broker: Broker, queue: str, message: Message) -> asyncio.Future[None]:
    """The confirm to come; headers that can't be sent (again) count as a refusal, too."""
    try:
        return asyncio.ensure_future(broker.publish("", queue, message))
    except (TypeError, ValueError) as error:
        refused: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        refused.set_exception(NotConfirmed(f"Its headers can't be published again: {error}"))
        return refused


def _matches(letter: DeadLetter, message_ids: Collection[str] | None, error_code: str | None) -> bool:
    return (message_ids is None or letter.message_id in message_ids) and (
        error_code is None or letter.error_code == error_code
    )


async def _settle(batch: list[tuple[Delivery, DeadLetter, asyncio.Future[None]]], tally: _Tally) -> None:
    """Take from the dead-letter queue what is confirmed in the other; the batch is empty afterwards."""
    sent, batch[:] = list(batch), []
    for delivery, letter, confirm in sent:
        try:
            await confirm
        except BrokerError as error:
            tally.failed.append((letter, str(error)))
        else:
            delivery.ack()
            tally.replayed += 1
