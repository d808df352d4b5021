"""Keyed ordering with several workers on a real RabbitMQ and Redis: messages are retried, workers come and go."""

from __future__ import annotations

import importlib
from collections import defaultdict
from typing import Any
from urllib.parse import urlsplit

import pytest

from pipeline.servers.tcp_proxy import tcp_proxy
from tests.shop import TOPOLOGY, Shop, eventually

pytestmark = [pytest.mark.rabbitmq, pytest.mark.redis]

_KEYS = [f"recording {number}" for number in range(12)]
_EACH = 25


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipeline.runtime.shares._EVERY_S", 0.2)
    monkeypatch.setattr("pipeline.runtime.shares._HEARD_FROM_S", 1.0)


async def opened(shop: Shop, **stage: Any) -> Any:
    """The module of steps, once the topology is declared."""
    orders = {**TOPOLOGY["queues"]["orders"], "max_priority": None}
    shop.declared = {**TOPOLOGY, "queues": {**TOPOLOGY["queues"], "orders": orders}}
    await shop.open("note", order_by="recording_id", emits=[], concurrency=8, **stage)
    return importlib.import_module("shop_steps")


async def publish_all(shop: Shop) -> None:
    for number in range(_EACH):
        for key in _KEYS:
            await shop.publish({"number": number, "recording_id": key}, id=f"{key} {number}")


def in_order(done: list[tuple[str, int]]) -> bool:
    """Whether each key's first completions came in the order they were published."""
    by_key: defaultdict[str, list[int]] = defaultdict(list)
    for key, number in done:
        if number not in by_key[key]:
            by_key[key].append(number)
    return all(numbers == sorted(numbers) for numbers in by_key.values())


async def all_done(shop: Shop, steps: Any) -> None:
    await eventually(lambda: len(set(steps.DONE)) == len(_KEYS) * _EACH)
    assert in_order(steps.DONE)
    assert sorted(set(steps.DONE)) == sorted(steps.DONE), "each ran to its end once"
    await shop.stop()
    for queue in shop.topology.queue_names("orders"):
        assert await shop.depth(queue) == 0
        assert await shop.state.turns.waiting(queue) == {}


@pytest.mark.parametrize(
    "stage",
    [{}, {"partitions": 4}, {"partitions": 4, "hashing": "exchange"}],
    ids=["one queue", "partitions", "consistent-hash exchange"],
)
async def test_order_survives_retries_among_several_workers(shop: Shop, stage: dict[str, Any]) -> None:
    steps = await opened(shop, **stage)
    for _ in range(3):
        await shop.start()
    await publish_all(shop)
    await all_done(shop, steps)


async def test_order_survives_workers_that_come_and_go(shop: Shop) -> None:
    steps = await opened(shop, partitions=4)
    await shop.start()
    await publish_all(shop)
    for count in (60, 120, 180):
        await eventually(lambda count=count: len(steps.DONE) >= count)
        await shop.start()
        worker, task, broker, state = shop.workers.pop(0)
        await worker.stop(10)
        await task
        await broker.close()
        await state.close()
    await all_done(shop, steps)


async def test_order_survives_lost_connections(shop: Shop) -> None:
    steps = await opened(shop, partitions=2)
    parts = urlsplit(shop.amqp_url)
    async with tcp_proxy(parts.hostname or "", parts.port or 5672) as proxy:
        way = shop.amqp_url.replace(f"{parts.hostname}:{parts.port}", f"127.0.0.1:{proxy.port}")
        await shop.start(way)
        await shop.start(way)
        await publish_all(shop)
        for count in (50, 150, 250):
            await eventually(lambda count=count: len(set(steps.DONE)) >= count)
            proxy.reset()
        await eventually(lambda: len(set(steps.DONE)) == len(_KEYS) * _EACH)
        assert in_order(steps.DONE)
        await shop.stop()


async def test_partitions_are_worked_on_by_all_workers(shop: Shop) -> None:
    await opened(shop, partitions=4)
    workers = [await shop.start() for _ in range(2)]

    async def both_have_some() -> bool:
        for key in _KEYS:
            await shop.publish({"number": 0, "recording_id": key})
        return all(worker.held for worker in workers)

    await eventually(both_have_some)
