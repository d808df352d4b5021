"""One delivery and what has been found out about it so far."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from pydantic import BaseModel

from pipeline.broker.port import Delivery
from pipeline.messages.fields import field_of
from pipeline.messages.message import FAILED_AT, REPLAYED_AT, Envelope, Message
from pipeline.runtime.failure import Failure
from pipeline.runtime.hold import Hold
from pipeline.runtime.order import Turn
from pipeline.runtime.subject import Subject, subject_of
from pipeline.runtime.work import Work
from pipeline.topology.stages import Stage

# Of a larger one, parsed into objects, a few megabytes may take gigabytes of memory.
_LENIENT_BYTES = 1024 * 1024


class Outcome(StrEnum):
    """How a delivery ended; the label of the metric."""

    COMPLETED = "completed"
    DUPLICATE = "duplicate"
    DEFERRED = "deferred"
    CANCELLED = "cancelled"
    RETRIED = "retried"
    DEAD_LETTERED = "dead_lettered"
    RETURNED = "returned"


@dataclass(slots=True)
class Attempt:
    """A delivery on its way through a stage.

    Attributes:
        owner: this delivery, to the ledger and to the progress of its recording.
        work: from when the body is known to be valid.
        message_id: the AMQP property, else the body's, else None: then the message may run more than once.
        failure: why it failed, from when that is known.
        alone: nothing else runs in this process meanwhile.
        goes_on: without the state store, where it can.
        turn: its place among those of its key, in a stage that keeps their order.
    """

    delivery: Delivery
    envelope: Envelope
    hold: Hold
    owner: str
    turn: Turn | None = None
    work: Work | None = None
    message_id: str | None = None
    claimed: bool = False
    failure: Failure | None = None
    alone: bool = False
    goes_on: bool = False
    started: float = field(default_factory=time.perf_counter)

    def elapsed_s(self) -> float:
        return time.perf_counter() - self.started

    def identify(self, body: BaseModel) -> None:
        self.message_id = identity_of(self.delivery.message, body)

    @property
    def run(self) -> str:
        """The request that is worked on. A message that comes back from a dead-letter queue is a new one."""
        message_id = self.message_id or self.envelope.message_id or self.owner
        headers = self.envelope.headers
        again = headers.get(REPLAYED_AT) or headers.get(FAILED_AT)
        return f"{message_id}@{again}" if again else message_id

    @property
    def asked_at(self) -> datetime | None:
        """When the request was made; one that comes back from a dead-letter queue is made now."""
        headers = self.envelope.headers
        if headers.get(REPLAYED_AT) or headers.get(FAILED_AT):
            return datetime.now(UTC)
        asked_at = self.envelope.timestamp
        return asked_at.replace(tzinfo=UTC) if asked_at is not None and asked_at.tzinfo is None else asked_at

    def subject(self, stage: Stage) -> Subject | None:
        """What the progress of the delivery is about, if the stage shows any."""
        return subject_of(stage, self.field, self.message_id or self.envelope.message_id or self.owner)

    def field(self, name: str) -> str | None:
        """A text field of the body, of an invalid one too where it can be read: to say which recording failed."""
        body: Any = self.work.body if self.work is not None else _lenient(self.delivery.message.body)
        value = (
            body.get(name)
            if isinstance(body, Mapping)
            else field_of(body, name)
            if isinstance(body, BaseModel)
            else None
        )
        return value if isinstance(value, str) and 0 < len(value) <= 4096 and value.isprintable() else None


def identity_of(message: Message, body: BaseModel) -> str | None:
    """What tells a message from others: the AMQP property, else the body's field, else nothing."""
    if message.message_id:
        return message.message_id
    own = field_of(body, "message_id")
    return own if isinstance(own, str) and own else None


def _lenient(body: bytes) -> object:
    if len(body) > _LENIENT_BYTES:
        return None
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None
