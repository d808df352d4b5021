"""What becomes of a failed delivery: another attempt after a delay, or the dead-letter queue.

A message waits in a queue shared by all that wait as long (`topology.retry_queue(delay)`); when its time is up
the broker returns it to the queue named by its routing key. So no worker holds it, and nothing waits behind it.
"""

from __future__ import annotations

from collections.abc import Awaitable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from pipeline.broker.port import Broker, Delivery
from pipeline.errors import ErrorCode
from pipeline.messages.message import (
    ERROR_CLASS,
    ERROR_CODE,
    ERROR_MESSAGE,
    ERROR_STAGE,
    FAILED_AT,
    LAST_ERROR_CODE,
    Envelope,
    Message,
)
from pipeline.runtime.envelope import headers_of_next_attempt
from pipeline.runtime.failure import Failure
from pipeline.runtime.republishing import republish
from pipeline.topology.expand import retry_delays
from pipeline.topology.model import Topology

_REFUSED_S = 5.0


@dataclass(frozen=True, slots=True)
class Retry:
    """Another attempt, after `delay`; one that `counts` is the next one, else it is the same again."""

    delay: timedelta
    counts: bool = True


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """No further attempt. `queue` is the broker's name of the dead-letter queue, None where there is none."""

    queue: str | None


class Retries:
    """Decides by the stage's policy, and publishes accordingly."""

    def __init__(self, topology: Topology, broker: Broker) -> None:
        self._broker = broker
        self.adopt(topology)

    def adopt(self, topology: Topology) -> None:
        """Go by another revision of the topology from now on."""
        self._topology = topology
        self._delays = retry_delays(topology)

    def verdict(self, stage: str, envelope: Envelope, failure: Failure) -> Retry | DeadLetter:
        """What the policy says. A message that crashed its process twice is not given a third one.

        What does not count is tried again for as long as it takes, however often.
        """
        if not failure.counts and (pause := self.pause(_REFUSED_S)) is not None:
            return Retry(pause, counts=False)
        policy = self._topology.retry_policy(stage)
        crashed_again = (
            failure.error_code == ErrorCode.WORKER_CRASHED
            and envelope.headers.get(LAST_ERROR_CODE) == failure.error_code
        )
        final = policy.is_final(failure.kinds, permanent=failure.permanent)
        if final or crashed_again or envelope.attempt >= policy.attempts:
            return DeadLetter(self._topology.dead_letter_queue(envelope.queue))
        return Retry(policy.delays[envelope.attempt - 1])

    def retry(self, envelope: Envelope, delivery: Delivery, next_: Retry, failure: Failure) -> Awaitable[None]:
        """Put the message into the ladder for its next attempt. Raises Unroutable, NotConfirmed."""
        headers = headers_of_next_attempt(envelope, envelope.attempt + next_.counts)
        headers[LAST_ERROR_CODE] = failure.error_code
        return self._wait(delivery, headers, next_.delay)

    def pause(self, seconds: float = 0) -> timedelta | None:
        """The shortest tier that is as long as this, or else the longest; None where there are no tiers."""
        for delay in self._delays:
            if delay.total_seconds() >= seconds:
                return delay
        return self._delays[-1] if self._delays else None

    def defer(self, envelope: Envelope, delivery: Delivery, pause: timedelta) -> Awaitable[None]:
        """Put the message into a tier without counting an attempt. Raises Unroutable, NotConfirmed."""
        return self._wait(delivery, headers_of_next_attempt(envelope, envelope.attempt), pause)

    def dead_letter(
        self, stage: str, envelope: Envelope, message: Message, queue: str, failure: Failure
    ) -> Awaitable[None]:
        """Put the message into a dead-letter queue, with the reason in its headers. Raises Unroutable, NotConfirmed."""
        headers = headers_of_next_attempt(envelope, envelope.attempt) | {
            ERROR_CODE: failure.error_code,
            ERROR_CLASS: failure.error_class,
            ERROR_MESSAGE: failure.reason,
            ERROR_STAGE: stage,
            FAILED_AT: datetime.now(UTC).isoformat(timespec="milliseconds"),
        }
        return republish(self._broker, self._topology.dead_letter_exchange, queue, message, headers)

    def _wait(self, delivery: Delivery, headers: dict[str, Any], delay: timedelta) -> Awaitable[None]:
        return republish(self._broker, self._topology.retry_queue(delay), delivery.queue, delivery.message, headers)
