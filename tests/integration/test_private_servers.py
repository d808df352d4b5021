"""The servers that the other tests rely on."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
import threading
import time

import httpx
import pytest
import redis

from pipeline.servers.cluster import PrivateCluster
from pipeline.servers.process import ServerFailed, alive
from pipeline.servers.rabbitmq import PrivateRabbitMQ
from pipeline.servers.redis import PrivateRedis
from pipeline.servers.tcp_proxy import tcp_proxy


def test_rabbitmq_answers_on_its_management_api(rabbitmq_management_url: str) -> None:
    assert httpx.get(f"{rabbitmq_management_url}/api/overview", timeout=10).json()["rabbitmq_version"]


def test_a_private_rabbitmq_keeps_its_definitions_over_a_kill_and_leaves_no_process() -> None:
    server = PrivateRabbitMQ()
    try:
        server.start()
        queue = f"{server.management_url}/api/queues/%2F/kept"
        assert httpx.put(queue, json={"durable": True}, timeout=10).status_code == 201
        pid = int((server.folder / "node.pid").read_text())
        server.stop(kill=True)
        assert not alive(pid)
        server.start()
        deadline = time.monotonic() + 30
        # The node answers before it has recovered the last of its queues.
        while (found := httpx.get(queue, timeout=10)).status_code != 200 and time.monotonic() < deadline:
            time.sleep(0.2)
        assert found.json()["durable"], found.text
        pid = int((server.folder / "node.pid").read_text())
    finally:
        server.close()
    assert not alive(pid)
    assert not server.folder.exists()


def test_a_private_redis_keeps_its_data_over_a_kill_and_leaves_no_folder() -> None:
    server = PrivateRedis()
    try:
        server.start()
        with redis.Redis.from_url(server.url) as client:
            client.set("kept", "yes")
        server.stop(kill=True)
        server.start()
        with redis.Redis.from_url(server.url) as client:
            assert client.get("kept") == b"yes"
    finally:
        server.close()
    assert not server.folder.exists()


def test_the_command_prints_what_to_export_and_removes_everything_at_sigterm() -> None:
    with subprocess.Popen([sys.executable, "-m", "ops.servers"], stdout=subprocess.PIPE, text=True) as command:
        assert command.stdout is not None
        lines = [command.stdout.readline() for _ in range(4)]
        exports = dict(line.removeprefix("export ").strip().split("=", 1) for line in lines[:3])
        assert set(exports) == {"RABBITMQ_URL", "RABBITMQ_MANAGEMENT_URL", "REDIS_URL"}
        with redis.Redis.from_url(exports["REDIS_URL"]) as client:
            assert client.ping()
        command.send_signal(signal.SIGTERM)
        assert command.wait(timeout=30) == 0
    with pytest.raises(httpx.ConnectError):
        httpx.get(exports["RABBITMQ_MANAGEMENT_URL"], timeout=5)


def test_a_node_closed_while_it_starts_is_gone_at_once() -> None:
    server = PrivateRabbitMQ()
    refused: list[ServerFailed] = []

    def start() -> None:
        try:
            server.start()
        except ServerFailed as failure:
            refused.append(failure)

    starting = threading.Thread(target=start)
    starting.start()
    while not (server.folder / "out.log").exists():  # which is made when the node is launched
        time.sleep(0.01)
    server.close()
    starting.join(timeout=10)
    assert not starting.is_alive()
    assert "ended while it started" in str(refused[0])
    assert not server.folder.exists()


@pytest.mark.timeout(200)
def test_a_killed_node_comes_back_to_its_cluster_which_leaves_no_process() -> None:
    cluster = PrivateCluster()
    try:
        cluster.start()
        pids = [int((node.folder / "node.pid").read_text()) for node in cluster.nodes]
        cluster.nodes[1].stop(kill=True)
        assert [alive(pid) for pid in pids] == [True, False, True]
        queue = {"durable": True, "arguments": {"x-queue-type": "quorum"}}
        made = httpx.put(f"{cluster.nodes[0].management_url}/api/queues/%2F/kept", json=queue, timeout=10)
        assert made.status_code == 201
        cluster.nodes[1].start()
        cluster.wait_for_all()
        found = httpx.get(f"{cluster.nodes[1].management_url}/api/queues/%2F/kept", timeout=10)
        assert found.json()["type"] == "quorum", found.text
        pids[1] = int((cluster.nodes[1].folder / "node.pid").read_text())
    finally:
        cluster.close()
    assert not any(alive(pid) for pid in pids)
    assert not cluster.folder.exists()


async def test_a_slowed_connection_brings_everything_in_its_order_and_late() -> None:
    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(1000):
            writer.write(data)
        writer.close()

    server = await asyncio.start_server(echo, "127.0.0.1", 0)
    async with tcp_proxy("127.0.0.1", server.sockets[0].getsockname()[1]) as proxy:
        reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
        proxy.delay_s = 0.05
        began = time.monotonic()
        for number in range(50):
            writer.write(b"%02d" % number)
            await asyncio.sleep(0)
        assert await reader.readexactly(100) == b"".join(b"%02d" % number for number in range(50))
        assert time.monotonic() - began >= 2 * proxy.delay_s  # there and back
        writer.close()
        await writer.wait_closed()
    server.close()
    await server.wait_closed()
