"""Frames on their way in: those that carry messages go straight to their channel, the rest to aiormq.

aiormq reads its connection through a reader that its `TransportFactory` makes; this one stands in its place.
"""

from __future__ import annotations

import asyncio
from enum import Enum, auto

from pipeline.broker.rabbitmq.wire import (
    BODY,
    FRAME_HEAD,
    FRAME_OVERHEAD,
    HEADER,
    HEARTBEAT_FRAME,
    METHOD,
    method_index,
    read_body_size,
)

_CHUNK = 256 * 1024
_HEARTBEAT_FRAME_TYPE = 8
_SIGN_OF_LIFE_S = 1.0


class Verdict(Enum):
    """What a channel does with a method frame: leaves it to aiormq, takes it, or takes it and its content."""

    LEAVE = auto()
    TAKE = auto()
    TAKE_WITH_CONTENT = auto()


class ChannelTap:
    """The frames of one channel, its messages put together from header and body frames.

    A subclass says in `on_method` which methods are its own, and gets what follows them in `on_content`.
    Neither may raise: that would end the connection.
    """

    def __init__(self) -> None:
        self._expects_content = False
        self._header = b""
        self._missing = 0
        self._parts: list[bytes] = []

    def on_method(self, index: int, data: bytes, at: int) -> Verdict:
        """A method frame; its arguments start at `at`."""
        raise NotImplementedError

    def on_content(self, header: bytes, body: bytes) -> None:
        """The payload of the content header and the whole body that followed the last method taken with content."""
        raise NotImplementedError

    def take(self, kind: int, data: bytes, start: int, stop: int) -> bool:
        """Whether the frame with this payload is the channel's own; it has then been dealt with."""
        if kind == METHOD:
            verdict = self.on_method(method_index(data, start)[0], data, start + 4)
            self._expects_content = verdict is Verdict.TAKE_WITH_CONTENT
            return verdict is not Verdict.LEAVE
        if not self._expects_content:
            return False
        if kind == HEADER:
            self._header = data[start:stop]
            self._missing = read_body_size(data, start)
            if not self._missing:
                self.on_content(self._header, b"")
        elif kind == BODY:
            self._missing -= stop - start
            if self._missing <= 0 and not self._parts:
                self.on_content(self._header, data[start:stop])
                return True
            self._parts.append(data[start:stop])
            if self._missing <= 0:
                parts, self._parts = self._parts, []
                self.on_content(self._header, b"".join(parts))
        return True


class FrameReader:
    """Serves aiormq the frames that no tap takes, one after the other, as `readexactly` asks for their parts."""

    def __init__(self, reader: asyncio.StreamReader, taps: dict[int, ChannelTap]) -> None:
        self._reader = reader
        self._taps = taps
        self._loop = asyncio.get_running_loop()
        self._buffer = b""
        self._at = 0
        self._frame = b""
        self._frame_at = 0
        self._served_at = self._loop.time()

    async def readexactly(self, n: int) -> bytes:
        """Raises asyncio.IncompleteReadError at the end of the stream."""
        if self._frame_at >= len(self._frame):
            self._frame = await self._next_frame()
            self._frame_at = 0
        start, self._frame_at = self._frame_at, self._frame_at + n
        return self._frame[start : self._frame_at]

    async def read(self, n: int = -1) -> bytes:
        return await self._reader.read(n)

    def at_eof(self) -> bool:
        return self._frame_at >= len(self._frame) and self._at >= len(self._buffer) and self._reader.at_eof()

    async def _next_frame(self) -> bytes:
        while True:
            frame = self._dispatch()
            if frame is not None:
                self._served_at = self._loop.time()
                return frame
            chunk = await self._reader.read(_CHUNK)
            if not chunk:
                raise asyncio.IncompleteReadError(self._buffer[self._at :], FRAME_OVERHEAD)
            self._buffer = self._buffer[self._at :] + chunk
            self._at = 0
            if self._loop.time() - self._served_at > _SIGN_OF_LIFE_S:
                # The broker sends no heartbeats while it sends messages, of which aiormq sees nothing.
                self._served_at = self._loop.time()
                return HEARTBEAT_FRAME

    def _dispatch(self) -> bytes | None:
        """Hand complete frames to the taps, up to the first that none takes; None when more bytes are needed."""
        buffer, at, end, taps = self._buffer, self._at, len(self._buffer), self._taps
        while end - at >= FRAME_OVERHEAD:
            kind, channel, size = FRAME_HEAD.unpack_from(buffer, at)
            if kind not in (METHOD, HEADER, BODY, _HEARTBEAT_FRAME_TYPE):
                size = 0  # a server of another protocol version answers "AMQP" and four bytes: aiormq knows
            stop = at + FRAME_OVERHEAD + size
            if stop > end:
                break
            tap = taps.get(channel)
            # Before the tap is called: it may cause what makes this method run again.
            self._at = stop
            if tap is None or not tap.take(kind, buffer, at + FRAME_HEAD.size, stop - 1):
                return buffer[at:stop]
            at = stop
        return None
