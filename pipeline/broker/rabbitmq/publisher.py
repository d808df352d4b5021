"""Publishing: one channel in confirm mode, each message on its way in the order of the calls."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterable

from aiormq.abc import AbstractChannel

from pipeline.broker.rabbitmq.frames import ChannelTap, Verdict
from pipeline.broker.rabbitmq.link import ChannelGone, Link
from pipeline.broker.rabbitmq.wire import (
    BASIC_ACK,
    BASIC_NACK,
    BASIC_RETURN,
    CHANNEL_CLOSE,
    publish_frames,
    read_close,
    read_confirm,
    read_message,
    read_return,
)
from pipeline.errors import BrokerError, NotConfirmed, Refused, Unroutable
from pipeline.messages.message import Message

_BLAMED_EXCHANGE = re.compile(r"exchange '([^']*)' in vhost")


class _Unconfirmed:
    """A message on its way."""

    __slots__ = ("confirm", "exchange", "message", "routing_key")

    def __init__(self, confirm: asyncio.Future[None], exchange: str, routing_key: str, message: Message) -> None:
        self.confirm = confirm
        self.exchange = exchange
        self.routing_key = routing_key
        self.message = message

    def fail(self, error: BrokerError) -> None:
        if not self.confirm.done():
            self.confirm.set_exception(error)
            self.confirm.exception()  # a publisher may have stopped waiting


class Publisher(ChannelTap):
    """The publishing channel. The broker closes it over one bad publish; it is then opened again.

    The publishes that shared the channel with the bad one are sent again, so that they don't fail for it:
    their consumers may see them twice, as after any lost confirm.
    """

    def __init__(self, link: Link) -> None:
        super().__init__()
        self._link = link
        self._loop = asyncio.get_running_loop()
        self._channel: AbstractChannel | None = None
        self._unconfirmed: dict[int, _Unconfirmed] = {}
        self._waiting: list[_Unconfirmed] = []
        self._last_tag = 0
        self._lowest_tag = 1
        self._returned = ("", "")
        self._lost: str | None = None

    async def open(self) -> None:
        """Open the channel, and send what has waited for it. Raises ChannelGone."""
        channel = await self._link.open_channel(self, confirms=True)
        self._last_tag, self._lowest_tag = 0, 1
        self._channel = channel
        waiting, self._waiting = self._waiting, []
        for each in waiting:
            self._send(channel, each)

    def publish(self, exchange: str, routing_key: str, message: Message) -> asyncio.Future[None]:
        """Done once confirmed. Raises TypeError or ValueError at once where a property can't travel."""
        unconfirmed = _Unconfirmed(self._loop.create_future(), exchange, routing_key, message)
        if self._lost is not None:
            unconfirmed.fail(NotConfirmed(f"Not connected to RabbitMQ: {self._lost}"))
        elif self._channel is None:
            publish_frames(0, exchange, routing_key, message, self._link.frame_max)
            self._waiting.append(unconfirmed)
        else:
            self._send(self._channel, unconfirmed)
        return unconfirmed.confirm

    def lose(self, reason: str) -> None:
        """The connection is gone: nothing that is unconfirmed will be."""
        self._lost = reason
        self._channel = None
        error = f"The connection was lost before the confirm: {reason}"
        for each in self._take_unconfirmed():
            each.fail(NotConfirmed(error))

    def on_method(self, index: int, data: bytes, at: int) -> Verdict:
        if index == BASIC_ACK:
            self._settle(*read_confirm(data, at), confirmed=True)
            return Verdict.TAKE
        if index == BASIC_NACK:
            self._settle(*read_confirm(data, at), confirmed=False)
            return Verdict.TAKE
        if index == BASIC_RETURN:
            self._returned = read_return(data, at)
            return Verdict.TAKE_WITH_CONTENT
        if index == CHANNEL_CLOSE:
            self._on_channel_closed(*read_close(data, at))
        return Verdict.LEAVE

    def on_content(self, header: bytes, body: bytes) -> None:
        """A message came back. Its confirm follows and finds nothing.

        A return does not carry its delivery tag. Returns come in the order of their publishes, so it belongs
        to the oldest one that looks the same.
        """
        exchange, routing_key = self._returned
        returned = read_message(header, body)
        for tag, each in self._unconfirmed.items():
            if (
                each.exchange == exchange
                and each.routing_key == routing_key
                and each.message.message_id == returned.message_id
                and each.message.body == body
            ):
                del self._unconfirmed[tag]
                each.fail(Unroutable(f"No queue is bound to {exchange!r} for the routing key {routing_key!r}"))
                return

    def _send(self, channel: AbstractChannel, unconfirmed: _Unconfirmed) -> None:
        frames = publish_frames(
            channel.number, unconfirmed.exchange, unconfirmed.routing_key, unconfirmed.message, self._link.frame_max
        )
        self._last_tag += 1
        self._unconfirmed[self._last_tag] = unconfirmed
        self._link.write(frames)

    def _settle(self, tag: int, multiple: bool, *, confirmed: bool) -> None:
        if multiple:
            tags: Iterable[int] = range(self._lowest_tag, tag + 1)
            self._lowest_tag = tag + 1
        else:
            tags = (tag,)
        for each in tags:
            unconfirmed = self._unconfirmed.pop(each, None)
            if unconfirmed is None or unconfirmed.confirm.done():
                continue
            if confirmed:
                unconfirmed.confirm.set_result(None)
            else:
                unconfirmed.fail(Refused(f"The broker refused the message for {unconfirmed.routing_key!r}"))

    def _on_channel_closed(self, code: int, reason: str) -> None:
        # What is still to be written for this channel must leave before aiormq's answer to the close.
        self._link.flush()
        self._channel = None
        blamed = _BLAMED_EXCHANGE.search(reason)
        error = f"RabbitMQ closed the channel: {reason}"
        for each in self._take_unconfirmed():
            if blamed is None or each.exchange == blamed[1]:
                each.fail(NotConfirmed(error))
            elif not each.confirm.done():
                self._waiting.append(each)
        self._link.background(self._reopen())

    async def _reopen(self) -> None:
        try:
            await self.open()
        except ChannelGone as gone:
            for each in self._take_unconfirmed():
                each.fail(NotConfirmed(f"The publishing channel can't be opened again: {gone.reason}"))

    def _take_unconfirmed(self) -> list[_Unconfirmed]:
        taken = [*self._unconfirmed.values(), *self._waiting]
        self._unconfirmed, self._waiting = {}, []
        return taken
