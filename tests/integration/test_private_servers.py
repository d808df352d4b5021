"""The servers that the other tests rely on."""

from __future__ import annotations

import httpx
import redis

from ops.servers.process import alive
from ops.servers.rabbitmq import PrivateRabbitMQ
from ops.servers.redis import PrivateRedis


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
        assert httpx.get(queue, timeout=10).json()["durable"]
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
