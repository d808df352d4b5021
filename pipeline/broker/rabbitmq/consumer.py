"""Consuming: a channel for each consumer, its deliveries passed on as they are read."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import structlog
from aiormq.abc import AbstractChannel, DeliveredMessage

from pipeline.broker.port import Delivery
from pipeline.broker.rabbitmq.frames import Verdict
from pipeline.broker.rabbitmq.link import ChannelGone, Link, answer
from pipeline.broker.rabbitmq.receiver import Receiver
from pipeline.broker.rabbitmq.wire import BASIC_CANCEL, BASIC_DELIVER, CHANNEL_CLOSE, read_close, read_deliver

_ACKED_AT_ONCE = 4  # of the prefetch, one in so many
_log = structlog.get_logger()


class RabbitMQConsumer(Receiver):
    """A subscription to one queue, on a channel of its own."""

    def __init__(
        self,
        link: Link,
        queue: str,
        on_delivery: Callable[[Delivery], None],
        on_lost: Callable[[], None] | None,
        *,
        ended: Callable[[RabbitMQConsumer], None],
    ) -> None:
        super().__init__(link)
        self._loop = asyncio.get_running_loop()
        self._queue = queue
        self._on_delivery = on_delivery
        self._on_lost = on_lost
        self._ended = ended
        self._channel: AbstractChannel | None = None
        self._consumer_tag: str | None = None
        self._held: list[Delivery] = []
        self._holding = True
        self._cancelled = False

    async def open(self, prefetch: int) -> None:
        """Subscribe. Deliveries are held until this has returned. Raises ChannelGone."""
        self._channel = await self._link.open_channel(self)
        self.number = self._channel.number
        self._enough = max(1, prefetch // _ACKED_AT_ONCE)
        await answer(self._channel.basic_qos(prefetch_count=prefetch))
        reply = await answer(self._channel.basic_consume(self._queue, _not_reached))
        if self._over:
            raise ChannelGone(0, "the channel was lost while subscribing")
        self._consumer_tag = reply.consumer_tag
        self._loop.call_soon(self._release)

    async def cancel(self) -> None:
        if self._cancelled:
            return
        self._cancelled = self._holding = True
        if self._channel is not None and self._consumer_tag is not None and not self._over:
            try:
                await answer(self._channel.basic_cancel(self._consumer_tag))
            except ChannelGone as gone:
                _log.debug("cancel_not_answered", queue=self._queue, reason=gone.reason)
        held, self._held = self._held, []
        for delivery in held:
            self.reject(delivery, requeue=True)

    async def close(self) -> None:
        # Not cancelled first: the next consumer in line would be given later messages before these are back.
        self._cancelled = self._holding = True
        self._held.clear()
        await self._end()

    def lose(self, reason: str) -> None:
        """The connection, the channel or the queue is gone."""
        if self._over:
            return
        self.end()
        self._held.clear()
        was_running = self._consumer_tag is not None and not self._cancelled
        self._cancelled = True
        self._ended(self)
        if was_running:
            _log.warning("consumer_lost", queue=self._queue, reason=reason)
            if self._on_lost is not None:
                self._loop.call_soon(self._on_lost)

    def on_method(self, index: int, data: bytes, at: int) -> Verdict:
        if index == BASIC_DELIVER:
            self._route = read_deliver(data, at)
            return Verdict.TAKE_WITH_CONTENT
        if index == BASIC_CANCEL:
            self.lose("the broker cancelled it: is the queue deleted?")
            self._link.background(self._end())
        elif index == CHANNEL_CLOSE:
            # What is still to be written for this channel must leave before aiormq's answer to the close.
            self._link.flush()
            self.lose(read_close(data, at)[1])
        return Verdict.LEAVE

    def on_content(self, header: bytes, body: bytes) -> None:
        delivery = self.received(self._queue, header, body)
        if self._holding:
            self._held.append(delivery)
        else:
            self._pass_on(delivery)

    def _pass_on(self, delivery: Delivery) -> None:
        try:
            self._on_delivery(delivery)
        except Exception as error:
            context = {"message": f"A consumer of {self._queue} failed", "exception": error}
            self._loop.call_exception_handler(context)

    def _release(self) -> None:
        if self._cancelled:
            return
        self._holding = False
        held, self._held = self._held, []
        for delivery in held:
            self._pass_on(delivery)

    async def _end(self) -> None:
        channel, self._channel = self._channel, None
        self._link.flush()
        # Before the channel is closed: an ack sent on a closed one would cost the connection.
        self.end()
        self._ended(self)
        if channel is not None:
            await self._link.close_channel(channel, self)


async def _not_reached(message: DeliveredMessage) -> None:
    raise AssertionError("deliveries are taken before aiormq sees them")
