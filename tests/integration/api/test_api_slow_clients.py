"""Clients that do not read, on real sockets: they are cut off, and nobody else notices."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
import uvicorn
import uvloop
from websockets.asyncio.client import connect

from api.app import create_app
from api.server import listen
from api.socket.connection import SLOW
from api.socket.hub import Hub
from api.socket.transport import DirectWriter, QueuedWriter
from pipeline.state.port import Event, Status
from tests.api_plane import RunningApi, Socket, running_api, until

Runner = Callable[[Coroutine[Any, Any, None]], None]
RUNNERS = pytest.mark.parametrize("run", [asyncio.run, uvloop.run], ids=["asyncio", "uvloop"])


def completion(sequence: int, padding: int) -> Event:
    data = {"type": "analysis_complete", "results": {"padding": "x" * padding}, "timestamp": 1.0}
    text = json.dumps({"recording_id": "r1", "data": data, "sequence": sequence, "epoch": "e"})
    return Event("r1", sequence, "e", Status.COMPLETED, text)


async def stalled_follower(port: int) -> socket.socket:
    """A client that subscribes to everything and never reads again."""
    loop = asyncio.get_running_loop()
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    client.setblocking(False)
    await loop.sock_connect(client, ("127.0.0.1", port))
    request = (
        b"GET /v1/ws?client_id=stalled HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
        b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
    )
    await loop.sock_sendall(client, request)
    answer = b""
    while not answer.endswith(b'WebSocket"}'):
        answer += await loop.sock_recv(client, 4096)
    subscribe = json.dumps({"type": "subscribe", "recording_id": "*"}).encode()
    await loop.sock_sendall(client, bytes((0x81, 0x80 | len(subscribe))) + bytes(4) + subscribe)
    return client


def connection_of(hub: Hub, client_id: str) -> Any:
    return hub._clients.get(("", client_id))


@RUNNERS
def test_stalled_client_is_closed_as_slow_while_others_get_everything(run: Runner) -> None:
    async def scenario() -> None:
        async with running_api() as api:
            hub: Hub = api.app.state.plane.hub
            stalled = await stalled_follower(api.server.port)
            await until(lambda: hub.everything_followed, "the stalled client follows")
            connection = connection_of(hub, "stalled")
            assert isinstance(connection.writer, DirectWriter)
            async with api.socket(max_size=None) as reading:
                await reading.follow("r1")
                for sequence in range(1, 201):
                    hub.publish(completion(sequence, 100_000))
                    assert (await reading.receive())["sequence"] == sequence
                await until(lambda: connection.closed, "the stalled client is closed")
                assert connection.pending_bytes == 0
                await until(lambda: hub.connections == 1, "the stalled client is forgotten")
                hub.publish(completion(201, 10))
                assert (await reading.receive())["sequence"] == 201
            stalled.close()

    run(scenario())


@RUNNERS
def test_slow_client_that_goes_on_reading_gets_every_completion_in_order(run: Runner) -> None:
    async def scenario() -> None:
        async with running_api() as api, api.socket(max_size=None, max_queue=1) as client:
            hub: Hub = api.app.state.plane.hub
            await client.follow("r1")
            for start in range(1, 101, 5):
                for sequence in range(start, start + 5):
                    hub.publish(completion(sequence, 60_000))
                for sequence in range(start, start + 5):
                    assert (await client.receive())["sequence"] == sequence

    run(scenario())


async def test_slow_client_is_told_4008(api: RunningApi) -> None:
    async with api.socket(max_size=None, max_queue=1) as client:
        await client.follow("r1")
        hub: Hub = api.app.state.plane.hub
        connection = connection_of(hub, client.client_id)
        sequence = 0
        while not connection.closed:
            sequence += 1
            hub.publish(completion(sequence, 100_000))
            await asyncio.sleep(0)
            assert sequence < 10_000
        assert (await client.closed())[0] == SLOW


async def test_server_without_the_extension_serves_the_contract_through_asgi() -> None:
    api = RunningApi()
    await api.start_engines()
    listener = listen("127.0.0.1", 0)
    options: dict[str, Any] = {"ws": "websockets-sansio", "log_config": None, "lifespan": "on", "access_log": False}
    server = uvicorn.Server(uvicorn.Config(create_app(api.services), log_level="warning", **options))
    serving = asyncio.create_task(server._serve([listener]))
    await until(lambda: server.started, "uvicorn serves")
    async with connect(f"ws://127.0.0.1:{listener.getsockname()[1]}/v1/ws", compression=None) as raw:
        client = Socket(raw)
        assert (await client.receive())["type"] == "welcome"
        hub = _hub_of(server)
        (connection,) = hub._clients.values()
        assert isinstance(connection.writer, QueuedWriter)
        await api.progress("r1", 0.5)
        await client.follow("r1")
        assert (await client.receive())["snapshot"] is True
        for number in range(1, 50):
            await api.progress("r1", 0.5 + number / 100)
        assert [(await client.receive())["sequence"] for _ in range(49)] == list(range(2, 51))
        await hub.close()
        assert (await client.closed())[0] == 1012
    server.should_exit = True
    await serving
    await api.stop_engines()


def _hub_of(server: uvicorn.Server) -> Hub:
    app: Any = server.config.app
    hub: Hub = app.state.plane.hub
    return hub
