"""A RabbitMQ engine and the means to trouble it."""

from __future__ import annotations

import asyncio
import gc
import logging
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from inspect import isawaitable
from urllib.parse import unquote, urlsplit

import pytest

from pipeline.broker.rabbitmq import RabbitMQBroker
from pipeline.provision.management import ManagementClient, NotFound

_DEADLINE_S = 30.0

Eventually = Callable[[Callable[[], bool | Awaitable[bool]]], Awaitable[None]]


@pytest.fixture
def eventually() -> Eventually:
    """Wait until a condition holds; fail after a generous deadline."""

    async def wait(condition: Callable[[], bool | Awaitable[bool]]) -> None:
        async with asyncio.timeout(_DEADLINE_S):
            while True:
                answer = condition()
                if await answer if isawaitable(answer) else answer:
                    return
                await asyncio.sleep(0.02)

    return wait


@pytest.fixture
async def management(rabbitmq_url: str, rabbitmq_management_url: str) -> AsyncIterator[ManagementClient]:
    vhost = unquote(urlsplit(rabbitmq_url.split(",")[0]).path[1:]) or "/"
    async with ManagementClient(rabbitmq_management_url, vhost) as client:
        yield client


@pytest.fixture
def name() -> str:
    """A name that no other test uses."""
    return f"integration.{secrets.token_hex(4)}"


@pytest.fixture
async def queue(management: ManagementClient, name: str) -> AsyncIterator[str]:
    await management.put("queues", management.vhost, name, body={"durable": True})
    yield name
    with suppress(NotFound):
        await management.delete("queues", management.vhost, name)


@pytest.fixture
async def broker(rabbitmq_url: str, name: str, caplog: pytest.LogCaptureFixture) -> AsyncIterator[RabbitMQBroker]:
    """A connected broker whose connections are called `name`; nothing may be left unretrieved."""
    made = RabbitMQBroker(rabbitmq_url, name=name, heartbeat=1)
    await made.connect()
    yield made
    await made.close()
    gc.collect()
    records = [*caplog.get_records("call"), *caplog.get_records("teardown")]
    assert [record.getMessage() for record in records if record.levelno >= logging.ERROR] == []
