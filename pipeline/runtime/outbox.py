"""Publishes what a delivery gave, and returns when all of it is confirmed."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from pipeline.runtime.attempt import Attempt
from pipeline.runtime.availability import Availability
from pipeline.runtime.envelope import headers_of_outputs
from pipeline.runtime.publisher import Publisher
from pipeline.stage import Emit

_AT_ONCE = 256


class Outbox:
    """For all stages of a worker."""

    def __init__(self, publisher: Publisher, state_up: Availability) -> None:
        self._publisher = publisher
        self._state_up = state_up

    async def publish(self, attempt: Attempt, messages: Sequence[tuple[Emit, str]]) -> None:
        """Publish messages with their ids, in order; tracked work is shown as queued before.

        Raises: Permanent, Unroutable, NotConfirmed.
        """
        if not messages:
            return
        headers = headers_of_outputs(attempt.envelope)
        correlation_id = attempt.envelope.correlation_id or attempt.field("correlation_id") or attempt.message_id
        outgoing = [
            self._publisher.prepare(
                emit.message,
                emit.body,
                message_id=message_id,
                correlation_id=correlation_id,
                priority=emit.priority,
                headers=headers,
            )
            for emit, message_id in messages
        ]
        for start in range(0, len(outgoing), _AT_ONCE):
            batch = outgoing[start : start + _AT_ONCE]
            for each in batch:
                if each.queued is not None:
                    announce = partial(self._publisher.announce, each)
                    await self._state_up.insist(announce, or_go_on=attempt.goes_on)
            await self._publisher.send_all(batch)
