from __future__ import annotations

import re
from typing import Any

import pytest

from pipeline.topology.definitions import (
    BindingDefinition,
    Definitions,
    ExchangeDefinition,
    PolicyDefinition,
    QueueDefinition,
    exactly,
)
from pipeline.topology.expand import definitions_of
from pipeline.topology.model import Topology
from pipeline.topology.route import Router


def expanded(**sections: Any) -> Definitions:
    return definitions_of(Topology.model_validate({"version": 1, "name": "music", **sections}))


def queue(definitions: Definitions, name: str) -> QueueDefinition:
    return next(each for each in definitions.queues if each.name == name)


def policy(definitions: Definitions, name: str) -> PolicyDefinition:
    return next(each for each in definitions.policies if each.name == name)


STAGE = {"from": {"work": "do"}, "run": ["stages.work:do"]}


def test_queue_has_a_dead_letter_queue_unless_it_says_otherwise() -> None:
    definitions = expanded(queues={"work": {}, "logs": {"dead_letter": False}})
    assert [each.name for each in definitions.queues] == ["logs", "music.audit", "work", "work.dlq"]
    assert policy(definitions, "music.work").definition == {
        "dead-letter-exchange": "",
        "dead-letter-routing-key": "work.dlq",
    }
    assert [each.name for each in definitions.policies] == ["music.music.audit", "music.work"]


def test_default_without_dead_letters_makes_no_dead_letter_queue() -> None:
    definitions = expanded(
        defaults={"queue": {"dead_letter": False}}, queues={"work": {}, "kept": {"dead_letter": True}}
    )
    assert [each.name for each in definitions.queues] == ["kept", "kept.dlq", "music.audit", "work"]


def test_dead_letters_go_to_the_exchange_a_queue_names() -> None:
    definitions = expanded(
        exchanges={"graveyard": {"name": "broker.graveyard", "type": "topic"}},
        queues={"work": {"dead_letter": {"exchange": "graveyard", "routing_key": "dead.work"}}},
    )
    assert [each.name for each in definitions.queues] == ["work"]
    assert policy(definitions, "music.work").definition == {
        "dead-letter-exchange": "broker.graveyard",
        "dead-letter-routing-key": "dead.work",
    }


def test_what_can_change_is_in_one_policy_and_what_cannot_in_the_arguments() -> None:
    definitions = expanded(
        queues={
            "work": {
                "max_priority": 10,
                "ttl": "24h",
                "expires": "7d",
                "max_length": 100,
                "max_length_bytes": "1MiB",
                "overflow": "reject-publish",
                "arguments": {"x-single-active-consumer": True},
            }
        }
    )
    assert queue(definitions, "work").arguments == {"x-max-priority": 10, "x-single-active-consumer": True}
    assert policy(definitions, "music.work").definition == {
        "message-ttl": 86_400_000,
        "expires": 604_800_000,
        "max-length": 100,
        "max-length-bytes": 1_048_576,
        "overflow": "reject-publish",
        "dead-letter-exchange": "",
        "dead-letter-routing-key": "work.dlq",
    }


def test_quorum_queues_dead_letter_without_loss() -> None:
    definitions = expanded(
        defaults={"queue": {"type": "quorum"}},
        retries={"r": {"delays": ["5s"]}},
        queues={"work": {}, "scratch": {"type": "classic"}, "newest": {"overflow": "drop-head"}},
        stages={"s": {**STAGE, "retry": "r"}},
    )
    quorum = {"x-queue-type": "quorum"}
    assert {each.name: each.arguments for each in definitions.queues} == {
        "work": quorum,
        "work.dlq": quorum,
        "scratch": {},
        "scratch.dlq": {},
        "newest": quorum,
        "newest.dlq": quorum,
        "music.retry.5s": quorum,
        "music.audit": quorum,
    }
    at_least_once = {"dead-letter-strategy": "at-least-once", "overflow": "reject-publish"}
    assert policy(definitions, "music.work").definition.items() >= at_least_once.items()
    assert policy(definitions, "music.music.retry.5s").definition.items() >= at_least_once.items()
    assert "dead-letter-strategy" not in policy(definitions, "music.scratch").definition
    assert "dead-letter-strategy" not in policy(definitions, "music.newest").definition


def test_looking_at_dead_letters_of_quorum_queues_never_drops_them() -> None:
    definitions = expanded(queues={"work": {"type": "quorum"}, "scratch": {}})
    assert policy(definitions, "music.work.dlq").definition == {"delivery-limit": 2**31 - 1}
    assert "music.scratch.dlq" not in [each.name for each in definitions.policies]
    quorum = expanded(defaults={"queue": {"type": "quorum"}}, queues={"work": {}})
    assert policy(quorum, "music.music.audit").definition["delivery-limit"] == 2**31 - 1


def test_what_is_done_with_dead_letters_is_kept_for_a_while_in_a_queue_on_their_exchange() -> None:
    definitions = expanded(queues={"work": {}})
    assert queue(definitions, "music.audit").durable
    assert policy(definitions, "music.music.audit").definition == {
        "max-length": 10_000,
        "message-ttl": 90 * 86_400_000,
    }
    assert set(Router.of(definitions).route("music.dlx", "music.audit")) == {"music.audit"}
    without = expanded(queues={"work": {"dead_letter": False}})
    assert [each.name for each in without.queues] == ["work"]
    assert without.exchanges == ()


def test_each_delay_in_use_has_one_tier_that_returns_messages_to_their_queue() -> None:
    definitions = expanded(
        retries={"a": {"delays": ["5s", "90s"]}, "b": {"delays": ["1m30s"]}, "unused": {"delays": ["1h"]}},
        queues={"work": {}},
        stages={"one": {**STAGE, "retry": "a"}, "two": {**STAGE, "retry": "b"}},
    )
    tiers = ["music.retry.1m30s", "music.retry.5s"]
    waiting = [each for each in definitions.exchanges if each.name in tiers]
    assert [(each.name, each.type) for each in waiting] == [(name, "topic") for name in tiers]
    assert [each.name for each in definitions.queues] == ["music.audit", *tiers, "work", "work.dlq"]
    bound = tuple(each for each in definitions.bindings if each.source in tiers)
    assert bound == tuple(BindingDefinition(name, name, "queue", "#") for name in tiers)
    assert policy(definitions, "music.music.retry.1m30s").definition == {
        "message-ttl": 90_000,
        "dead-letter-exchange": "",
        "dead-letter-strategy": "at-least-once",
        "overflow": "reject-publish",
    }
    kinds = {each.name: each.arguments.get("x-queue-type") for each in definitions.queues}
    assert [kinds[name] for name in (*tiers, "work")] == ["quorum", "quorum", None]


def test_a_stage_without_retries_needs_no_tier() -> None:
    definitions = expanded(queues={"work": {}}, retries={"r": {"delays": ["5s"]}}, stages={"s": STAGE})
    assert not [each for each in definitions.exchanges if "retry" in each.name]


def test_workers_reach_dead_letter_queues_by_an_exchange() -> None:
    queues: dict[str, Any] = {"work": {}, "a.#": {}, "kept": {"dead_letter": False}, "outside": {"external": True}}
    stages = {"one": STAGE, "two": {**STAGE, "from": {"a.#": "do", "kept": "do"}}}
    definitions = expanded(queues=queues, stages=stages)
    assert definitions.exchanges == (
        ExchangeDefinition("music.dlx", "topic"),
        ExchangeDefinition("music.dlx.queues", "direct", internal=True),
    )
    router = Router.of(definitions)
    assert {each.name: set(router.route("music.dlx", each.name)) for each in definitions.queues} == {
        "a.#": set(),
        "a.#.dlq": {"a.#.dlq"},
        "kept": set(),
        "outside": set(),
        "music.audit": {"music.audit"},
        "outside.dlq": {"outside.dlq"},
        "work": set(),
        "work.dlq": {"work.dlq"},
    }


def test_bindings_name_what_is_on_the_broker_and_are_there_once() -> None:
    definitions = expanded(
        exchanges={
            "rename": {"name": "file_rename", "type": "topic"},
            "old": {"type": "fanout", "bindings": [{"destination": "rename", "routing_key": "#"}]},
        },
        queues={
            "asks": {
                "name": "file_rename.request",
                "bindings": [
                    {"source": "rename", "routing_key": ["rename.b", "rename.a"]},
                    {"source": "rename", "routing_key": "rename.a"},
                ],
            }
        },
    )
    declared = tuple(each for each in definitions.bindings if not each.source.startswith("music.dlx"))
    assert declared == (
        BindingDefinition("file_rename", "file_rename.request", "queue", "rename.a"),
        BindingDefinition("file_rename", "file_rename.request", "queue", "rename.b"),
        BindingDefinition("old", "file_rename", "exchange", "#"),
    )


def test_alternate_exchange_can_be_changed_while_the_exchange_is_in_use() -> None:
    definitions = expanded(
        exchanges={"events": {"type": "topic", "alternate": "lost"}, "lost": {"name": "lost.events", "type": "fanout"}}
    )
    assert definitions.policies == (
        PolicyDefinition("music:events", "^events$", {"alternate-exchange": "lost.events"}, "exchanges", 10),
    )
    assert all(not each.arguments for each in definitions.exchanges)


def test_policy_fits_its_own_queue_only() -> None:
    definitions = expanded(
        queues={"analysis.lifecycle.events": {}, "analysisXlifecycleXevents": {"dead_letter": False}}
    )
    found = policy(definitions, "music.analysis.lifecycle.events")
    assert found.pattern == r"^analysis\.lifecycle\.events$"
    assert found.matches("analysis.lifecycle.events")
    assert not found.matches("analysisXlifecycleXevents")
    assert not found.matches("my.analysis.lifecycle.events")


def test_order_in_the_file_makes_no_difference() -> None:
    queues: dict[str, Any] = {"b": {"ttl": "1h", "max_length": 5}, "a": {"ttl": "2h"}, "c": {}}
    backwards = dict(reversed(queues.items()))
    assert expanded(queues=queues) == expanded(queues=backwards)


@pytest.mark.parametrize("name", ["plain", "a.b", "a+b (c) [d]", "tab\tand space", "ü"])
def test_an_exact_pattern_tells_its_name(name: str) -> None:
    assert PolicyDefinition("p", exactly(name), {}).exact_name == name


@pytest.mark.parametrize("pattern", ["", "work", "^work", "^w.rk$", "^work.*$", r"^\d$", "^(work)$"])
def test_a_pattern_for_several_names_has_no_exact_name(pattern: str) -> None:
    assert re.compile(pattern)
    assert PolicyDefinition("p", pattern, {}).exact_name is None
