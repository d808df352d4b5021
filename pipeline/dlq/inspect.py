"""Looking into dead-letter queues: what is there, and what it comes down to."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime

from pipeline.broker.port import Broker
from pipeline.clock import Clock, SystemClock
from pipeline.dlq.choosing import choosing
from pipeline.dlq.letter import DeadLetter
from pipeline.dlq.queues import DeadLetterQueue
from pipeline.dlq.selection import Selection
from pipeline.messages.message import Message

_EVERYTHING = Selection()


@dataclass(frozen=True, slots=True)
class Group:
    """Letters of one queue that died of the same.

    Attributes:
        oldest, newest: when they died, of those that tell.
        example_id: of the oldest that has one.
    """

    queue: DeadLetterQueue
    error_code: str
    error_class: str
    stage: str
    count: int
    oldest: datetime | None
    newest: datetime | None
    example_id: str | None


async def peek(
    broker: Broker, queue: DeadLetterQueue, selection: Selection = _EVERYTHING, *, clock: Clock | None = None
) -> list[DeadLetter]:
    """What is selected, oldest first. The queue is left as it was, in its order.

    The broker marks what was looked at as redelivered. Raises: PipelineError if the queue is not declared, Unreachable.
    """
    return [letter for letter, _ in await find(broker, queue, selection, clock=clock)]


async def find(
    broker: Broker, queue: DeadLetterQueue, selection: Selection, *, clock: Clock | None = None
) -> list[tuple[DeadLetter, Message]]:
    """The same with the messages themselves."""
    test = selection.test((clock or SystemClock()).time())
    async with choosing(broker, queue, test, selection.limit) as chosen:
        return [(letter, delivery.message) async for delivery, letter in chosen]


async def group(
    broker: Broker, queue: DeadLetterQueue, selection: Selection = _EVERYTHING, *, clock: Clock | None = None
) -> list[Group]:
    """What is selected, counted by error code, class and stage; see `largest_first` for their order. Raises as `peek`.

    Takes no more memory for many letters than for one of each group.
    """
    test = selection.test((clock or SystemClock()).time())
    groups: dict[tuple[str, str, str], Group] = {}
    async with choosing(broker, queue, test, selection.limit) as chosen:
        async for _, letter in chosen:
            key = (letter.error_code, letter.error_class, letter.stage)
            known = groups.get(key) or Group(queue, *key, count=0, oldest=None, newest=None, example_id=None)
            groups[key] = _with(known, letter)
    return largest_first(groups.values())


def largest_first(groups: Iterable[Group]) -> list[Group]:
    """Groups of equal size by their names, so that they do not change places."""
    return sorted(
        groups, key=lambda each: (-each.count, each.queue.name, each.error_code, each.error_class, each.stage)
    )


def _with(known: Group, letter: DeadLetter) -> Group:
    times = [each for each in (known.oldest, known.newest, letter.failed_at) if each is not None]
    return replace(
        known,
        count=known.count + 1,
        oldest=min(times, default=None),
        newest=max(times, default=None),
        example_id=known.example_id or letter.message_id,
    )
