"""Publishing in bytes, on a channel in confirm mode, for those who only ask which publishes have arrived."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from aiormq.abc import AbstractChannel

from pipeline.broker.rabbitmq.frames import ChannelTap, Verdict
from pipeline.broker.rabbitmq.link import Link
from pipeline.broker.rabbitmq.wire import (
    BASIC_ACK,
    BASIC_NACK,
    BASIC_RETURN,
    CHANNEL_CLOSE,
    content_frames,
    read_close,
    read_confirm,
)
from pipeline.errors import BrokerError, NotConfirmed, Unroutable


class Outlet(ChannelTap):
    """Publishes to one exchange. After the first publish that is refused or returned it confirms nothing any more.

    Args:
        confirmed: called with the tag that each publish was given.
        failed: called when it can't go on.

    Attributes:
        refused: whether a publish was refused or returned.
    """

    def __init__(
        self, link: Link, exchange: str, confirmed: Callable[[int], None], failed: Callable[[BrokerError], None]
    ) -> None:
        super().__init__()
        self.refused = False
        self._link = link
        self._exchange = exchange
        self._confirmed = confirmed
        self._failed = failed
        self._channel: AbstractChannel | None = None
        self._published = 0
        self._lowest = 1
        self._unconfirmed: dict[int, int] = {}  # the broker's tag of a publish: the one it was given

    async def open(self) -> None:
        """Raises ChannelGone."""
        self._channel = await self._link.open_channel(self, confirms=True)

    async def close(self) -> None:
        """Idempotent."""
        channel, self._channel = self._channel, None
        if channel is not None:
            await self._link.close_channel(channel, self)

    def publish(self, routing_key: str, properties: bytes, body: bytes, tag: int) -> None:
        """Raises ValueError if the broker does not take headers so long."""
        if self._channel is None:
            return
        frames = content_frames(
            self._channel.number, self._exchange, routing_key, properties, body, self._link.frame_max
        )
        self._published += 1
        self._unconfirmed[self._published] = tag
        self._link.write(frames)

    def on_method(self, index: int, data: bytes, at: int) -> Verdict:
        if index == BASIC_ACK:
            self._settle(*read_confirm(data, at))
            return Verdict.TAKE
        if index == BASIC_NACK:
            self._refuse(NotConfirmed(f"A queue behind {self._exchange!r} refuses messages"))
            return Verdict.TAKE
        if index == BASIC_RETURN:
            self._refuse(Unroutable(f"No queue is bound to {self._exchange!r}"))
            return Verdict.TAKE_WITH_CONTENT
        if index == CHANNEL_CLOSE:
            # What is still to be written for this channel must leave before aiormq's answer to the close.
            self._link.flush()
            self._channel = None
            self._failed(NotConfirmed(f"RabbitMQ closed the channel: {read_close(data, at)[1]}"))
        return Verdict.LEAVE

    def on_content(self, header: bytes, body: bytes) -> None:
        """Of a message that came back."""

    def _refuse(self, error: BrokerError) -> None:
        self.refused = True
        self._failed(error)

    def _settle(self, tag: int, multiple: bool) -> None:
        if self.refused:
            return
        tags: Iterable[int] = range(self._lowest, tag + 1) if multiple else (tag,)
        if multiple:
            self._lowest = tag + 1
        for each in tags:
            given = self._unconfirmed.pop(each, None)
            if given is not None:
                self._confirmed(given)
