"""The servers that tests run against: those the environment names, else containers, else private processes."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from hypothesis import settings

from ops.servers.containers import RABBITMQ_IMAGE, REDIS_IMAGE, docker_has, rabbitmq_container, redis_container
from pipeline.servers.rabbitmq import PrivateRabbitMQ
from pipeline.servers.redis import PrivateRedis
from pipeline.settings import Settings

# Few examples where many tests are to run in seconds; the long laws, in tests/laws, say how many they want.
settings.register_profile("tests", max_examples=30, deadline=None)
settings.load_profile("tests")

# Started in the background by a shell, it is ignored, and would be by all processes that tests start, and interrupt.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@contextmanager
def _rabbitmq() -> Iterator[tuple[str, str]]:
    if url := os.environ.get("RABBITMQ_URL"):
        yield url, os.environ.get("RABBITMQ_MANAGEMENT_URL") or Settings(rabbitmq_url=url).management_url
    elif docker_has(RABBITMQ_IMAGE):
        with rabbitmq_container() as urls:
            yield urls
    else:
        server = PrivateRabbitMQ()
        try:
            server.start()
            yield server.url, server.management_url
        finally:
            server.close()


@contextmanager
def _redis() -> Iterator[str]:
    if url := os.environ.get("REDIS_URL"):
        yield url
    elif docker_has(REDIS_IMAGE):
        with redis_container() as url:
            yield url
    else:
        server = PrivateRedis()
        try:
            server.start()
            yield server.url
        finally:
            server.close()


@pytest.fixture(scope="session")
def _rabbitmq_urls() -> Iterator[tuple[str, str]]:
    with _rabbitmq() as urls:
        yield urls


@pytest.fixture(scope="session")
def rabbitmq_url(_rabbitmq_urls: tuple[str, str]) -> str:
    """AMQP URL of a RabbitMQ shared by the whole run: name things uniquely, or use a vhost of your own."""
    return _rabbitmq_urls[0]


@pytest.fixture(scope="session")
def rabbitmq_management_url(_rabbitmq_urls: tuple[str, str]) -> str:
    """Its management API, with credentials."""
    return _rabbitmq_urls[1]


@pytest.fixture(scope="session")
def redis_url() -> Iterator[str]:
    """A Redis shared by the whole run: use a key prefix of your own."""
    with _redis() as url:
        yield url


@pytest.fixture
def own_rabbitmq() -> Iterator[PrivateRabbitMQ]:
    """A RabbitMQ of the test's own, to stop, kill and restart."""
    server = PrivateRabbitMQ()
    try:
        server.start()
        yield server
    finally:
        server.close()


@pytest.fixture
def own_redis() -> Iterator[PrivateRedis]:
    """A Redis of the test's own, to stop, kill and restart."""
    server = PrivateRedis()
    try:
        server.start()
        yield server
    finally:
        server.close()
