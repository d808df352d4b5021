"""The engines that the broker suite runs against, each behind the same handle."""

from __future__ import annotations

import asyncio
import gc
import logging
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from inspect import isawaitable
from typing import Any, Protocol
from urllib.parse import unquote, urlsplit

import pytest

from pipeline.broker.embedded import EmbeddedBroker
from pipeline.broker.port import Broker, Delivery
from pipeline.broker.rabbitmq import RabbitMQBroker
from pipeline.clock import ManualClock
from pipeline.messages.message import Message
from pipeline.provision.definitions_json import definitions_to_json
from pipeline.provision.management import ManagementClient, NotFound
from pipeline.topology.definitions import (
    BindingDefinition,
    Definitions,
    ExchangeDefinition,
    PolicyDefinition,
    QueueDefinition,
    exactly,
)

_DEADLINE_S = 15.0


class Engine(Protocol):
    """A connected broker, and what a test needs beside the port."""

    broker: Broker

    async def declare(self, definitions: Definitions) -> None: ...
    async def delete_queue(self, name: str) -> None: ...
    async def pass_time(self, seconds: float) -> None:
        """Let TTLs of up to `seconds` run out. Follow it with `eventually`."""
        ...

    async def close(self) -> None: ...


class EmbeddedEngine:
    def __init__(self) -> None:
        self.clock = ManualClock()
        self.embedded = EmbeddedBroker(clock=self.clock)
        self.broker: Broker = self.embedded

    async def declare(self, definitions: Definitions) -> None:
        self.embedded.declare(definitions)

    async def delete_queue(self, name: str) -> None:
        self.embedded.model.delete_queue(name)

    async def pass_time(self, seconds: float) -> None:
        self.clock.advance(seconds)

    async def close(self) -> None:
        await self.broker.close()


class RabbitMQEngine:
    def __init__(self, url: str, management_url: str) -> None:
        self._vhost = unquote(urlsplit(url.split(",")[0]).path[1:]) or "/"
        self._management = ManagementClient(management_url, self._vhost)
        self._made: list[tuple[str, str]] = []
        self.broker: Broker = RabbitMQBroker(url, name="conformance")

    async def declare(self, definitions: Definitions) -> None:
        await self._management.post("definitions", self._vhost, body=definitions_to_json(definitions))
        for collection, names in (
            ("queues", [queue.name for queue in definitions.queues]),
            ("exchanges", [exchange.name for exchange in definitions.exchanges]),
            ("policies", [policy.name for policy in definitions.policies]),
        ):
            self._made += [(collection, name) for name in names]

    async def delete_queue(self, name: str) -> None:
        await self._management.delete("queues", self._vhost, name)

    async def pass_time(self, seconds: float) -> None:
        """Real time passes by itself."""

    async def close(self) -> None:
        await self.broker.close()
        for collection, name in self._made:
            with suppress(NotFound):
                await self._management.delete(collection, self._vhost, name)
        await self._management.close()


class Bench:
    """What the tests write with: names of their own, definitions in a line, deliveries to wait for."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.broker = engine.broker
        self._prefix = f"suite.{secrets.token_hex(4)}"

    def name(self, name: str) -> str:
        """A name that no other test uses. Dots in it are kept."""
        return f"{self._prefix}.{name}"

    async def queue(self, name: str = "work", /, *, policy: dict[str, Any] | None = None, **arguments: Any) -> str:
        """Declare a queue: arguments as `max_priority=5`, and a policy as RabbitMQ spells its keys."""
        full = self.name(name)
        policies = (PolicyDefinition(full, exactly(full), policy),) if policy else ()
        spelled = {f"x-{key.replace('_', '-')}": value for key, value in arguments.items()}
        await self.engine.declare(Definitions(queues=(QueueDefinition(full, arguments=spelled),), policies=policies))
        return full

    async def exchange(self, type: str, name: str = "events", /, **arguments: Any) -> str:
        full = self.name(name)
        spelled = {key.replace("_", "-"): value for key, value in arguments.items()}
        await self.engine.declare(Definitions(exchanges=(ExchangeDefinition(full, type, arguments=spelled),)))
        return full

    async def bind(self, source: str, queue: str, key: str = "", /, **arguments: Any) -> None:
        await self.bind_to("queue", source, queue, key, arguments)

    async def bind_exchange(self, source: str, destination: str, key: str = "") -> None:
        await self.bind_to("exchange", source, destination, key, {})

    async def bind_to(self, kind: str, source: str, destination: str, key: str, arguments: dict[str, Any]) -> None:
        binding = BindingDefinition(source, destination, kind, key, arguments)
        await self.engine.declare(Definitions(bindings=(binding,)))

    async def publish(self, exchange: str, routing_key: str, *bodies: bytes) -> None:
        """Publish in order and wait for all confirms."""
        await asyncio.gather(*[self.broker.publish(exchange, routing_key, Message(body)) for body in bodies])

    async def drain(self, queue: str) -> list[Delivery]:
        """All that the queue holds now, acked, in order."""
        taken = []
        while (delivery := await self.broker.get(queue)) is not None:
            delivery.ack()
            taken.append(delivery)
        return taken

    async def bodies(self, queue: str) -> list[bytes]:
        return [delivery.message.body for delivery in await self.drain(queue)]

    async def depth(self, queue: str) -> int:
        return (await self.broker.depth(queue)).messages

    async def eventually(self, condition: Callable[[], bool | Awaitable[bool]]) -> None:
        """Wait until the condition holds; fail after a generous deadline."""
        async with asyncio.timeout(_DEADLINE_S):
            while True:
                answer = condition()
                if await answer if isawaitable(answer) else answer:
                    return
                await asyncio.sleep(0.01)

    async def until_depth(self, queue: str, depth: int) -> None:
        async def reached() -> bool:
            return await self.depth(queue) == depth

        await self.eventually(reached)

    async def next_of(self, queue: str) -> Delivery:
        """The queue's next message, as soon as there is one."""
        found: list[Delivery] = []

        async def arrived() -> bool:
            delivery = await self.broker.get(queue)
            if delivery is not None:
                found.append(delivery)
            return delivery is not None

        await self.eventually(arrived)
        return found[0]


@pytest.fixture(params=["embedded", pytest.param("rabbitmq", marks=pytest.mark.rabbitmq)])
async def engine(request: pytest.FixtureRequest, caplog: pytest.LogCaptureFixture) -> AsyncIterator[Engine]:
    """Each engine in turn, connected; what a test declares through it is removed afterwards."""
    made: Engine
    if request.param == "embedded":
        made = EmbeddedEngine()
    else:
        made = RabbitMQEngine(
            request.getfixturevalue("rabbitmq_url"), request.getfixturevalue("rabbitmq_management_url")
        )
    await made.broker.connect()
    gc.freeze()  # what is there already need not be gone through
    yield made
    await made.close()
    gc.collect()  # futures that nobody looked at complain when they are collected
    gc.unfreeze()
    records = [*caplog.get_records("call"), *caplog.get_records("teardown")]
    noise = [record.getMessage() for record in records if record.levelno >= logging.ERROR]
    assert not noise, noise


@pytest.fixture
def bench(engine: Engine) -> Bench:
    return Bench(engine)
