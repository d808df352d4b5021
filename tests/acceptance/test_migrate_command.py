"""`pipeline migrate`, and `apply` with what a broker can't change, as a user runs them beside a worker at work."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from pipeline.broker.rabbitmq import RabbitMQBroker
from pipeline.messages.message import Message
from tests.acceptance.commands import Commands, eventually

pytestmark = [pytest.mark.rabbitmq, pytest.mark.redis]

_ORDERS = 200
_SHOP = """
import asyncio

from pydantic import BaseModel


class Order(BaseModel):
    order_id: str


async def price(order: Order) -> Order:
    await asyncio.sleep(0.1)
    return order
"""
_TOPOLOGY = """
version: 1
name: shop
exchanges:
  orders: {type: topic}
queues:
  to_price: {QUEUE bindings: [{source: orders, routing_key: order.placed}]}
  priced: {bindings: [{source: orders, routing_key: order.priced}], external: true}
messages:
  order.placed: {model: "shop:Order", exchange: orders}
  order.priced: {model: "shop:Order", exchange: orders}
stages:
  price: {from: {to_price: [order.placed]}, module: shop, run: [price], concurrency: 4, emits: [order.priced]}
"""


def test_a_queue_is_made_anew_under_a_worker_that_goes_on(
    commands: Commands, servers: dict[str, str], tmp_path: Path
) -> None:
    folder = tmp_path / "shop_folder"
    folder.mkdir()
    file = folder / "topology.yaml"
    file.write_text(_TOPOLOGY.replace("QUEUE", ""))
    (folder / "shop.py").write_text(_SHOP)
    settings = {**servers, "PIPELINE_TOPOLOGY": str(file)}
    assert commands.run("apply", "--yes", **settings).returncode == 0
    commands.start("run", **settings)
    asyncio.run(_publish(settings["RABBITMQ_URL"]))
    file.write_text(_TOPOLOGY.replace("QUEUE", "max_priority: 5,"))

    left = commands.run("apply", "--yes", "--no-migrate", **settings)
    assert left.returncode == 3
    assert "1 left" in left.stdout
    status = commands.run("migrate", "--status", **settings)
    assert (status.returncode, status.stdout.strip()) == (0, "No migration is under way.")

    migrated = commands.run("migrate", "--yes", "--output", "json", **settings)
    assert migrated.returncode == 0, migrated.stderr
    (outcome,) = json.loads(migrated.stdout)["outcomes"]
    assert outcome["status"] == "done"
    assert "s without a consumer" in migrated.stdout
    assert " 0 moves" not in migrated.stdout
    assert commands.run("plan", **settings).returncode == 0
    assert json.loads(commands.run("migrate", "--status", "--output", "json", **settings).stdout) == []

    def all_priced() -> bool:
        return asyncio.run(_depths(settings["RABBITMQ_URL"])) == (0, _ORDERS, 0)

    eventually("every order is priced once", all_priced)


def test_nothing_to_migrate_is_said(commands: Commands, servers: dict[str, str]) -> None:
    assert commands.run("apply", "--yes", **servers).returncode == 0
    said = commands.run("migrate", "--yes", **servers)
    assert said.returncode == 0, said.stderr
    assert commands.run("migrate").returncode == 1
    assert "RABBITMQ_URL" in commands.run("migrate").stderr


async def _publish(url: str) -> None:
    broker = RabbitMQBroker(url)
    await broker.connect()
    for number in range(_ORDERS):
        message = Message(json.dumps({"order_id": str(number)}).encode(), message_id=f"order-{number}")
        await broker.publish("orders", "order.placed", message)
    await broker.close()


async def _depths(url: str) -> tuple[int, int, int]:
    broker = RabbitMQBroker(url)
    await broker.connect()
    waiting, priced, dead = [(await broker.depth(each)).messages for each in ("to_price", "priced", "to_price.dlq")]
    await broker.close()
    return waiting, priced, dead
