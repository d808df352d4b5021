"""`pipeline run` goes over to a changed topology on a real RabbitMQ, while messages flow; the API tells of it."""

from __future__ import annotations

import asyncio
import json
import signal
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
import websockets

from pipeline.broker.rabbitmq import RabbitMQBroker
from pipeline.messages.message import Message
from tests.acceptance.commands import Commands, answers, eventually, fetch

pytestmark = [pytest.mark.rabbitmq, pytest.mark.redis]

_ORDERS_BEFORE, _ORDERS_LATER = 100, 50
_SHOP = """
import asyncio

from pydantic import BaseModel


class Order(BaseModel):
    order_id: str


class Priced(BaseModel):
    order_id: str
    by: str


async def price(order: Order) -> Priced:
    await asyncio.sleep(0.01)
    return Priced(order_id=order.order_id, by="price")


async def reprice(order: Order) -> Priced:
    return Priced(order_id=order.order_id, by="reprice")
"""
_TOPOLOGY = """
version: 1
name: shop
exchanges:
  orders: {type: topic}
queues:
  one: {bindings: [{source: orders, routing_key: one}]}
  two: {bindings: [{source: orders, routing_key: two}]}
  priced: {bindings: [{source: orders, routing_key: priced}], external: true}
messages:
  one: {model: "shop:Order", exchange: orders}
  two: {model: "shop:Order", exchange: orders}
  priced: {model: "shop:Priced", exchange: orders}
stages:
  first: {from: {one: [one]}, module: shop, run: [price], emits: [priced]}
  second: {from: {two: [two]}, module: shop, run: [price], emits: [priced]}
"""


class Shop:
    """A topology in a folder of its own, a worker and an API."""

    def __init__(self, commands: Commands, servers: dict[str, str], folder: Path) -> None:
        folder.mkdir()
        self.file = folder / "topology.yaml"
        self.write(_TOPOLOGY)
        (folder / "shop.py").write_text(_SHOP)
        self.commands = commands
        self.settings = {**servers, "PIPELINE_TOPOLOGY": str(self.file)}
        self.url = servers["RABBITMQ_URL"]
        assert commands.run("apply", "--yes", **self.settings).returncode == 0
        self.worker = commands.start("run", **self.settings)
        commands.start("api", **self.settings)
        eventually("ready", lambda: answers(f"{commands.api}/health/ready"))
        eventually("a worker", self.workers)

    def write(self, text: str) -> None:
        self.file.with_suffix(".new").write_text(text)
        self.file.with_suffix(".new").replace(self.file)

    def workers(self) -> list[dict[str, Any]]:
        return list(fetch(f"{self.commands.api}/v1/workers")["items"])

    def revision(self) -> str:
        (worker,) = self.workers()
        return str(worker["revision"])

    def consumer_tags(self, queue: str) -> set[str]:
        """Of the consumers, as the broker tells them."""
        vhost = self.url.rpartition("/")[2]
        rows = httpx.get(f"{self.settings['RABBITMQ_MANAGEMENT_URL']}/api/consumers/{vhost}", timeout=10).json()
        return {row["consumer_tag"] for row in rows if row["queue"]["name"] == queue}

    def tags_when_there(self, queue: str) -> set[str]:
        return eventually(f"a consumer of {queue}", lambda: self.consumer_tags(queue))


@pytest.fixture
def shop(commands: Commands, servers: dict[str, str], tmp_path: Path) -> Shop:
    return Shop(commands, servers, tmp_path / "shop_folder")


def test_only_the_stage_that_changed_is_begun_anew_and_no_order_is_lost(shop: Shop) -> None:
    before, first = shop.revision(), shop.tags_when_there("one")
    second = shop.tags_when_there("two")
    changed = _TOPOLOGY.replace(
        "{two: [two]}, module: shop, run: [price]", "{two: [two]}, module: shop, run: [reprice]"
    )
    numbers = asyncio.run(_orders_while(shop, before, lambda: shop.write(changed)))
    assert shop.revision() != before
    priced = asyncio.run(_priced(shop.url, 2 * numbers))
    assert Counter(order for order, _ in priced) == Counter(
        f"{queue}-{number}" for queue in ("one", "two") for number in range(numbers)
    )
    assert {by for order, by in priced if order.startswith("one-")} == {"price"}
    assert {by for order, by in priced if order.startswith("two-")} == {"price", "reprice"}
    assert shop.consumer_tags("one") == first, "it was not disturbed"
    eventually("a new consumer", lambda: shop.consumer_tags("two") - second)


def test_a_file_with_an_error_changes_nothing_and_says_where(shop: Shop) -> None:
    before = shop.revision()
    shop.write(_TOPOLOGY.replace("[one]}, module", "[none]}, module"))
    eventually("refused", lambda: shop.workers()[0]["refused"])
    assert shop.workers()[0]["refused"] == "topology.yaml:15:24: Unknown message"
    assert shop.revision() == before
    assert "topology.yaml:15:24" in shop.commands.log("run").read_text()
    shop.worker.send_signal(signal.SIGHUP)
    shop.write(_TOPOLOGY)
    eventually("nothing is refused any more", lambda: not shop.workers()[0]["refused"])
    assert shop.worker.poll() is None


def test_a_new_stage_waits_for_apply_and_a_stage_that_went_leaves_its_queue(shop: Shop) -> None:
    before = shop.revision()
    text = _TOPOLOGY.replace(
        "  priced: {bind", "  three: {bindings: [{source: orders, routing_key: three}]}\n  priced: {bind"
    )
    text = text.replace("  priced: {model", '  three: {model: "shop:Order", exchange: orders}\n  priced: {model')
    text = text.replace("  second: {from: {two: [two]}", "  third: {from: {three: [three]}")
    shop.write(text)
    eventually("told", lambda: "'three' is not declared" in shop.workers()[0]["refused"])
    assert shop.revision() == before
    asyncio.run(_told_after_apply(shop, before))
    assert shop.workers()[0]["stages"] == ["first", "third"]
    shop.tags_when_there("three")
    eventually("nobody takes from it any more", lambda: not shop.consumer_tags("two"))
    assert (
        f'pipeline_topology_info{{revision="{shop.revision()}"}} 1.0' in httpx.get(f"{shop.commands.api}/metrics").text
    )
    assert f'api_workers{{revision="{shop.revision()}"}} 1.0' in httpx.get(f"{shop.commands.api}/metrics").text
    assert httpx.get(f"{shop.commands.api}/v1/queues").text.count("three") >= 1


async def _orders_while(shop: Shop, before: str, change: Callable[[], None]) -> int:
    """Publish to both stages, change in the middle, and go on until that is in force; how many orders each has got."""
    broker = RabbitMQBroker(shop.url)
    await broker.connect()
    number, last = 0, _ORDERS_LATER
    in_force = False
    while number < last:
        if number == _ORDERS_BEFORE:
            change()
        for queue in ("one", "two"):
            body = json.dumps({"order_id": f"{queue}-{number}"}).encode()
            await broker.publish("orders", queue, Message(body, message_id=f"{queue}-{number}"))
        number += 1
        if not in_force:
            last = number + _ORDERS_LATER
            in_force = number > _ORDERS_BEFORE and number % 20 == 0 and await asyncio.to_thread(shop.revision) != before
        await asyncio.sleep(0.01)
    await broker.close()
    return number


async def _priced(url: str, expected: int) -> list[tuple[str, str]]:
    broker = RabbitMQBroker(url)
    await broker.connect()
    found: list[tuple[str, str]] = []
    async with asyncio.timeout(60):
        while len(found) < expected:
            delivery = await broker.get("priced")
            if delivery is None:
                await asyncio.sleep(0.05)
                continue
            delivery.ack()
            body = json.loads(delivery.message.body)
            found.append((body["order_id"], body["by"]))
    await asyncio.sleep(0.3)
    assert await broker.get("priced") is None
    await broker.close()
    return found


async def _told_after_apply(shop: Shop, before: str) -> None:
    """A dashboard's socket is told of another revision, once the broker has what it needs."""
    address = shop.commands.api.replace("http", "ws") + "/v1/ws"
    async with asyncio.timeout(60), websockets.connect(address) as socket:
        await socket.send('{"type": "subscribe", "recording_id": "*"}')
        applied = await asyncio.to_thread(shop.commands.run, "apply", "--yes", **shop.settings)
        assert applied.returncode == 0, applied.stderr
        while True:
            message = json.loads(await socket.recv())
            if message["type"] == "notice" and message["code"] == "topology":
                revision = await asyncio.to_thread(shop.revision)
                assert revision != before
                assert revision in message["message"]
                return
