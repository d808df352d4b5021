"""Thousands of WebSocket clients in one process, each no more than a protocol that counts frames.

Sources of the frames: RFC 6455, section 5.2. Only what these servers send is read: text and close, unmasked.
"""

from __future__ import annotations

import asyncio
import json
import os
import time
from collections import Counter
from collections.abc import Sequence
from typing import cast

_MARK = b'"sent":'
_REQUEST = (
    b"GET %s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)
_FOLLOW = json.dumps({"type": "subscribe", "recording_id": "*"}).encode()
_CLOSE = 8
_ANSWER_S = 60.0


class Client(asyncio.Protocol):
    """One connection.

    Attributes:
        frames: text frames that came since it follows.
        latencies: seconds from the publish of an event to here, of events that say when they were published.
        following: is done once it follows all events.
    """

    def __init__(self, path: bytes, port: int, *, timed: bool) -> None:
        self.frames = 0
        self.latencies: list[float] = []
        self.following: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.transport: asyncio.Transport | None = None
        self._path, self._port = path, port
        self._timed = timed
        self._buffer = b""
        self._upgraded = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)  # uvloop's is none of its subclasses
        self.transport.write(_REQUEST % (self._path, self._port))

    def data_received(self, data: bytes) -> None:
        data = self._buffer + data if self._buffer else data
        at, end = 0, len(data)
        if not self._upgraded:
            at = data.find(b"\r\n\r\n") + 4
            if at < 4:
                self._buffer = data
                return
            if not data.startswith(b"HTTP/1.1 101"):
                self._fail(data[:60].decode("latin-1"))
                return
            self._upgraded = True
            assert self.transport is not None
            self.transport.write(_masked(_FOLLOW))
        while end - at >= 2:
            length, head = data[at + 1], 2
            if length >= 126:
                head = 4 if length == 126 else 10
                if end - at < head:
                    break
                length = int.from_bytes(data[at + 2 : at + head])
            if end - at < head + length:
                break
            self._take(data, at, at + head, at + head + length)
            at += head + length
        self._buffer = data[at:]

    def connection_lost(self, error: Exception | None) -> None:
        self._fail(f"closed: {error}")

    def _take(self, data: bytes, at: int, start: int, end: int) -> None:
        if not self.following.done():
            if b'"subscribed"' in data[start:end]:
                self.following.set_result(None)
            return
        if data[at] & 15 == _CLOSE:
            return
        self.frames += 1
        if self._timed:
            mark = data.find(_MARK, start, end)
            if mark >= 0:
                sent = data[mark + len(_MARK) : end].split(b"}", 1)[0].split(b",", 1)[0]
                self.latencies.append(time.monotonic() - float(sent))

    def _fail(self, why: str) -> None:
        if not self.following.done():
            self.following.set_exception(ConnectionError(why))


class Crowd:
    """So many clients, opened so many at a time; one in fifty measures latency."""

    def __init__(self, port: int, path: str = "/v1/ws", *, first: int = 2) -> None:
        self._port, self._path = port, path.encode()
        self._address = first
        self.clients: list[Client] = []

    async def open(self, count: int, *, at_once: int = 200) -> float:
        """Returns the seconds until all follow. Raises ConnectionError."""
        began = time.perf_counter()
        turns = asyncio.Semaphore(at_once)

        async def one(number: int) -> None:
            async with turns:
                self.clients.append(await self._connect(number))

        await asyncio.gather(*(one(number) for number in range(count)))
        return time.perf_counter() - began

    async def come_and_go(self, count: int, *, at_once: int = 50) -> None:
        """Connections that are closed as soon as they follow; every other one without a word."""
        turns = asyncio.Semaphore(at_once)

        async def one(number: int) -> None:
            async with turns:
                client = await self._connect(number)
                assert client.transport is not None
                client.transport.abort() if number % 2 else client.transport.close()

        for start in range(0, count, 10 * at_once):
            await asyncio.gather(*(one(number) for number in range(start, min(count, start + 10 * at_once))))

    def pause(self, clients: Sequence[Client]) -> None:
        """Have some read nothing any more."""
        for client in clients:
            assert client.transport is not None
            client.transport.pause_reading()

    def latencies(self) -> list[float]:
        """In seconds, ascending."""
        return sorted(each for client in self.clients for each in client.latencies)

    def begin(self) -> None:
        """Count from here on."""
        for client in self.clients:
            client.frames = 0
            client.latencies.clear()

    def counts(self) -> Counter[int]:
        """How many clients have had so many frames."""
        return Counter(client.frames for client in self.clients)

    def close(self) -> None:
        for client in self.clients:
            if client.transport is not None:
                client.transport.abort()
        self.clients.clear()

    async def _connect(self, number: int) -> Client:
        # Many addresses of the loopback: one has no more than 28,000 ports, each taken for a minute after its end.
        self._address = self._address % 250 + 1
        _, client = await asyncio.get_running_loop().create_connection(
            lambda: Client(self._path, self._port, timed=number % 50 == 0),
            "127.0.0.1",
            self._port,
            local_addr=(f"127.0.1.{self._address}", 0),
        )
        async with asyncio.timeout(_ANSWER_S):
            await client.following
        return client


def _masked(payload: bytes) -> bytes:
    mask = os.urandom(4)
    assert len(payload) < 126
    return bytes([0x81, 0x80 | len(payload)]) + mask + bytes(each ^ mask[i % 4] for i, each in enumerate(payload))
