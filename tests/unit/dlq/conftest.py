"""A shop whose orders fail: what its dead letters are looked at and dealt with by."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import pytest
from pydantic import BaseModel

from pipeline.broker.embedded import EmbeddedBroker
from pipeline.clock import ManualClock
from pipeline.dlq.queues import find_queue
from pipeline.dlq.trail import Actor, Trail
from pipeline.messages.message import (
    ATTEMPT,
    ERROR_CLASS,
    ERROR_CODE,
    ERROR_MESSAGE,
    ERROR_STAGE,
    FAILED_AT,
    MESSAGE_NAME,
    ORIGINAL_EXCHANGE,
    ORIGINAL_ROUTING_KEY,
    Message,
)
from pipeline.runtime.acceptance import Acceptance
from pipeline.runtime.contracts import Contracts
from pipeline.topology.expand import definitions_of
from pipeline.topology.model import Topology
from pipeline.topology.values import Reference

NOW = 1_700_000_000.0


class Item(BaseModel):
    name: str
    count: int


class Order(BaseModel):
    order_id: str
    items: list[Item] = []


class Shop:
    """The broker with the shop's topology, and ways to bury orders."""

    def __init__(self) -> None:
        self.topology = Topology.model_validate(
            {
                "version": 1,
                "name": "shop",
                "exchanges": {"events": {"type": "topic"}},
                "queues": {
                    "orders": {"bindings": [{"source": "events", "routing_key": "order.#"}]},
                    "told": {"external": True, "bindings": [{"source": "events", "routing_key": "told.#"}]},
                    "idle": {},
                },
                "messages": {
                    "order.placed": {"model": "shop:Order", "exchange": "events"},
                    "order.told": {"model": "shop:Order", "exchange": "events", "max_size": 40},
                },
                "stages": {"price": {"from": {"orders": ["order.placed"]}, "run": ["shop:price"]}},
            }
        )
        self.clock = ManualClock(NOW)
        self.broker = EmbeddedBroker(definitions_of(self.topology), self.clock)
        self.queue = find_queue(self.topology, "orders")
        self.accepts = Acceptance(self.topology, Contracts(self.topology, self._resolve))
        self.trail = Trail(self.broker, self.topology, Actor(name="ann", address="desk", via="cli"), self.clock)

    def _resolve(self, reference: Reference) -> Any:
        return {"Order": Order}[reference.name]

    async def bury(
        self, *ids: str | None, queue: str = "orders", body: Any = None, ago_s: float = 0.0, **headers: Any
    ) -> None:
        """Letters as a worker leaves them; `ago_s`: how long ago they died."""
        for each in ids:
            content = {"order_id": each or "none"} if body is None else body
            message = Message(
                content if isinstance(content, bytes) else json.dumps(content).encode(),
                message_id=each,
                headers={
                    MESSAGE_NAME: "order.placed",
                    ORIGINAL_EXCHANGE: "events",
                    ORIGINAL_ROUTING_KEY: "order.placed",
                    ATTEMPT: 4,
                    ERROR_CODE: "TIMEOUT",
                    ERROR_CLASS: "TimeoutError",
                    ERROR_MESSAGE: "took too long",
                    ERROR_STAGE: "price",
                    FAILED_AT: _moment(NOW - ago_s),
                    **headers,
                },
            )
            await self.broker.publish("", f"{queue}.dlq", message)

    async def taken(self, queue: str) -> list[Message]:
        """What waits in a queue, by taking it all out."""
        found = []
        while delivery := await self.broker.get(queue):
            found.append(delivery.message)
            delivery.ack()
        return found

    async def ids(self, queue: str) -> list[str | None]:
        """Ids of what waits, by taking it all out."""
        return [message.message_id for message in await self.taken(queue)]


def _moment(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat()


@pytest.fixture
async def shop() -> AsyncIterator[Shop]:
    shop = Shop()
    await shop.broker.connect()
    yield shop
    await shop.broker.close()
