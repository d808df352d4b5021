"""From a queue to an exchange: consumed and acked on one channel, published and confirmed on another."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import NamedTuple

from aiormq.abc import AbstractChannel, DeliveredMessage, FieldValue

from pipeline.broker.rabbitmq.frames import Verdict
from pipeline.broker.rabbitmq.link import ChannelGone, Link, answer
from pipeline.broker.rabbitmq.outlet import Outlet
from pipeline.broker.rabbitmq.receiver import Receiver
from pipeline.broker.rabbitmq.wire import BASIC_CANCEL, BASIC_DELIVER, CHANNEL_CLOSE, Route, read_close, read_deliver
from pipeline.errors import BrokerError, NotConfirmed

_PROPERTIES = 12  # where they begin in a content header
# Before other consumers: what they hold, they give back sooner.
_CONSUMER_PRIORITY = 10


class Parcel(NamedTuple):
    """A delivery in its bytes: the payload of its content header, and its body."""

    header: bytes
    body: bytes
    route: Route


# The properties to publish a parcel with; None where it is not to be published, only acked.
Rewrite = Callable[[Parcel], bytes | None]
Ended = Callable[["Transfer"], None]


class Transfer(Receiver):
    """Moves what arrives in a queue to an exchange, under the routing key it came with.

    A delivery is acked once its publish is confirmed, so nothing is lost; one that was published and not acked
    when this ends comes again. After the first publish that is refused or returned nothing is acked any more.

    Args:
        exchange: what leads to the target; if it leads elsewhere too, a target that is gone is not noticed.
        before_redelivered: awaited once, before the first delivery that is not its message's first; all that
            come after it wait as well.

    Attributes:
        moved, dropped: deliveries acked after their confirm, and without having been published.
    """

    def __init__(
        self,
        link: Link,
        source: str,
        exchange: str,
        rewrite: Rewrite,
        before_redelivered: Callable[[], Awaitable[None]] | None,
        ended: Ended,
    ) -> None:
        super().__init__(link)
        self.moved = 0
        self.dropped = 0
        self._source = source
        self._outlet = Outlet(link, exchange, self._on_confirmed, self._fail)
        self._rewrite = rewrite
        self._before_redelivered = before_redelivered
        self._ended = ended
        self._channel: AbstractChannel | None = None
        self._consumer_tag: str | None = None
        self._held: list[Parcel] | None = None
        self._received = 0
        self._failure: BrokerError | None = None

    @property
    def refused(self) -> bool:
        """Whether a publish was refused or returned."""
        return self._outlet.refused

    async def open(self, prefetch: int) -> None:
        """Start. Raises ChannelGone."""
        await self._outlet.open()
        self._channel = await self._link.open_channel(self)
        self.number = self._channel.number
        await self._make_ready(self._channel)
        await answer(self._channel.basic_qos(prefetch_count=prefetch))
        arguments: dict[str, FieldValue] = {"x-priority": _CONSUMER_PRIORITY}
        reply = await answer(self._channel.basic_consume(self._source, not_reached, arguments=arguments))
        self._consumer_tag = reply.consumer_tag

    async def idle(self, quiet_s: float = 0.03) -> None:
        """Until nothing is on its way, and nothing has come for a moment. Raises BrokerError if it can't go on."""
        before = -1
        while True:
            self.check()
            if before == self._received and not self._unsettled:
                return
            before = self._received
            await asyncio.sleep(quiet_s)

    def check(self) -> None:
        """Raises BrokerError if it can't go on."""
        if self._failure is not None:
            raise self._failure

    async def close(self) -> None:
        """Send the acks that are due and return the rest to the queue. Idempotent."""
        channel, self._channel = self._channel, None
        self._fail(NotConfirmed("The transfer was closed"))
        if channel is not None and self._consumer_tag is not None and not self._over:
            try:
                await answer(channel.basic_cancel(self._consumer_tag))
            except ChannelGone:
                self.end()
        self._link.flush()
        # Before the channel is closed: an ack sent on a closed one would cost the connection.
        self.end()
        self._ended(self)
        if channel is not None:
            await self._link.close_channel(channel, self)
        await self._outlet.close()

    def lose(self, reason: str) -> None:
        """The connection, the channel or the queue is gone."""
        self._fail(NotConfirmed(f"The move from {self._source!r} was cut off: {reason}"))
        self.end()

    def on_method(self, index: int, data: bytes, at: int) -> Verdict:
        if index == BASIC_DELIVER:
            self._route = read_deliver(data, at)
            return Verdict.TAKE_WITH_CONTENT
        if index == BASIC_CANCEL:
            self.lose("the broker cancelled the consumer: is the queue deleted?")
        elif index == CHANNEL_CLOSE:
            # What is still to be written for this channel must leave before aiormq's answer to the close.
            self._link.flush()
            self._channel = None
            self.lose(read_close(data, at)[1])
        return Verdict.LEAVE

    def on_content(self, header: bytes, body: bytes) -> None:
        self._received += 1
        route = self._route
        self._unsettled[route.tag] = None
        parcel = Parcel(header, body, route)
        if self._held is not None:
            self._held.append(parcel)
        elif route.redelivered and self._before_redelivered is not None:
            self._held = [parcel]
            self._link.background(self._prepare(self._before_redelivered()))
        else:
            self._pass_on(parcel)

    async def _make_ready(self, channel: AbstractChannel) -> None:
        """What else the channel needs before it consumes. Raises ChannelGone."""

    async def _prepare(self, preparation: Awaitable[None]) -> None:
        try:
            await preparation
        except Exception as error:
            self._fail(error if isinstance(error, BrokerError) else NotConfirmed(str(error)))
            return
        held, self._held, self._before_redelivered = self._held or [], None, None
        for parcel in held:
            self._pass_on(parcel)

    def _pass_on(self, parcel: Parcel) -> None:
        if self._failure is not None:
            return
        header, body, route = parcel
        properties = self._rewrite(parcel)
        if properties is None:
            self.dropped += 1
            self._ack(route.tag)
            return
        try:
            self._outlet.publish(route.routing_key, properties, body, route.tag)
        except ValueError:
            # What was added does not fit in: it goes on as it came.
            self._outlet.publish(route.routing_key, header[_PROPERTIES:], body, route.tag)

    def _on_confirmed(self, tag: int) -> None:
        if self._failure is None:
            self.moved += 1
            self._ack(tag)

    def _ack(self, tag: int) -> None:
        if self._unsettled.pop(tag, tag) is None:
            if not self._acked:
                self._link.write_later(self)
            self._acked.append(tag)

    def _fail(self, error: BrokerError) -> None:
        if self._failure is None:
            self._failure = error


async def not_reached(message: DeliveredMessage) -> None:
    """The callback that aiormq wants of a consumer. Raises AssertionError."""
    raise AssertionError("deliveries are taken before aiormq sees them")
