"""Correcting the body of one dead letter, and sending it back so."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from hashlib import sha256

from pipeline.broker.port import Broker
from pipeline.clock import Clock, SystemClock
from pipeline.dlq.body_fields import changed_fields
from pipeline.dlq.choosing import choosing
from pipeline.dlq.inspect import find
from pipeline.dlq.letter import DeadLetter, revived
from pipeline.dlq.queues import DeadLetterQueue, declared_depth
from pipeline.dlq.refusal import Refusal, Validate
from pipeline.dlq.selection import Selection
from pipeline.dlq.trail import Trail
from pipeline.errors import BrokerError, PipelineError
from pipeline.messages.message import EDITED_AT, Message


class NoSuchLetter(PipelineError):
    """There is no dead letter with this id, or not any more."""


class LetterChanged(PipelineError):
    """The dead letter is not the one that was looked at."""


@dataclass(frozen=True, slots=True)
class Edited:
    """What became of an edit.

    Attributes:
        done: the edited message is in its queue, and the old one gone.
        fields: paths that are changed.
        refusal: why nothing was changed; None also where nothing was to be changed, or in a dry run.
    """

    done: bool
    letter: DeadLetter
    fields: tuple[str, ...]
    refusal: Refusal | None = None


def digest(body: bytes) -> str:
    """What tells one body from another: SHA-256, in hexadecimal digits."""
    return sha256(body).hexdigest()


async def find_one(broker: Broker, queue: DeadLetterQueue, message_id: str) -> tuple[DeadLetter, Message]:
    """The oldest letter of that id. Raises NoSuchLetter, PipelineError if the queue is not declared, Unreachable."""
    found = await find(broker, queue, Selection(message_ids=[message_id], limit=1))
    if not found:
        raise _no_such_letter(queue, message_id)
    return found[0]


async def edit(
    broker: Broker,
    queue: DeadLetterQueue,
    message_id: str,
    body: bytes,
    *,
    expected: str | None = None,
    validate: Validate,
    trail: Trail | None = None,
    dry_run: bool = False,
    clock: Clock | None = None,
) -> Edited:
    """Publish the oldest letter of that id to its queue with another body, then take the old one away.

    The message keeps its id, and says in its header `x-edited-at` that it is not as it was published. A kill in
    between leaves both.

    Args:
        expected: digest of the body that was looked at.
        dry_run: only validate.
    Raises: NoSuchLetter, LetterChanged; PipelineError if a queue or the trail is not declared or the broker does not
        take the message; Unreachable.
    """
    clock = clock or SystemClock()
    await declared_depth(broker, queue.origin)
    if trail is not None and not dry_run:
        await trail.require()
    selection = Selection(message_ids=[message_id], limit=1)
    async with choosing(broker, queue, selection.test(clock.time()), 1) as chosen:
        async for delivery, letter in chosen:
            if expected is not None and digest(delivery.message.body) != expected:
                raise LetterChanged(
                    "The dead letter is not the one that was looked at", where=queue.name, fix="Look at it again"
                )
            fields = changed_fields(delivery.message.body, body)
            # What was compressed is given as it is now.
            corrected = replace(revived(delivery, clock.time()), body=body, content_encoding=None)
            message = _edited(corrected, clock.time())
            refusal = validate(queue, message)
            if refusal is not None or dry_run or not fields:
                return Edited(False, letter, fields, refusal)
            try:
                await broker.publish("", queue.origin, message)
            except (BrokerError, TypeError, ValueError) as error:
                raise PipelineError(
                    f"The broker does not take the edited message: {error}", fix="The dead letter is as it was"
                ) from error
            if trail is not None:
                await trail.record("edit", queue, selection, [letter], fields=fields)
            chosen.take(delivery)
            return Edited(True, letter, fields)
    raise _no_such_letter(queue, message_id)


def _edited(message: Message, now: float) -> Message:
    moment = datetime.fromtimestamp(now, UTC).isoformat(timespec="milliseconds")
    return replace(message, headers={**message.headers, EDITED_AT: moment})


def _no_such_letter(queue: DeadLetterQueue, message_id: str) -> NoSuchLetter:
    return NoSuchLetter(f'"{queue.name}" has no dead letter with the id {message_id!r}', fix="`pipeline dlq show`")
