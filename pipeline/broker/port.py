"""The port every broker engine implements. One conformance suite holds them to it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol

from pipeline.messages.message import Message


class Settlement(Protocol):
    """Where a delivery is acked or rejected: the consumer or the `get` that it came from."""

    def ack(self, delivery: Delivery) -> None: ...
    def reject(self, delivery: Delivery, *, requeue: bool) -> None: ...


class Delivery:
    """One attempt to hand a message over. Settle it exactly once; a second time is an error.

    Attributes:
        queue: the queue it came from.
        exchange, routing_key: of the publish (or dead-lettering, or TTL expiry) that put it there.
        tag: the delivery tag, ascending within one consumer.
    """

    __slots__ = ("_settlement", "exchange", "message", "queue", "redelivered", "routing_key", "tag")

    def __init__(
        self,
        message: Message,
        *,
        queue: str,
        exchange: str,
        routing_key: str,
        redelivered: bool,
        tag: int,
        settlement: Settlement,
    ) -> None:
        self.message = message
        self.queue = queue
        self.exchange = exchange
        self.routing_key = routing_key
        self.redelivered = redelivered
        self.tag = tag
        self._settlement = settlement

    def ack(self) -> None:
        """The message is done with. Never blocks; acks of neighbouring deliveries may travel as one.

        After the connection is lost this is a no-op: the broker has taken the message back already.
        """
        self._settlement.ack(self)

    def reject(self, *, requeue: bool = False) -> None:
        """Give the message back (`requeue`), or away to the queue's dead-letter exchange. Never blocks."""
        self._settlement.reject(self, requeue=requeue)


@dataclass(frozen=True, slots=True)
class Depth:
    """What a queue holds: messages ready for delivery, and consumers."""

    messages: int
    consumers: int


@dataclass(frozen=True, slots=True)
class Features:
    """What an engine supports beyond the suite's core; the suite reads it, users see it at start."""

    name: str
    durable: bool
    many_processes: bool


class Consumer(Protocol):
    """A running subscription to one queue."""

    async def cancel(self) -> None:
        """No further deliveries; what was delivered can still be settled. Idempotent."""
        ...

    async def close(self) -> None:
        """Send the settlements given so far, and return what is unsettled to the queue. Idempotent.

        That is in its place again before the next consumer of the queue is given anything.
        """
        ...


class Broker(Protocol):
    """A message broker with AMQP 0-9-1 semantics.

    Publishing is persistent, mandatory and confirmed. Nothing here retries: what to do about a failure
    is the caller's decision.
    """

    features: Features

    async def connect(self) -> None:
        """Raises Unreachable, naming host, port and vhost, never the password."""
        ...

    async def close(self) -> None:
        """Close consumers and connections. Idempotent."""
        ...

    async def ping(self) -> None:
        """A round trip to the broker. Raises Unreachable."""
        ...

    async def closed(self) -> None:
        """Returns when the connection is lost or closed; `connect` makes a new one."""
        ...

    def publish(self, exchange: str, routing_key: str, message: Message) -> Awaitable[None]:
        """Publish; the awaitable is done once the broker has confirmed.

        Messages published by successive calls are sent in that order, and their confirms can be awaited
        together. Raises Unroutable (no queue matched), NotConfirmed (refused, exchange missing, or
        connection lost); at once, TypeError or ValueError for a header or key that AMQP can't carry.
        """
        ...

    async def consume(
        self,
        queue: str,
        on_delivery: Callable[[Delivery], None],
        *,
        prefetch: int,
        on_lost: Callable[[], None] | None = None,
        connection: str | None = None,
    ) -> Consumer:
        """Call `on_delivery` for each delivery, with at most `prefetch` of them unsettled at a time.

        Those with the same name of a `connection` share one, apart from all others; it is lost with them.
        `on_lost` is called once if the subscription ends without `cancel`: queue deleted, channel or
        connection closed. Raises NoSuchQueue, Unreachable.
        """
        ...

    async def get(self, queue: str) -> Delivery | None:
        """One message, or None if the queue is empty. Raises NoSuchQueue."""
        ...

    async def depth(self, queue: str) -> Depth:
        """Raises NoSuchQueue."""
        ...

    async def purge(self, queue: str) -> int:
        """Remove the ready messages; how many they were. Raises NoSuchQueue."""
        ...

    async def has_exchange(self, exchange: str) -> bool:
        """Whether it is declared; published messages and consumers are not disturbed by asking. Raises Unreachable."""
        ...
