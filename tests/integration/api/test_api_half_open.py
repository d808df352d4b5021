"""Clients that say nothing, or hardly anything: they are let go, and disturb nobody."""

from __future__ import annotations

import asyncio

import pytest
from websockets.asyncio.client import connect

from api import prompt
from pipeline.servers.tcp_proxy import tcp_proxy
from tests.api_plane import DEADLINE_S, RunningApi, running_api, until


async def test_a_client_that_vanished_without_a_word_is_forgotten() -> None:
    async with running_api(heartbeat_s=0.3) as api, tcp_proxy("127.0.0.1", api.server.port) as proxy:
        hub = api.app.state.plane.hub
        async with connect(f"ws://127.0.0.1:{proxy.port}/v1/ws", compression=None, ping_interval=None):
            await until(lambda: hub.connections == 1, "it is connected")
            proxy.silent = True
            await until(lambda: hub.connections == 0, "it is forgotten")


async def test_a_client_that_answers_pings_stays(api: RunningApi) -> None:
    async with running_api(heartbeat_s=0.05) as lively, lively.socket() as client:
        await asyncio.sleep(0.5)  # ten heartbeats
        assert (await client.ask({"type": "ping"}))["type"] == "pong"


@pytest.mark.parametrize("head", [b"", b"GET /v1/ws HT", b"GET /health/live HTTP/1.1\r\nHost: localhost\r\n"])
async def test_a_request_that_does_not_come_to_its_end_is_given_up(
    api: RunningApi, head: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prompt, "HEAD_WITHIN_S", 0.3)
    reader, writer = await asyncio.open_connection("127.0.0.1", api.server.port)
    dripping = asyncio.create_task(_drip(writer, head))
    async with api.socket() as client, asyncio.timeout(DEADLINE_S):
        assert await reader.read() == b""
        assert (await client.ask({"type": "ping"}))["type"] == "pong"
    dripping.cancel()
    writer.close()


async def _drip(writer: asyncio.StreamWriter, head: bytes) -> None:
    for byte in head + b"X" * 1000:
        writer.write(bytes((byte,)))
        await asyncio.sleep(0.02)


async def test_a_message_a_byte_at_a_time_is_answered_and_delays_nobody(api: RunningApi) -> None:
    async with api.socket() as slow, api.socket() as quick:
        text = b'{"type": "ping"}'

        async def pieces():  # type: ignore[no-untyped-def]
            for byte in text:
                yield bytes((byte,)).decode()
                await asyncio.sleep(0.01)

        sending = asyncio.create_task(slow.connection.send(pieces()))
        while not sending.done():
            assert (await quick.ask({"type": "ping"}))["type"] == "pong"
            await asyncio.sleep(0.02)
        assert (await slow.receive())["type"] == "pong"


async def test_ten_thousand_subscriptions_cost_their_sender_the_connection_only(api: RunningApi) -> None:
    async with api.socket() as greedy, api.socket() as other:
        for number in range(10_000):
            try:
                await greedy.send({"type": "subscribe", "recording_id": f"r{number}"})
            except Exception:
                break
        code, _ = await greedy.closed()
        assert code == 1008
        await other.follow("r1")
        await api.progress("r1", 0.5)
        assert (await other.receive())["sequence"] == 1
        assert set(api.app.state.plane.hub.followed()) == {"r1"}


async def test_a_close_between_the_fragments_of_a_message_is_answered_as_one(api: RunningApi) -> None:
    async with api.socket() as client:
        protocol = client.connection.protocol
        protocol.send_text(b'{"type": ', fin=False)
        protocol.send_close(1000)
        client.connection.transport.write(b"".join(protocol.data_to_send()))
        await client.closed()
        assert client.connection.close_code == 1000
