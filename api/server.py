"""uvicorn inside a running loop: it takes over no signals, and stops after its sockets were told so."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import socket
from collections.abc import Iterator

import psutil
import uvicorn
from fastapi import FastAPI

from api.plane import Plane
from api.prompt import PromptProtocol
from api.socket.frames import MAX_TEXT_BYTES
from api.socket.transport import DirectProtocol
from pipeline.errors import PipelineError

_BACKLOG = 2048
_GRACE_S = 5
_PORTS_TRIED = 50


class ApiServer:
    """Serves an application of `create_app` at one address.

    Args:
        port: 0 for any free one; `port` tells which, once started.
        heartbeat_s: how often sockets are pinged, and within which time the answer has to come.
    """

    def __init__(self, app: FastAPI, host: str, port: int, *, heartbeat_s: float = 20.0) -> None:
        self._app = app
        self._host = host
        self._wanted_port = port
        self._heartbeat_s = heartbeat_s
        self._server: _Server | None = None
        self._serving: asyncio.Task[None] | None = None
        self._lifespan = contextlib.AsyncExitStack()
        self.port = port

    @property
    def url(self) -> str:
        """Where a browser finds it."""
        host = "localhost" if self._host in ("127.0.0.1", "::1", "0.0.0.0", "::") else self._host
        return f"http://{host}:{self.port}/"

    async def start(self) -> None:
        """Returns once requests are answered. Raises PipelineError if the address can't be had."""
        listener = listen(self._host, self._wanted_port)
        self.port = listener.getsockname()[1]
        config = uvicorn.Config(
            self._app,
            http=PromptProtocol,
            ws=DirectProtocol,
            ws_max_size=MAX_TEXT_BYTES,
            ws_per_message_deflate=False,
            ws_ping_interval=self._heartbeat_s,
            ws_ping_timeout=self._heartbeat_s,
            lifespan="off",
            log_config=None,
            log_level="warning",
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=_GRACE_S,
        )
        self._server = _Server(config)
        try:
            await self._lifespan.enter_async_context(self._app.router.lifespan_context(self._app))
            self._serving = asyncio.create_task(self._server.serve([listener]))
            ready = asyncio.create_task(self._server.ready.wait())
            await asyncio.wait({self._serving, ready}, return_when=asyncio.FIRST_COMPLETED)
            ready.cancel()
            if self._serving.done():
                await self._serving
        except BaseException:
            listener.close()
            await self._lifespan.aclose()
            raise

    async def stop(self) -> None:
        """Fail readiness, refuse new sockets, close those there are with 1012, then stop serving. Idempotent."""
        serving, self._serving = self._serving, None
        if serving is None or self._server is None:
            return
        plane: Plane = self._app.state.plane
        await plane.drain()
        self._server.should_exit = True
        try:
            await serving
        finally:
            await self._lifespan.aclose()


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.ready = asyncio.Event()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.ready.set()


def listen(host: str, port: int) -> socket.socket:
    """A listening socket. Raises PipelineError naming who has the port, and a free one."""
    try:
        return _bind(host, port)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            free = _next_free(host, port)
            fix = f"Stop it, or use another port: API_PORT={free}" if free else "Stop it, or set API_PORT"
            raise PipelineError(f"Port {port} is taken{_owner(port)}", where=f"{host}:{port}", fix=fix) from error
        fix = "Set API_HOST to an address of this machine, and API_PORT to a port you may use"
        raise PipelineError(f"Can't listen: {error.strerror or error}", where=f"{host}:{port}", fix=fix) from error


def _bind(host: str, port: int) -> socket.socket:
    family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    listener = socket.socket(family, kind, protocol)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(_BACKLOG)
        listener.setblocking(False)
    except BaseException:
        listener.close()
        raise
    return listener


def _next_free(host: str, port: int) -> int | None:
    for candidate in range(port + 1, min(port + 1 + _PORTS_TRIED, 65536)):
        with contextlib.suppress(OSError):
            _bind(host, candidate).close()
            return candidate
    return None


def _owner(port: int) -> str:
    """` by name (process 123)`, or nothing where the system does not tell."""
    try:
        for connection in psutil.net_connections(kind="tcp"):
            if (
                connection.status == psutil.CONN_LISTEN
                and connection.pid
                and getattr(connection.laddr, "port", 0) == port
            ):
                return f" by {psutil.Process(connection.pid).name()} (process {connection.pid})"
    except psutil.Error:
        return ""
    return ""
