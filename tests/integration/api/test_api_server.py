"""Start and stop of the server, as whoever runs it and whoever is connected sees them."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal

import pytest
from websockets.exceptions import InvalidStatus

from api.app import create_app
from api.server import ApiServer
from pipeline.errors import PipelineError
from tests.api_plane import RunningApi, until


async def test_taken_port_names_its_owner_and_a_free_one(api: RunningApi) -> None:
    second = ApiServer(create_app(api.services), "127.0.0.1", api.server.port)
    with pytest.raises(PipelineError) as refused:
        await second.start()
    assert f"process {os.getpid()}" in refused.value.what
    assert refused.value.where == f"127.0.0.1:{api.server.port}"
    suggested = int(refused.value.fix.rpartition("API_PORT=")[2])
    assert suggested > api.server.port
    third = ApiServer(create_app(api.services), "127.0.0.1", suggested)
    await third.start()
    await third.stop()


async def test_address_of_another_machine_is_refused_with_a_fix(api: RunningApi) -> None:
    server = ApiServer(create_app(api.services), "192.0.2.1", 0)
    with pytest.raises(PipelineError, match="API_HOST"):
        await server.start()


async def test_stopping_closes_sockets_with_1012_and_frees_the_port(api: RunningApi) -> None:
    async with api.socket() as first, api.socket() as second:
        await api.server.stop()
        assert (await first.closed())[0] == 1012
        assert (await second.closed())[0] == 1012
    await api.server.stop()
    again = ApiServer(create_app(api.services), "127.0.0.1", api.server.port)
    await again.start()
    await again.stop()


async def test_draining_service_fails_readiness_and_refuses_sockets(api: RunningApi) -> None:
    await api.app.state.plane.drain()
    async with api.http() as http:
        answer = await http.get("/health/ready")
        assert (answer.status_code, answer.json()["status"]) == (503, "stopping")
        assert (await http.get("/health/live")).status_code == 200
    with pytest.raises(InvalidStatus) as refused:
        async with api.socket():
            pass
    assert refused.value.response.status_code == 503


async def test_server_leaves_signals_alone(api: RunningApi) -> None:
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    await api.restart_server()
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before


async def test_client_finds_its_recording_again_after_a_restart(api: RunningApi) -> None:
    await api.progress("r1", 0.2)
    async with api.socket() as client:
        await client.follow("r1")
        await client.receive()
        await api.restart_server()
        assert (await client.closed())[0] == 1012
    await api.complete("r1", bpm=128.0)
    async with api.socket() as client:
        await client.follow("r1")
        snapshot = await client.receive()
    assert snapshot["snapshot"] is True
    assert snapshot["data"]["results"] == {"bpm": 128.0}


async def test_query_strings_are_not_logged(api: RunningApi, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "uvicorn"):
        async with api.socket("?client_id=me&token=secret"), api.http() as http:
            await http.get("/v1/recordings?q=secret")
    assert "secret" not in caplog.text


async def test_connections_that_are_cut_are_forgotten(api: RunningApi) -> None:
    hub = api.app.state.plane.hub
    reader, writer = await asyncio.open_connection("127.0.0.1", api.server.port)
    writer.write(
        b"GET /v1/ws HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
        b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
    )
    await reader.readuntil(b"\r\n\r\n")
    await until(lambda: hub.connections == 1, "the connection is known")
    writer.transport.abort()
    await until(lambda: hub.connections == 0, "the connection is forgotten")
    with contextlib.suppress(ConnectionError):
        await writer.wait_closed()
