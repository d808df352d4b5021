"""The servers that the other tests rely on."""

from __future__ import annotations

import signal
import subprocess
import sys
import time

import httpx
import pytest
import redis

from pipeline.servers.process import alive
from pipeline.servers.rabbitmq import PrivateRabbitMQ
from pipeline.servers.redis import PrivateRedis


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
