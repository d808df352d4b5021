"""One connection to RabbitMQ, in three layers.

- aio-pika opens the connection, names it, tells of its end and closes it.
- aiormq, on which aio-pika stands, has the channels and what is rare on them: declaring, qos, consuming, closing.
  aio-pika's own channels would wait while the broker blocks publishers, and each one opened would leave an observer
  on its connection, so a long-lived process that opens channels again and again would grow.
- Own frames carry messages, confirms and acks.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import ssl
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, Protocol, TypeVar

import aio_pika
import aiormq
import structlog
from aio_pika.abc import AbstractConnection
from aiormq.abc import AbstractChannel
from aiormq.connection import TCPTransportFactory, TLSTransportFactory
from yarl import URL

from pipeline.broker.rabbitmq.frames import ChannelTap, FrameReader, Verdict
from pipeline.broker.rabbitmq.wire import read_blocked, read_close
from pipeline.errors import Unreachable
from pipeline.telemetry import BROKER_BLOCKED

# All that it logs, often with a traceback, reaches the caller as an exception.
logging.getLogger("aiormq").setLevel(logging.CRITICAL)

_CONNECTION_CLOSE, _CONNECTION_BLOCKED, _CONNECTION_UNBLOCKED = 10 << 16 | 50, 10 << 16 | 60, 10 << 16 | 61
_ACCESS_REFUSED, _NOT_ALLOWED = 403, 530
_SOON_S = 0.002
_log = structlog.get_logger()
_T = TypeVar("_T")


class ChannelGone(Exception):
    """A channel or its connection ended before it answered. `code` is the broker's reply code, 0 if it gave none."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason


class Writes(Protocol):
    """Something that has frames for the end of this turn of the loop, or for soon."""

    def frames(self) -> bytes: ...


class Link:
    """A connection. Frames given to `write` leave in that order, joined, once per turn of the loop."""

    def __init__(self, url: URL, name: str, heartbeat: int) -> None:
        self._url = url if "heartbeat" in url.query else url.update_query(heartbeat=heartbeat)
        self._name = name
        self._loop = asyncio.get_running_loop()
        self._watch = _Watch()
        self._taps: dict[int, ChannelTap] = {0: self._watch}
        self._transport = _Transport(self._taps)
        self._connection: aio_pika.Connection | None = None
        self._underlay: aiormq.abc.AbstractConnection | None = None
        self._ended: str | None = None
        self._on_lost: Callable[[str], None] | None = None
        self._out: list[bytes] = []
        self._late: dict[Writes, None] = {}
        self._flushing = False
        self._soon = False
        self._tasks: set[asyncio.Task[Any]] = set()

    @property
    def frame_max(self) -> int:
        """Bytes of the longest frame the broker takes; 0 means no limit."""
        return 0 if self._underlay is None else self._underlay.connection_tune.frame_max or 0

    @property
    def blocked(self) -> bool:
        """Whether the broker has stopped taking messages, for want of memory or disk."""
        return self._watch.blocked

    async def open(self, timeout: float) -> None:
        """Connect and log in, in `timeout` seconds. Raises Unreachable."""
        connection = _Connection(self._url, self._name, self._transport)
        connection.close_callbacks.add(self._on_closed)
        try:
            # aio-pika's own timeout does not cover all that its `connect` waits for.
            async with asyncio.timeout(timeout):
                await answer(connection.connect())
        except BaseException as error:
            # Given up at the last moment, aiormq's connection may stand, and nobody has it to close it.
            self._transport.abort()
            await connection.close(asyncio.CancelledError)
            if isinstance(error, ChannelGone | TimeoutError | ValueError):
                raise self._unreachable(error) from error
            raise
        self._connection = connection
        self._underlay = None if connection.transport is None else connection.transport.connection

    def watch(self, on_lost: Callable[[str], None]) -> None:
        """Call `on_lost` with the reason if the connection ends, or has ended, otherwise than by `close`."""
        self._on_lost = on_lost
        if self._ended is not None:
            self._loop.call_soon(self._tell_lost)

    async def close(self) -> None:
        """Write what is due and end the connection. Idempotent."""
        self._on_lost = None
        self.flush()
        if self._connection is not None:
            await self._connection.close(asyncio.CancelledError)
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def open_channel(self, tap: ChannelTap | None = None, *, confirms: bool = False) -> AbstractChannel:
        """A new channel whose frames go to `tap` first. Raises ChannelGone."""
        if self._underlay is None:
            raise ChannelGone(0, "not connected")
        channel = await answer(self._underlay.channel(publisher_confirms=confirms))
        if tap is not None:
            self._taps[channel.number] = tap
        return channel

    async def close_channel(self, channel: AbstractChannel, tap: ChannelTap | None = None) -> None:
        """Write what is due and close the channel; the broker takes back what is unsettled on it. Never raises."""
        self.flush()
        with contextlib.suppress(ChannelGone):
            await answer(channel.close())
        if self._taps.get(channel.number) is tap:
            self._taps.pop(channel.number, None)

    def write(self, frames: bytes) -> None:
        self._out.append(frames)
        self._schedule()

    def write_later(self, writes: Writes) -> None:
        """Ask `writes` for its frames at the end of this turn of the loop."""
        self._late[writes] = None
        self._schedule()

    def write_soon(self, writes: Writes) -> None:
        """Ask `writes` for its frames within two milliseconds, or with what is written before."""
        self._late[writes] = None
        if not self._flushing and not self._soon:
            self._soon = True
            self._loop.call_later(_SOON_S, self._flush_soon)

    def flush(self) -> None:
        """Write now what is due."""
        while self._late:
            writes, _ = self._late.popitem()
            self._out.append(writes.frames())
        writer = self._transport.writer
        if self._out and writer is not None and not writer.is_closing():
            writer.write(b"".join(self._out))
        self._out.clear()

    def background(self, work: Coroutine[Any, Any, None]) -> None:
        """Run something that ends with the connection at the latest."""
        task = self._loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _schedule(self) -> None:
        if not self._flushing:
            self._flushing = True
            self._loop.call_soon(self._flush_scheduled)

    def _flush_scheduled(self) -> None:
        self._flushing = False
        self.flush()

    def _flush_soon(self) -> None:
        self._soon = False
        self.flush()

    def _on_closed(self, _: AbstractConnection | None, error: BaseException | None) -> None:
        self._watch.end()
        self._ended = self._watch.reason or str(error or "") or "closed"
        self._tell_lost()

    def _tell_lost(self) -> None:
        if self._on_lost is not None and self._ended is not None:
            self._on_lost(self._ended)

    def _unreachable(self, error: Exception) -> Unreachable:
        """A failed connection in words: what, where, and what to do."""
        cause = error.__cause__
        if self._watch.code == _ACCESS_REFUSED or isinstance(cause, aiormq.AuthenticationError):
            what, fix = f"RabbitMQ refuses the login of user {self._url.user or 'guest'}", "Check user and password"
        elif self._watch.code == _NOT_ALLOWED:
            what, fix = f"RabbitMQ refuses the vhost: {self._watch.reason}", "Create it, or grant the user access to it"
        elif self._watch.code:
            what, fix = f"RabbitMQ refuses the connection: {self._watch.reason}", "See the broker's log"
        elif isinstance(error, TimeoutError):
            what, fix = "RabbitMQ does not answer in time", "Check that it runs there, and the network between"
        elif isinstance(cause, ssl.SSLError) or isinstance(getattr(cause, "__cause__", None), ssl.SSLError):
            what, fix = f"TLS to RabbitMQ fails: {error}", "Check the certificate, and whether the port speaks TLS"
        else:
            what, fix = f"RabbitMQ does not answer: {error}", "Start it, or correct the URL"
        return Unreachable(what, where=place(self._url), fix=fix)


class _Connection(aio_pika.Connection):
    """aio-pika's connection over a transport of ours, which aio-pika hands on to aiormq with its other `kwargs`."""

    def __init__(self, url: URL, name: str, transport: _Transport) -> None:
        super().__init__(url, client_properties={"connection_name": name})
        self.kwargs["transport_factory"] = transport


class _Transport(aiormq.TransportFactory):
    """aiormq's own transport, with our reader in front of its own and the writer kept at hand."""

    def __init__(self, taps: dict[int, ChannelTap]) -> None:
        self.writer: asyncio.StreamWriter | None = None
        self._taps = taps

    async def create(self, url: URL, **options: Any) -> tuple[Any, asyncio.StreamWriter]:
        factory = TLSTransportFactory() if url.scheme == "amqps" else TCPTransportFactory()
        reader, self.writer = await factory.create(url, **options)
        return FrameReader(reader, self._taps), self.writer

    def abort(self) -> None:
        if self.writer is not None:
            self.writer.transport.abort()


class _Watch(ChannelTap):
    """The connection's own channel: notes what the broker says of it, and leaves every frame to aiormq."""

    def __init__(self) -> None:
        super().__init__()
        self.blocked = False
        self.code = 0
        self.reason = ""

    def on_method(self, index: int, data: bytes, at: int) -> Verdict:
        if index == _CONNECTION_CLOSE:
            self.code, self.reason = read_close(data, at)
        elif index == _CONNECTION_BLOCKED:
            self._note(blocked=True)
            _log.warning("broker_blocks_publishers", reason=read_blocked(data, at))
        elif index == _CONNECTION_UNBLOCKED:
            self._note(blocked=False)
            _log.warning("broker_takes_messages_again")
        return Verdict.LEAVE

    def end(self) -> None:
        """The connection is gone."""
        self._note(blocked=False)

    def _note(self, *, blocked: bool) -> None:
        BROKER_BLOCKED.inc(blocked - self.blocked)
        self.blocked = blocked


async def answer(call: Awaitable[_T]) -> _T:
    """What aiormq answers. Raises ChannelGone where the channel or the connection ended instead."""
    try:
        return await call
    except asyncio.CancelledError:
        if _is_cancelled():
            raise
        # aiormq cancels what waits for an answer when its connection closes.
        raise ChannelGone(0, "the connection was lost") from None
    except Exception as error:
        if _is_cancelled():
            # aiormq makes another error of a cancellation that comes as the broker closes the connection.
            raise asyncio.CancelledError from error
        if isinstance(error, aiormq.AMQPChannelError):
            raise ChannelGone(_CODES.get(type(error), 0), str(error)) from error
        # A bare Exception is what aiormq gives those who ask while its connection closes without an error, and
        # StopAsyncIteration those whose connection was closed while they logged in.
        if type(error) is Exception or isinstance(
            error, aiormq.AMQPError | OSError | RuntimeError | StopAsyncIteration
        ):
            raise ChannelGone(0, str(error) or "the connection was lost") from error
        raise


def _is_cancelled() -> bool:
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


_CODES: dict[type[Exception], int] = {
    aiormq.ChannelAccessRefused: 403,
    aiormq.ChannelNotFoundEntity: 404,
    aiormq.ChannelLockedResource: 405,
    aiormq.ChannelPreconditionFailed: 406,
}


def place(url: URL) -> str:
    """Where a URL points, as it may be shown: no credentials, no query."""
    host = f"[{url.host}]" if url.host and ":" in url.host else url.host
    return f"{url.scheme}://{host}:{url.port or (5671 if url.scheme == 'amqps' else 5672)}, vhost {vhost(url)}"


def vhost(url: URL) -> str:
    """No path, or `/`, is the vhost `/`."""
    return url.path[1:].replace("%2F", "/") or "/"
