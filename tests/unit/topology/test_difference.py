"""Which stages a change of the file concerns."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest
import yaml

from pipeline.topology.difference import Difference, difference, needed_exchanges, needed_queues, revision
from pipeline.topology.model import Topology

FILE = yaml.safe_load("""
version: 1
name: shop
retries: {quick: {delays: [1s, 5s]}}
defaults: {stage: {retry: quick, timeout: 10s, concurrency: 4}}
exchanges:
  orders: {type: topic}
  answers: {type: topic}
queues:
  small: {bindings: [{source: orders, routing_key: small}]}
  large: {bindings: [{source: orders, routing_key: large}]}
messages:
  small: {model: "shop:Order", exchange: orders}
  large: {model: "shop:Order", exchange: orders}
  priced: {model: "shop:Priced", exchange: answers}
stages:
  one: {from: {small: [small]}, module: shop, run: [price], emits: [priced]}
  two: {from: {large: [large]}, module: shop, run: [price], emits: [priced], timeout: 1m}
""")


def changed(edit: Callable[[dict[str, Any]], Any]) -> Difference:
    document = copy.deepcopy(FILE)
    edit(document)
    return difference(Topology.model_validate(FILE), Topology.model_validate(document))


def put(*path: str, value: Any) -> Callable[[dict[str, Any]], None]:
    def edit(document: dict[str, Any]) -> None:
        for key in path[:-1]:
            document = document[key]
        document[path[-1]] = value

    return edit


@pytest.mark.parametrize(
    ("edit", "concerned"),
    [
        (put("stages", "one", "run", value=["price", "price"]), ("one",)),
        (put("stages", "one", "concurrency", value=5), ("one",)),
        (put("stages", "one", "prefetch", value=5), ("one",)),
        (put("stages", "one", "timeout", value="11s"), ("one",)),
        (put("stages", "one", "options", value={"a": 1}), ("one",)),
        (put("stages", "two", "emits", value=[]), ("two",)),
        (put("queues", "small", "name", value="the.small"), ("one",)),
        (put("messages", "large", "model", value="shop:Other"), ("two",)),
        (put("messages", "priced", "model", value="shop:Other"), ("one", "two")),
        (put("defaults", "stage", "timeout", value="11s"), ("one",)),
        (put("defaults", "stage", "concurrency", value=5), ("one", "two")),
        # Looked up as a stage runs, or of the broker alone:
        (put("retries", "quick", "delays", value=["2s"]), ()),
        (put("messages", "priced", "exchange", value="orders"), ()),
        (put("messages", "small", "max_size", value="1MB"), ()),
        (put("queues", "small", "ttl", value="1h"), ()),
        (put("exchanges", "more", value={"type": "fanout"}), ()),
    ],
)
def test_a_change_concerns_the_stages_that_are_built_from_it(
    edit: Callable[[dict[str, Any]], None], concerned: tuple[str, ...]
) -> None:
    found = changed(edit)
    assert found.changed == concerned
    assert (found.added, found.removed) == ((), ())
    assert set(found.same) == {"one", "two"} - set(concerned)


def test_stages_come_and_go() -> None:
    def edit(document: dict[str, Any]) -> None:
        document["stages"]["three"] = document["stages"].pop("two")

    found = changed(edit)
    assert found == Difference(added=("three",), removed=("two",), changed=(), same=("one",))
    assert found
    assert not changed(lambda _: None)


def test_only_the_stages_that_a_worker_runs_are_looked_at() -> None:
    document = copy.deepcopy(FILE)
    document["stages"]["three"] = document["stages"].pop("two")
    found = difference(Topology.model_validate(FILE), Topology.model_validate(document), among={"one"})
    assert found == Difference(added=(), removed=(), changed=(), same=("one",))


def test_a_revision_is_of_what_is_said_and_not_of_how() -> None:
    backwards = {key: FILE[key] for key in reversed(FILE)}
    assert revision(Topology.model_validate(backwards)) == revision(Topology.model_validate(FILE))
    other = copy.deepcopy(FILE)
    other["queues"]["small"]["ttl"] = "1h"
    assert revision(Topology.model_validate(other)) != revision(Topology.model_validate(FILE))


def test_a_stage_needs_its_queue_its_dead_letters_and_its_tiers() -> None:
    needed = needed_queues(Topology.model_validate(FILE), "one")
    assert needed == ("small", "small.dlq", "shop.retry.1s", "shop.retry.5s")


def test_a_stage_publishes_to_what_it_emits_its_tiers_and_dead_letters() -> None:
    needed = needed_exchanges(Topology.model_validate(FILE), "one")
    assert needed == ("answers", "shop.retry.1s", "shop.retry.5s", "shop.dlx")
