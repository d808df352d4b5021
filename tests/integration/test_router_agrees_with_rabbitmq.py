"""The pure router and a real RabbitMQ bring every message to the same queues: on random topologies, keys and headers.

40 topologies with 100 messages each; ROUTER_CASES=N for N topologies, ROUTER_SEED=N for others.
"""

from __future__ import annotations

import asyncio
import os
import random
import uuid
from collections import defaultdict
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import pytest

from pipeline.broker.rabbitmq import RabbitMQBroker
from pipeline.errors import Unroutable
from pipeline.messages.message import Message
from pipeline.provision.definitions_json import definitions_to_json
from pipeline.provision.management import ManagementClient
from pipeline.topology.definitions import BindingDefinition, Definitions, ExchangeDefinition, QueueDefinition
from pipeline.topology.route import Router

pytestmark = pytest.mark.rabbitmq

CASES = int(os.environ.get("ROUTER_CASES", "40"))
SEED = int(os.environ.get("ROUTER_SEED", "1"))
MESSAGES = 100
_WORDS = ["a", "b", "a.b", "", "#", "*", "é", "a b", "x" * 60]
_TYPES = ["direct", "topic", "fanout", "headers"]
_NAMES = ["k", "l", "x-k"]
_VALUES: list[Any] = ["v", "w", 1, True, 2**40]
_MATCHES = ["any", "all", "any-with-x", "all-with-x", None]

Sent = tuple[str, str, dict[str, Any]]


def key(choose: random.Random, *, binding: bool) -> str:
    """A routing key, or a binding's pattern: words, wildcards in odd places, empty words, dots at either end."""
    words = [choose.choice(_WORDS) for _ in range(choose.randrange(5))]
    if choose.random() < 0.1:
        words.append("y" * choose.randrange(150))
    if not binding and choose.random() < 0.7:
        words = [word for word in words if word not in ("#", "*")]
    return ".".join(words).encode()[:255].decode(errors="ignore")


def headers(choose: random.Random) -> dict[str, Any]:
    return {name: choose.choice(_VALUES) for name in _NAMES if choose.random() < 0.5}


def topology(choose: random.Random) -> Definitions:
    exchanges = [f"e{number}" for number in range(choose.randint(1, 6))]
    queues = [f"q{number}" for number in range(choose.randint(1, 6))] + ["a", "a.b"]
    bindings = {}
    for _ in range(choose.randrange(36)):
        source = choose.choice(exchanges)
        to_queue = choose.random() < 0.7
        match = choose.choice(_MATCHES)
        arguments = headers(choose) | ({} if match is None else {"x-match": match})
        binding = BindingDefinition(
            source,
            choose.choice(queues if to_queue else exchanges),
            "queue" if to_queue else "exchange",
            key(choose, binding=True),
            arguments if choose.random() < 0.7 else {},
        )
        bindings[binding.identity] = binding
    return Definitions(
        exchanges=tuple(
            ExchangeDefinition(
                name,
                choose.choice(_TYPES),
                arguments={"alternate-exchange": choose.choice([*exchanges, "missing"])}
                if choose.random() < 0.4
                else {},
            )
            for name in exchanges
        ),
        queues=tuple(QueueDefinition(name) for name in queues),
        bindings=tuple(bindings.values()),
    )


def messages(choose: random.Random, definitions: Definitions) -> list[Sent]:
    exchanges = [*(exchange.name for exchange in definitions.exchanges), ""]
    taken = [binding.routing_key for binding in definitions.bindings] or [""]
    return [
        (
            choose.choice(exchanges),
            choose.choice(taken) if choose.random() < 0.4 else key(choose, binding=False),
            headers(choose),
        )
        for _ in range(MESSAGES)
    ]


async def test_every_message_reaches_the_queues_that_the_router_says(
    rabbitmq_url: str, rabbitmq_management_url: str, record_property: Any
) -> None:
    reached = unroutable = 0
    for case in range(CASES):
        choose = random.Random(SEED * 1_000_000 + case)
        definitions = topology(choose)
        sent = messages(choose, definitions)
        found = await _reached(rabbitmq_url, rabbitmq_management_url, definitions, sent)
        router = Router.of(definitions)
        for number, message in enumerate(sent):
            expected = set(router.route(*message))
            assert found[number] == expected, (case, message, definitions)
            reached += len(expected)
            unroutable += not expected
    told = f"{CASES} topologies, {CASES * MESSAGES} messages: {reached} arrivals, {unroutable} unroutable"
    record_property("cases", told)
    print(told)
    assert unroutable < CASES * MESSAGES < 3 * reached, "most of them go somewhere"


async def _reached(
    url: str, management_url: str, definitions: Definitions, sent: Sequence[Sent]
) -> dict[int, set[str]]:
    """By the message's number, the queues of a real broker in which it arrived."""
    vhost = f"router-{uuid.uuid4().hex}"
    async with ManagementClient(management_url, vhost) as client:
        await client.put("vhosts", vhost, body={})
        broker = RabbitMQBroker(urlunsplit(urlsplit(url)._replace(path=f"/{vhost}")))
        try:
            await client.post("definitions", vhost, body=definitions_to_json(definitions))
            await broker.connect()
            outcomes = await asyncio.gather(
                *(
                    broker.publish(exchange, routing_key, Message(b"", message_id=str(number), headers=given))
                    for number, (exchange, routing_key, given) in enumerate(sent)
                ),
                return_exceptions=True,
            )
            found: dict[int, set[str]] = defaultdict(set)
            for queue in definitions.queues:
                while (delivery := await broker.get(queue.name)) is not None:
                    delivery.ack()
                    arrived = found[int(delivery.message.message_id or "")]
                    assert queue.name not in arrived, "once to each queue"
                    arrived.add(queue.name)
            for number, outcome in enumerate(outcomes):
                assert (outcome is None) == bool(found[number]), (sent[number], outcome)
                assert outcome is None or isinstance(outcome, Unroutable)
            return found
        finally:
            await broker.close()
            await client.delete("vhosts", vhost)
