"""Publishes messages by name: the topology says to which exchange, under which key, at which priority."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from pydantic import BaseModel

from pipeline.broker.port import Broker
from pipeline.errors import ErrorCode, Permanent
from pipeline.messages.fields import field_of
from pipeline.messages.message import MESSAGE_NAME, Message
from pipeline.runtime.contracts import Contracts
from pipeline.runtime.subject import subject_of
from pipeline.state.port import StateStore, Status, Update
from pipeline.telemetry import PUBLISHED
from pipeline.topology.model import Topology

_LOWEST_OF_USERS = 1


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A message ready to be sent, and the progress entry that goes before it where a stage tracks it."""

    name: str
    exchange: str
    routing_key: str
    message: Message
    queued: Update | None


class Publisher:
    """For stages, sources, the API and the command line. Holds no state of its own."""

    def __init__(self, broker: Broker, topology: Topology, contracts: Contracts, state: StateStore) -> None:
        self._broker = broker
        self._contracts = contracts
        self._state = state
        self.adopt(topology)

    def adopt(self, topology: Topology) -> None:
        """Go by another revision of the topology from now on; the contracts have theirs."""
        self._published = {name: PUBLISHED.labels(name) for name in topology.messages}
        self._taken_by = {
            message: stage
            for stage in topology.stages.values()
            if stage.track or stage.job
            for messages in stage.from_.values()
            for message in messages
        }
        self._highest: dict[str, int] = {}
        for stage in topology.stages.values():
            for queue, messages in stage.from_.items():
                if (highest := topology.queues[queue].max_priority) is not None:
                    self._highest |= {each: max(highest, self._highest.get(each, 0)) for each in messages}

    async def publish(
        self,
        name: str,
        body: BaseModel,
        *,
        message_id: str,
        correlation_id: str | None = None,
        priority: int | None = None,
        headers: Mapping[str, Any] | None = None,
    ) -> None:
        """Publish and wait for the broker's confirm.

        Args:
            priority: overrides the body's `priority`, which overrides the topology's. The body's is taken for the
                nearest that the queue of its stage has: a user's wish, whatever the range.
        Raises: Permanent (unknown name, wrong model, too large), Unroutable, NotConfirmed, StateUnavailable.
        """
        outgoing = self.prepare(
            name, body, message_id=message_id, correlation_id=correlation_id, priority=priority, headers=headers
        )
        await self.announce(outgoing)
        await self.send_all([outgoing])

    def prepare(
        self,
        name: str,
        body: BaseModel,
        *,
        message_id: str,
        correlation_id: str | None = None,
        priority: int | None = None,
        headers: Mapping[str, Any] | None = None,
    ) -> Outgoing:
        """Encode and address a message, without sending it. Raises Permanent."""
        contract = self._contracts[name]
        if not isinstance(body, contract.model):
            raise Permanent(
                f"{name} takes {contract.model.__name__}, not {type(body).__name__}", ErrorCode.INTERNAL_ERROR
            )
        if priority is None:
            priority = self._own_priority(name, body)
        if priority is None:
            priority = contract.priority
        message = Message(
            body=contract.encode(body),
            message_id=message_id,
            correlation_id=_short(correlation_id or field_of(body, "correlation_id")),
            priority=priority if priority is None else min(max(priority, 0), 255),
            timestamp=datetime.now(UTC),
            headers={**(headers or {}), MESSAGE_NAME: name},
        )
        return Outgoing(name, contract.exchange, contract.routing_key, message, self._queued(name, body, message_id))

    async def announce(self, outgoing: Outgoing) -> None:
        """Show tracked work as queued, before anyone can begin it. Raises StateUnavailable."""
        if outgoing.queued is not None:
            await self._state.progress.record(outgoing.queued)

    def send(self, outgoing: Outgoing) -> Awaitable[None]:
        """Send now; the awaitable is done once the broker has confirmed. Raises Unroutable, NotConfirmed."""
        return self._broker.publish(outgoing.exchange, outgoing.routing_key, outgoing.message)

    async def send_all(self, batch: Sequence[Outgoing]) -> None:
        """Send in order, and wait for all confirms together. Raises Unroutable, NotConfirmed; some may be sent then."""
        if len(batch) == 1:
            await self.send(batch[0])
        else:
            confirms = [self.send(outgoing) for outgoing in batch]
            results = await asyncio.gather(*confirms, return_exceptions=True)
            for result in results:
                if result is not None:
                    raise result
        for outgoing in batch:
            self.count(outgoing)

    def count(self, outgoing: Outgoing) -> None:
        """Count a message that was sent and confirmed."""
        self._published[outgoing.name].inc()

    def _own_priority(self, name: str, body: BaseModel) -> int | None:
        own = field_of(body, "priority")
        if not isinstance(own, int) or isinstance(own, bool):
            return None
        highest = self._highest.get(name)
        return own if highest is None else min(max(own, _LOWEST_OF_USERS), highest)

    def _queued(self, name: str, body: BaseModel, message_id: str) -> Update | None:
        def text(field: str) -> str | None:
            value = field_of(body, field)
            return value if isinstance(value, str) else None

        stage = self._taken_by.get(name)
        subject = None if stage is None else subject_of(stage, text, message_id)
        if subject is None:
            return None
        return Update(
            recording_id=subject.recording_id,
            job_id=subject.job_id,
            run=message_id,
            attempt="",
            type="progress",
            status=Status.QUEUED,
            data={"message": "Waiting in the queue"},
        )


def _short(text: str | None) -> str | None:
    """AMQP takes 255 bytes; a longer one stays in the body alone."""
    return text if text is None or len(text.encode()) <= 255 else None
