"""How frames reach a client: straight into the transport under uvicorn, through ASGI elsewhere.

`DirectProtocol` and `DirectWriter` use attributes of uvicorn's sans-IO protocol that are not public: uvicorn is
pinned, and a contract test holds what is used here.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, Protocol

from starlette.websockets import WebSocket, WebSocketDisconnect
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.frames import Frame as WireFrame
from websockets.frames import Opcode
from websockets.server import ServerProtocol

from api.socket.frames import Frame

HIGH_WATER_BYTES = 64 * 1024
_EXTENSION = "pipeline.websocket_writer"
_CLOSE_GRACE_S = 10.0
_STALLED_GRACE_S = 2.0


class Writer(Protocol):
    """Where one client's frames go. Nothing here blocks or raises; once closed, what is written is dropped.

    Attributes:
        on_paused, on_writable: called when the client's buffer is full, and when it has room again.
    """

    on_paused: Callable[[], None]
    on_writable: Callable[[], None]

    @property
    def writable(self) -> bool: ...

    def write(self, frames: Sequence[Frame]) -> None: ...

    def close(self, code: int, reason: str, *, stalled: bool = False) -> None:
        """Start the closing handshake. A stalled client is cut off soon after, whatever it has not read."""
        ...


def writer_for(websocket: WebSocket) -> Writer:
    """The fastest writer that the server offers for an accepted socket."""
    offered = (websocket.scope.get("extensions") or {}).get(_EXTENSION)
    return offered["writer"] if offered else QueuedWriter(websocket)


def _ignore() -> None:
    return


class _WithoutTracebacks(logging.Filter):
    """A client that sends invalid UTF-8 is closed with 1007: what it sent is no event of ours to log."""

    def filter(self, record: logging.LogRecord) -> bool:
        return not str(record.msg).startswith(("Invalid UTF-8", "opening handshake failed"))


_log = logging.getLogger("api.websocket")
_log.setLevel(logging.WARNING)  # at INFO uvicorn logs each accept with its query string
_log.addFilter(_WithoutTracebacks())


class _Conversation(ServerProtocol):
    """Takes a close frame between the fragments of a message for what it is (RFC 6455, 5.4), and not for an error."""

    def recv_frame(self, frame: WireFrame) -> None:
        if frame.opcode is Opcode.CLOSE:
            self.current_size = None
        super().recv_frame(frame)


class DirectProtocol(WebSocketsSansIOProtocol):
    """uvicorn's WebSocket protocol, which offers a `DirectWriter` in the scope's extensions."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.logger = _log
        self.conn = _Conversation(max_size=self.config.ws_max_size, logger=_log)
        self.writer = DirectWriter(self)

    async def run_asgi(self) -> None:
        extensions: Any = self.scope["extensions"]
        extensions[_EXTENSION] = {"writer": self.writer}
        await super().run_asgi()

    async def send(self, message: Any) -> None:
        await super().send(message)
        if message["type"] == "websocket.http.response.body" and self.close_sent:
            self.handshake_complete = True  # a refusal is complete too; uvicorn would log it as an error

    def pause_writing(self) -> None:
        super().pause_writing()
        self.writer.on_paused()

    def resume_writing(self) -> None:
        super().resume_writing()
        self.writer.on_writable()


class DirectWriter:
    """Writes frames that are already on-the-wire bytes into the socket's transport."""

    def __init__(self, protocol: DirectProtocol) -> None:
        self._protocol = protocol
        self.on_paused: Callable[[], None] = _ignore
        self.on_writable: Callable[[], None] = _ignore

    @property
    def writable(self) -> bool:
        return self._protocol.writable.is_set()

    @property
    def _open(self) -> bool:
        protocol = self._protocol
        return not (protocol.close_sent or protocol.disconnected or protocol.transport.is_closing())

    def write(self, frames: Sequence[Frame]) -> None:
        if self._open:
            self._protocol.transport.write(b"".join([frame.wire for frame in frames]))

    def close(self, code: int, reason: str, *, stalled: bool = False) -> None:
        protocol = self._protocol
        if not self._open:
            return
        protocol.queue.put_nowait({"type": "websocket.disconnect", "code": code, "reason": reason})
        protocol.conn.send_close(code, reason)
        protocol.transport.write(b"".join(protocol.conn.data_to_send()))
        protocol.close_sent = True
        if protocol.read_paused:
            protocol.read_paused = False
            protocol.transport.resume_reading()
        if stalled:
            protocol.close_timer = protocol.loop.call_later(_STALLED_GRACE_S, protocol.transport.abort)
        else:
            protocol.close_timer = protocol.loop.call_later(_CLOSE_GRACE_S, protocol.transport.close)


class QueuedWriter:
    """Sends through ASGI, for servers without the extension. A task exists only while there is something to send."""

    def __init__(self, websocket: WebSocket) -> None:
        self._websocket = websocket
        self._queue: deque[Frame] = deque()
        self._bytes = 0
        self._closing: tuple[int, str] | None = None
        self._closed = False
        self._task: asyncio.Task[None] | None = None
        self.on_paused: Callable[[], None] = _ignore
        self.on_writable: Callable[[], None] = _ignore

    @property
    def writable(self) -> bool:
        return self._bytes < HIGH_WATER_BYTES

    def write(self, frames: Sequence[Frame]) -> None:
        if self._closing or self._closed:
            return
        was_writable = self.writable
        self._queue.extend(frames)
        self._bytes += sum(len(frame.wire) for frame in frames)
        if was_writable and not self.writable:
            self.on_paused()
        self._start()

    def close(self, code: int, reason: str, *, stalled: bool = False) -> None:
        if self._closing or self._closed:
            return
        self._closing = (code, reason)
        if stalled and self._task is not None:
            self._task.cancel()
        self._start()

    def _start(self) -> None:
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._drain())

    async def _drain(self) -> None:
        try:
            while self._queue:
                frame = self._queue.popleft()
                await self._websocket.send_text(frame.text)
                was_writable = self.writable
                self._bytes -= len(frame.wire)
                if self.writable and not was_writable:
                    self.on_writable()
            if self._closing:
                self._closed = True
                await self._websocket.close(*self._closing)
        except (WebSocketDisconnect, RuntimeError):
            self._closed = True
            self._queue.clear()
