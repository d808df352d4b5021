"""SIGHUP has a changed topology taken over where nobody watches the file; embedded engines need no `apply`."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Any

import httpx

from tests.acceptance.commands import Commands, answers, eventually, fetch

_STEPS = """
from pydantic import BaseModel


class Order(BaseModel):
    order_id: str


def price(order: Order) -> None:
    pass
"""
_TOPOLOGY = """
version: 1
name: shop
exchanges:
  orders: {type: topic}
queues:
  one: {bindings: [{source: orders, routing_key: one}]}
messages:
  one: {model: "orders_of_shop:Order", exchange: orders}
stages:
  first: {from: {one: [one]}, module: orders_of_shop, run: [price]}
"""
_LARGER = (
    _TOPOLOGY.replace("messages:", "  two: {bindings: [{source: orders, routing_key: two}]}\nmessages:").replace(
        "stages:", '  two: {model: "orders_of_shop:Order", exchange: orders}\nstages:'
    )
    + "  second: {from: {two: [two]}, module: orders_of_shop, run: [price]}\n"
)


def test_only_what_is_asked_for_is_taken_over_where_nobody_watches(commands: Commands, tmp_path: Path) -> None:
    file = tmp_path / "topology.yaml"
    file.write_text(_TOPOLOGY)
    (tmp_path / "orders_of_shop.py").write_text(_STEPS)
    process = commands.start("up", PIPELINE_TOPOLOGY=str(file), PIPELINE_RELOAD="false", COLUMNS="400")
    eventually("ready", lambda: answers(f"{commands.api}/health/ready"))

    def worker() -> dict[str, Any]:
        return next(iter(fetch(f"{commands.api}/v1/workers")["items"]), {})

    def refusals() -> int:
        lines = httpx.get(f"{commands.api}/metrics").text.splitlines()
        return sum(line.startswith('pipeline_topology_reloads_total{outcome="refused"} 1') for line in lines)

    before = eventually("a worker", worker)
    file.write_text(_TOPOLOGY.replace("run: [price]", "run: [prize]"))
    assert not refusals()
    process.send_signal(signal.SIGHUP)
    eventually("refused", lambda: worker()["refused"])
    assert refusals() == 1
    assert worker()["revision"] == before["revision"]
    assert "price" in commands.log("up").read_text().partition("fix")[2], "what it may have meant"
    file.write_text(_LARGER)
    process.send_signal(signal.SIGHUP)
    eventually("two stages", lambda: worker()["stages"] == ["first", "second"])
    after = worker()
    assert after["revision"] != before["revision"]
    assert after["in_force_since"] > before["in_force_since"]
    assert not after["refused"]
    assert {queue["name"] for queue in fetch(f"{commands.api}/v1/queues")["items"]} >= {"one", "two"}
    assert process.poll() is None
