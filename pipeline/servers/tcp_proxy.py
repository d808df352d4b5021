"""A proxy between a client and a server, whose connections can be cut, silenced, slowed, or broken at some answer."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress


class TcpProxy:
    """Passes bytes on until told not to.

    Attributes:
        port: where it listens, on 127.0.0.1.
        silent: takes what is sent and passes nothing on; connections stay open.
        delay_s: how much later everything arrives, in either direction.
        swallows: asked for each answer of the server; if it says so, that answer is dropped and its connection ends.
    """

    def __init__(self, host: str, port: int) -> None:
        self.port = 0
        self.silent = False
        self.delay_s = 0.0
        self.swallows: Callable[[], bool] = bool
        self._target = host, port
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def open(self) -> int:
        """Sockets, of clients and towards the server, that are not being closed."""
        return sum(not writer.is_closing() for writer in self._writers)

    def reset(self) -> None:
        """Reset all connections; new ones are served."""
        for writer in self._writers:
            writer.transport.abort()

    def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        task = asyncio.create_task(self._serve(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def end(self) -> None:
        """Leave no socket and no task behind, whatever was under way."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self.reset()
        for writer in list(self._writers):
            with suppress(OSError):
                await writer.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            far_reader, far_writer = await asyncio.open_connection(*self._target)
        except OSError:
            writer.transport.abort()
            await self._forget(writer)
            return
        self._writers.add(far_writer)
        await asyncio.gather(
            self._pass(reader, far_writer, answers=False), self._pass(far_reader, writer, answers=True)
        )
        for each in (writer, far_writer):
            if each.is_closing():
                await self._forget(each)

    async def _forget(self, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            await writer.wait_closed()
        self._writers.discard(writer)

    async def _pass(self, source: asyncio.StreamReader, target: asyncio.StreamWriter, *, answers: bool) -> None:
        with suppress(OSError):
            while data := await source.read(65536):
                if answers and self.swallows():
                    break
                if self.delay_s:
                    await asyncio.sleep(self.delay_s)
                if not self.silent:
                    target.write(data)
                    await target.drain()
        if not self.silent:
            target.close()


@asynccontextmanager
async def tcp_proxy(host: str, port: int) -> AsyncIterator[TcpProxy]:
    """A proxy in front of `host:port`."""
    proxy = TcpProxy(host, port)
    server = await asyncio.start_server(proxy.accept, "127.0.0.1", 0)
    proxy.port = server.sockets[0].getsockname()[1]
    try:
        yield proxy
    finally:
        server.close()
        for _ in range(3):
            await asyncio.sleep(0)  # A connection just accepted is handed over in the loop's next turn.
        await proxy.end()
        await server.wait_closed()
