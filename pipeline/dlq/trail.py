"""Who did what with dead letters: kept on the broker, where the letters are."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from pipeline.broker.port import Broker
from pipeline.clock import Clock, SystemClock
from pipeline.dlq.letter import DeadLetter, printable
from pipeline.dlq.queues import DeadLetterQueue, declared_depth
from pipeline.dlq.reading import reading
from pipeline.dlq.selection import Selection
from pipeline.errors import BrokerError, PipelineError
from pipeline.messages.message import MESSAGE_NAME, Message
from pipeline.topology.model import Topology

Action = Literal["replay", "edit", "purge"]
Line = Annotated[str, AfterValidator(printable)]
_NAME = "dead-letters.settled"


class Actor(BaseModel):
    """Who acts, as far as that is known.

    Attributes:
        name: the operating system's user, or the API's caller: "anonymous" where there is none.
        address: the host, or the caller's address.
    """

    model_config = ConfigDict(frozen=True)

    name: Line
    address: Line
    via: Literal["cli", "api"]


class Record(BaseModel):
    """What was done with one batch of letters. Holds nothing of their bodies.

    Attributes:
        queue: the dead-letter queue.
        selection: what was asked for, but for the ids, since those that were found are here.
        message_ids: of the letters that have one.
        count: of all letters.
        fields: paths that an edit has changed.
    """

    model_config = ConfigDict(frozen=True)

    at: datetime
    who: Actor
    action: Action
    queue: Line
    selection: dict[Line, Line | int] = Field(default={})
    message_ids: list[Line]
    count: int
    fields: list[Line] = Field(default=[])


class Trail:
    """Records of one actor's doings, each confirmed by the broker before what it tells of is done for good."""

    def __init__(self, broker: Broker, topology: Topology, actor: Actor, clock: Clock | None = None) -> None:
        self._broker = broker
        self._exchange = topology.dead_letter_exchange
        self._queue = topology.audit_queue
        self._actor = actor
        self._clock = clock or SystemClock()

    async def require(self) -> None:
        """Raises PipelineError where there is nothing to record in, Unreachable."""
        await declared_depth(self._broker, self._queue)

    async def record(
        self,
        action: Action,
        queue: DeadLetterQueue,
        selection: Selection,
        letters: Sequence[DeadLetter],
        *,
        fields: Sequence[str] = (),
    ) -> None:
        """Raises PipelineError if the broker does not keep it: then nothing may be taken from the queue.

        Args:
            letters: one batch.
            fields: paths that an edit has changed.
        """
        described = selection.described()
        described.pop("message_ids", None)
        record = Record(
            at=datetime.fromtimestamp(self._clock.time(), UTC),
            who=self._actor,
            action=action,
            queue=queue.name,
            selection=described,
            message_ids=[letter.message_id for letter in letters if letter.message_id is not None],
            count=len(letters),
            fields=list(fields),
        )
        message = Message(record.model_dump_json().encode(), headers={MESSAGE_NAME: _NAME})
        try:
            await self._broker.publish(self._exchange, self._queue, message)
        except BrokerError as error:
            raise PipelineError(
                f'The audit trail "{self._queue}" does not take records: {error}',
                fix="Run `pipeline apply`. What was not recorded is still a dead letter",
            ) from error


async def read_trail(broker: Broker, topology: Topology, limit: int = 100) -> list[Record]:
    """The latest records, newest first; what is no record is left out. The queue is left as it was.

    Raises: PipelineError if it is not declared, Unreachable.
    """
    latest: deque[Record] = deque(maxlen=limit)
    async with reading(broker, topology.audit_queue) as found:
        async for delivery in found:
            with suppress(ValidationError):
                latest.append(Record.model_validate_json(delivery.message.body))
    return list(reversed(latest))
