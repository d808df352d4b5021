"""A plan as a user reads it."""

from __future__ import annotations

import json

from pipeline.provision.changes import Action, Change, Detail, Kind, Plan, Risk
from pipeline.provision.outcomes import Applied, Outcome, Status
from pipeline.provision.render import applied_to_json, render, render_applied
from pipeline.topology.definitions import BindingDefinition, ExchangeDefinition, PolicyDefinition, QueueDefinition

_QUEUE = QueueDefinition("q")
_POLICY = PolicyDefinition("p", "^q$", {})


def _plan(*changes: Change, notes: tuple[str, ...] = ()) -> Plan:
    return Plan("tracktion", "/", changes, notes)


def test_a_plan_reads_as_aligned_columns_with_risk_depth_and_summary() -> None:
    shown = render(
        _plan(
            Change(Action.CREATE, Kind.QUEUE, "file.events.catalog", _QUEUE),
            Change(
                Action.UPDATE,
                Kind.POLICY,
                "file.events.catalog",
                _POLICY,
                (Detail("message-ttl", 60000, 86400000),),
                Risk.LIVE,
            ),
            Change(
                Action.REPLACE,
                Kind.QUEUE,
                "analysis_queue",
                _QUEUE,
                (Detail("x-max-priority", 5, 10),),
                Risk.MIGRATE,
                1204,
                2,
            ),
            Change(
                Action.DELETE, Kind.EXCHANGE, "old.events", ExchangeDefinition("old.events", "topic"), (), Risk.LIVE
            ),
        )
    )
    assert shown.split("\n") == [
        "+ queue     file.events.catalog",
        "~ policy    file.events.catalog   message-ttl 60000 → 86400000 ms     live",
        "± queue     analysis_queue        x-max-priority 5 → 10 (immutable)   migrate · 1,204 messages · 2 consumers",
        "- exchange  old.events            not declared any more               needs --prune",
        "Plan: 1 create, 1 update, 1 migrate, 0 delete.",
        "1 can't be changed on a broker: apply makes it anew, keeping messages; --no-migrate leaves it.",
        "1 not declared any more: kept, since nothing is deleted without --prune.",
    ]


def test_an_empty_plan_says_that_the_broker_matches() -> None:
    assert render(_plan()) == "Plan: nothing to do, the broker matches."


def test_values_that_were_not_set_or_are_empty_are_readable() -> None:
    details = (
        Detail("dead-letter-exchange", None, ""),
        Detail("max-length-bytes", 1024, None),
        Detail("durable", True, False),
    )
    line = render(_plan(Change(Action.UPDATE, Kind.POLICY, "p", _POLICY, details, Risk.LIVE))).split("\n")[0]
    assert 'dead-letter-exchange (not set) → "", ' in line
    assert "max-length-bytes 1024 bytes → (not set), " in line
    assert "durable true → false" in line


def test_control_characters_of_the_broker_do_not_reach_the_terminal() -> None:
    hostile = QueueDefinition("a\x1b[2Jb\nc")
    change = Change(Action.CREATE, Kind.QUEUE, hostile.name, hostile, (Detail("x", None, "\x1b]0;t\x07"),))
    shown = render(_plan(change, notes=("note\r\x1b[1m",)))
    assert len(shown.split("\n")) == 3
    assert all(line.isprintable() for line in shown.split("\n"))


def test_a_long_binding_does_not_push_the_columns_of_the_others() -> None:
    name = "e" * 100
    binding = BindingDefinition(name, "q", "queue", "")
    shown = render(
        _plan(
            Change(Action.CREATE, Kind.BINDING, name, binding, (), Risk.LIVE),
            Change(Action.UPDATE, Kind.POLICY, "p", _POLICY, (Detail("message-ttl", 1, 2),), Risk.LIVE),
        )
    )
    assert shown.split("\n")[1].index("message-ttl") < 70


def test_what_an_apply_could_not_do_is_listed_with_its_reason() -> None:
    made = Change(Action.CREATE, Kind.QUEUE, "a", _QUEUE)
    refused = Change(Action.CREATE, Kind.QUEUE, "b\x1b", _QUEUE)
    applied = Applied(
        (
            Outcome(made, Status.DONE),
            Outcome(refused, Status.FAILED, "no\nway"),
            Outcome(made, Status.SKIPPED, "queue b"),
            Outcome(made, Status.LEFT, "only made anew"),
        ),
        notes=("a note",),
    )
    assert render_applied(applied).split("\n") == [
        "! queue b\\x1b: no\\nway",
        "! queue a: queue b",
        "! a note",
        "Applied: 1 done, 1 failed, 1 skipped, 1 left.",
    ]
    document = json.loads(json.dumps(applied_to_json(applied)))
    assert [outcome["status"] for outcome in document["outcomes"]] == ["done", "failed", "skipped", "left"]


def test_one_message_is_singular() -> None:
    change = Change(Action.DELETE, Kind.QUEUE, "q", _QUEUE, (), Risk.DESTRUCTIVE, 1, 0)
    assert render(_plan(change)).split("\n")[0].endswith("needs --prune · 1 message")
