"""Somebody else's pipeline: a topology, a model and a stage of a few lines, in a folder of their own."""

from __future__ import annotations

import json
from pathlib import Path

import httpx

from tests.acceptance.commands import Commands, eventually

TOPOLOGY = """
version: 1
name: shop
retries:
  quick: {delays: [100ms]}
defaults:
  stage: {retry: quick}
exchanges:
  orders: {type: topic}
queues:
  to_price: {bindings: [{source: orders, routing_key: order.placed}]}
  priced: {bindings: [{source: orders, routing_key: order.priced}], external: true}
messages:
  order.placed: {model: "shop:Order", exchange: orders}
  order.priced: {model: "shop:PricedOrder", exchange: orders}
stages:
  price:
    from: {to_price: [order.placed]}
    module: shop
    run: [known, price]
    emits: [order.priced]
"""

SHOP = """
from pydantic import BaseModel

from pipeline.errors import Permanent


class Order(BaseModel):
    order_id: str
    item: str
    count: int


class PricedOrder(Order):
    total: int


PRICES = {"record": 20, "sleeve": 1}


def known(order: Order) -> Order:
    if order.item not in PRICES:
        raise Permanent(f"No price for {order.item}", "UNKNOWN_ITEM")
    return order


def price(order: Order) -> PricedOrder:
    return PricedOrder(**order.model_dump(), total=order.count * PRICES[order.item])
"""


def test_a_stage_of_ones_own_runs_from_its_folder(commands: Commands, servers: dict[str, str], tmp_path: Path) -> None:
    folder = tmp_path / "shop_folder"
    folder.mkdir()
    (folder / "topology.yaml").write_text(TOPOLOGY)
    (folder / "shop.py").write_text(SHOP)
    settings = {**servers, "PIPELINE_TOPOLOGY": str(folder / "topology.yaml")}
    lint = commands.run("lint", **settings)
    assert lint.returncode == 0, lint.stdout
    assert lint.stdout.strip() == "no errors."
    assert commands.run("apply", "--yes", **settings).returncode == 0
    commands.start("run", **settings)
    for order in ({"order_id": "1", "item": "record", "count": 3}, {"order_id": "2", "item": "cassette", "count": 1}):
        assert commands.run("publish", "order.placed", json.dumps(order), **settings).returncode == 0

    def priced() -> list[dict[str, object]]:
        vhost = settings["RABBITMQ_URL"].rpartition("/")[2]
        url = f"{settings['RABBITMQ_MANAGEMENT_URL']}/api/queues/{vhost}/priced/get"
        wanted = {"count": 10, "ackmode": "ack_requeue_true", "encoding": "auto"}
        found: list[dict[str, object]] = httpx.post(url, json=wanted, timeout=10).json()
        return found

    (message,) = eventually("the order is priced", priced)
    assert json.loads(str(message["payload"])) == {"order_id": "1", "item": "record", "count": 3, "total": 60}

    def refused() -> list[dict[str, str]]:
        shown = commands.run("dlq", "show", "to_price", "--output", "json", **settings)
        letters: list[dict[str, str]] = json.loads(shown.stdout)["items"]
        return letters

    (letter,) = eventually("the other one is refused", refused)
    assert letter["error_code"] == "UNKNOWN_ITEM"
    assert letter["error_message"] == "No price for cassette"
