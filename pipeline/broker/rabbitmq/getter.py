"""Taking single messages: the dead-letter tools' way to look into a queue."""

from __future__ import annotations

import asyncio
from collections import deque

from aiormq.abc import AbstractChannel

from pipeline.broker.port import Delivery
from pipeline.broker.rabbitmq.frames import Verdict
from pipeline.broker.rabbitmq.link import ChannelGone, Link
from pipeline.broker.rabbitmq.receiver import Receiver
from pipeline.broker.rabbitmq.wire import (
    BASIC_GET_EMPTY,
    BASIC_GET_OK,
    CHANNEL_CLOSE,
    get_frame,
    read_close,
    read_get_ok,
)


class Getter(Receiver):
    """One channel for all single `get`s; their answers come in the order of the questions."""

    def __init__(self, link: Link) -> None:
        super().__init__(link)
        self._channel: AbstractChannel | None = None
        self._asked: deque[tuple[str, asyncio.Future[Delivery | None]]] = deque()

    @property
    def is_over(self) -> bool:
        return self._over

    async def open(self) -> None:
        """Raises ChannelGone."""
        self._channel = await self._link.open_channel(self)
        self.number = self._channel.number

    async def get(self, queue: str) -> Delivery | None:
        """Raises ChannelGone, with code 404 if there is no such queue."""
        if self._over:
            raise ChannelGone(0, "the channel was closed")
        future: asyncio.Future[Delivery | None] = asyncio.get_running_loop().create_future()
        self._asked.append((queue, future))
        self._link.write(get_frame(self.number, queue))
        return await future

    async def close(self) -> None:
        """Return what is unsettled."""
        channel, self._channel = self._channel, None
        self._link.flush()
        # Before the channel is closed: an ack sent on a closed one would cost the connection.
        self.lose(0, "closed")
        if channel is not None:
            await self._link.close_channel(channel, self)

    def lose(self, code: int, reason: str) -> None:
        """The connection or the channel is gone."""
        self.end()
        while self._asked:
            _, future = self._asked.popleft()
            if not future.done():
                future.set_exception(ChannelGone(code, reason))

    def on_method(self, index: int, data: bytes, at: int) -> Verdict:
        if index == BASIC_GET_OK:
            self._route = read_get_ok(data, at)
            return Verdict.TAKE_WITH_CONTENT
        if index == BASIC_GET_EMPTY:
            _, future = self._asked.popleft()
            if not future.done():
                future.set_result(None)
            return Verdict.TAKE
        if index == CHANNEL_CLOSE:
            self._link.flush()
            self.lose(*read_close(data, at))
        return Verdict.LEAVE

    def on_content(self, header: bytes, body: bytes) -> None:
        queue, future = self._asked.popleft()
        delivery = self.received(queue, header, body)
        if future.done():
            self.reject(delivery, requeue=True)  # nobody waits for it any more
        else:
            future.set_result(delivery)
