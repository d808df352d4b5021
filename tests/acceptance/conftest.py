"""The command line, and servers with nothing of anybody else's in them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit
from uuid import uuid4

import httpx
import pytest
import redis

from tests.acceptance.commands import Commands


@pytest.fixture
def commands(tmp_path: Path) -> Iterator[Commands]:
    """The command line in a temporary folder; nothing it started outlives the test."""
    commands = Commands(tmp_path)
    try:
        yield commands
    finally:
        commands.end()


@pytest.fixture
def servers(rabbitmq_url: str, rabbitmq_management_url: str, redis_url: str) -> Iterator[dict[str, str]]:
    """Settings for a vhost of its own on RabbitMQ and an empty database on Redis."""
    vhost = f"test-{uuid4().hex[:12]}"
    base = urlsplit(rabbitmq_url)
    with httpx.Client(base_url=rabbitmq_management_url, timeout=30) as management:
        management.put(f"/api/vhosts/{vhost}").raise_for_status()
        try:
            with _empty_database(redis_url) as database:
                yield {
                    "RABBITMQ_URL": base._replace(path=f"/{vhost}").geturl(),
                    "RABBITMQ_MANAGEMENT_URL": rabbitmq_management_url,
                    "REDIS_URL": database,
                }
        finally:
            management.delete(f"/api/vhosts/{vhost}").raise_for_status()


@contextmanager
def _empty_database(redis_url: str) -> Iterator[str]:
    for number in range(15, 0, -1):
        url = urlsplit(redis_url)._replace(path=f"/{number}").geturl()
        with redis.Redis.from_url(url) as client:
            if client.dbsize() == 0:
                yield url
                client.flushdb()
                return
    pytest.fail(f"{urlsplit(redis_url).hostname} has no empty database among 1 to 15")
