"""What a plan says about one difference at a time."""

from __future__ import annotations

from typing import Any

import pytest

from pipeline.errors import PipelineError
from pipeline.provision.changes import Action, Change, Detail, Kind, Plan, Risk, plan_from_json
from pipeline.provision.definitions_json import definitions_from_json
from pipeline.provision.observe import Observed, QueueFacts
from pipeline.provision.ownership import Ownership
from pipeline.provision.plan import plan
from pipeline.topology.definitions import (
    BindingDefinition,
    Definitions,
    ExchangeDefinition,
    PolicyDefinition,
    QueueDefinition,
)

_EVENTS = ExchangeDefinition("events", "topic")
_WORK = QueueDefinition("work", arguments={"x-max-priority": 5})
_BINDING = BindingDefinition("events", "work", "queue", "file.#")
_NOBODY = Ownership("tracktion")


def _policy(**definition: Any) -> PolicyDefinition:
    settings = {key.replace("_", "-"): value for key, value in definition.items()}
    return PolicyDefinition("tracktion:work", "^work$", settings)


def _one(desired: Definitions, observed: Observed, owned: Ownership = _NOBODY) -> Change:
    (change,) = plan(desired, observed, owned).changes
    return change


def _policy_change(before: PolicyDefinition, after: PolicyDefinition, messages: int | None) -> Change:
    observed = Observed(Definitions(queues=(_WORK,), policies=(before,)), {"work": QueueFacts(messages, 2, "running")})
    return _one(Definitions(queues=(_WORK,), policies=(after,)), observed)


def test_immutable_arguments_that_differ_are_a_replacement_with_depth_and_consumers() -> None:
    observed = Observed(Definitions(queues=(_WORK,)), {"work": QueueFacts(1204, 2, "running")})
    wanted = QueueDefinition("work", arguments={"x-max-priority": 10, "x-queue-type": "classic"})
    change = _one(Definitions(queues=(wanted,)), observed)
    assert (change.action, change.risk) == (Action.REPLACE, Risk.MIGRATE)
    assert change.details == (Detail("x-max-priority", 5, 10),)
    assert (change.messages, change.consumers) == (1204, 2)


@pytest.mark.parametrize(
    ("wanted", "details"),
    [
        (QueueDefinition("work", durable=False), (Detail("durable", True, False), Detail("x-max-priority", 5, None))),
        (
            QueueDefinition("work", arguments={"x-max-priority": 5, "x-queue-type": "quorum"}),
            (Detail("x-queue-type", None, "quorum"),),
        ),
        (QueueDefinition("work", arguments={"x-max-priority": True}), (Detail("x-max-priority", 5, True),)),
    ],
)
def test_every_attribute_of_a_queue_is_compared(wanted: QueueDefinition, details: tuple[Detail, ...]) -> None:
    assert _one(Definitions(queues=(wanted,)), Observed(Definitions(queues=(_WORK,)))).details == details


def test_an_exchange_of_another_type_is_a_replacement() -> None:
    wanted = ExchangeDefinition("events", "direct", arguments={"alternate-exchange": "lost"})
    change = _one(Definitions(exchanges=(wanted,)), Observed(Definitions(exchanges=(_EVENTS,))))
    assert (change.action, change.kind) == (Action.REPLACE, Kind.EXCHANGE)
    assert change.details == (Detail("type", "topic", "direct"), Detail("alternate-exchange", None, "lost"))


def test_an_explicit_classic_queue_type_is_no_difference() -> None:
    explicit = QueueDefinition("work", arguments={"x-max-priority": 5, "x-queue-type": "classic"})
    assert not plan(Definitions(queues=(_WORK,)), Observed(Definitions(queues=(explicit,))), _NOBODY).changes


def test_exchanges_of_rabbitmq_itself_are_never_declared() -> None:
    wanted = Definitions(
        exchanges=(ExchangeDefinition("amq.topic", "topic"),),
        bindings=(BindingDefinition("amq.topic", "q", "queue", ""),),
    )
    assert [change.kind for change in plan(wanted, Observed(Definitions()), _NOBODY).changes] == [Kind.BINDING]


def test_a_new_binding_is_live_only_where_its_queue_is_there() -> None:
    desired = Definitions(exchanges=(_EVENTS,), queues=(_WORK,), bindings=(_BINDING,))
    fresh = plan(desired, Observed(Definitions()), _NOBODY)
    assert {change.risk for change in fresh.changes} == {Risk.SAFE}
    there = Observed(Definitions(exchanges=(_EVENTS,), queues=(_WORK,)))
    assert _one(desired, there).risk is Risk.LIVE


@pytest.mark.parametrize(
    ("before", "after", "messages", "risk"),
    [
        (_policy(message_ttl=60_000), _policy(message_ttl=86_400_000), 9, Risk.LIVE),
        (_policy(message_ttl=86_400_000), _policy(message_ttl=60_000), 9, Risk.LIVE),
        (_policy(max_length=100), _policy(max_length=8), None, Risk.DESTRUCTIVE),
        (_policy(max_length=100), _policy(max_length=8), 0, Risk.LIVE),
        (
            _policy(max_length=100),
            _policy(max_length=8, dead_letter_exchange="", dead_letter_routing_key="work.dlq"),
            9,
            Risk.LIVE,
        ),
        (_policy(max_length=100), _policy(max_length=10), 9, Risk.LIVE),
        (_policy(max_length=100), _policy(max_length=8), 9, Risk.DESTRUCTIVE),
        (_policy(max_length=100), _policy(max_length=8, overflow="reject-publish"), 9, Risk.DESTRUCTIVE),
        (
            _policy(max_length=100, overflow="reject-publish"),
            _policy(max_length=8, overflow="reject-publish"),
            9,
            Risk.LIVE,
        ),
        (_policy(max_length=100), _policy(max_length=100, max_length_bytes=1000), 9, Risk.DESTRUCTIVE),
        (_policy(max_length=9), _policy(max_length=9, expires=1000), 9, Risk.DESTRUCTIVE),
        (_policy(expires=1000), _policy(expires=900, dead_letter_exchange=""), 9, Risk.DESTRUCTIVE),
        (_policy(expires=1000), _policy(expires=2000), 9, Risk.LIVE),
    ],
)
def test_a_policy_change_is_destructive_where_waiting_messages_may_be_dropped(
    before: PolicyDefinition, after: PolicyDefinition, messages: int | None, risk: Risk
) -> None:
    change = _policy_change(before, after, messages)
    assert (change.action, change.risk, change.messages, change.consumers) == (Action.UPDATE, risk, messages, 2)


def test_a_policy_for_a_queue_that_is_not_there_yet_is_safe() -> None:
    desired = Definitions(queues=(_WORK,), policies=(_policy(message_ttl=1),))
    assert {change.risk for change in plan(desired, Observed(Definitions()), _NOBODY).changes} == {Risk.SAFE}


def test_what_is_not_declared_any_more_is_shown_only_where_it_is_owned() -> None:
    observed = Observed(Definitions(exchanges=(_EVENTS, ExchangeDefinition("foreign", "fanout"))))
    owned = _NOBODY.having([_EVENTS])
    result = plan(Definitions(), observed, owned)
    assert [(change.action, change.name) for change in result.changes] == [(Action.DELETE, "events")]
    assert not result.pending
    assert result.exit_code == 0


def test_a_deleted_queue_takes_its_bindings_along_unlisted() -> None:
    there = Definitions(exchanges=(_EVENTS,), queues=(_WORK,), bindings=(_BINDING,))
    everything = _NOBODY.having([_WORK, _EVENTS, _BINDING])
    kept = plan(Definitions(exchanges=(_EVENTS,)), Observed(there), everything)
    assert [(change.kind, change.name) for change in kept.changes] == [(Kind.QUEUE, "work")]
    unbound = plan(Definitions(exchanges=(_EVENTS,), queues=(_WORK,)), Observed(there), everything)
    assert [(change.kind, change.name) for change in unbound.changes] == [(Kind.BINDING, "events → work file.#")]


@pytest.mark.parametrize(
    ("facts", "risk"),
    [
        (QueueFacts(3, 0), Risk.DESTRUCTIVE),
        (QueueFacts(None, 0), Risk.DESTRUCTIVE),
        (QueueFacts(0, 1), Risk.LIVE),
        (QueueFacts(0, None), Risk.LIVE),
        (QueueFacts(0, 0), Risk.SAFE),
    ],
)
def test_deleting_a_queue_is_safe_only_when_known_to_be_empty_and_unconsumed(facts: QueueFacts, risk: Risk) -> None:
    observed = Observed(Definitions(queues=(_WORK,)), {"work": facts})
    assert _one(Definitions(), observed, _NOBODY.having([_WORK])).risk is risk


def test_a_replacement_keeps_the_plan_pending() -> None:
    wanted = Definitions(queues=(QueueDefinition("work"),))
    result = plan(wanted, Observed(Definitions(queues=(_WORK,))), _NOBODY)
    assert result.pending
    assert result.exit_code == 2


def test_owned_objects_that_somebody_deleted_are_reported_as_vanished() -> None:
    owned = _NOBODY.having([_WORK, QueueDefinition("gone")])
    result = plan(Definitions(queues=(_WORK,)), Observed(Definitions(queues=(_WORK,))), owned)
    assert result.vanished == {(Kind.QUEUE, "gone")}
    assert not result.changes


def _notes(*policies: PolicyDefinition, operator: tuple[PolicyDefinition, ...] = ()) -> tuple[str, ...]:
    ours = PolicyDefinition("tracktion:work", r"^work\.now$", {"message-ttl": 5}, priority=10)
    desired = Definitions(queues=(QueueDefinition("work.now"),), policies=(ours,))
    observed = Observed(Definitions(desired.exchanges, desired.queues, (), (ours, *policies)), {}, operator)
    return plan(desired, observed, _NOBODY).notes


@pytest.mark.parametrize(
    ("priority", "words"), [(11, "wins over ours on queue"), (10, "undefined"), (9, "does not hold on queue")]
)
def test_an_operators_policy_on_our_queue_is_noted(priority: int, words: str) -> None:
    (note,) = _notes(PolicyDefinition("ha", "^work", {"ha-mode": "all"}, "all", priority))
    assert '"ha"' in note
    assert '"work.now"' in note
    assert words in note


def test_a_policy_that_touches_nothing_of_ours_is_not_noted() -> None:
    assert (
        _notes(
            PolicyDefinition("other", "^other$", {"max-length": 1}, "queues", 99),
            PolicyDefinition("exchanges", ".*", {"alternate-exchange": "x"}, "exchanges", 99),
            PolicyDefinition("one letter for the dot", "^work$", {"max-length": 1}, "queues", 99),
        )
        == ()
    )


def test_a_policy_pattern_that_is_not_understood_is_noted() -> None:
    (note,) = _notes(PolicyDefinition("odd", "work(?i)|((", {"max-length": 1}, "queues", 99))
    assert "not understood" in note


def test_an_operator_policy_is_noted_with_its_limits() -> None:
    (note,) = _notes(operator=(PolicyDefinition("cap", ".*", {"max-length": 7}),))
    assert '"cap" (max-length 7)' in note


def test_a_queue_whose_node_is_down_is_noted() -> None:
    observed = Observed(Definitions(queues=(_WORK,)), {"work": QueueFacts(None, None, "down")})
    assert plan(Definitions(queues=(_WORK,)), observed, _NOBODY).notes == (
        'The queue "work" is down: changes to it may be refused until its node is back',
    )


def test_an_unreadable_record_of_ownership_is_noted() -> None:
    unknown = Ownership("tracktion", known=False)
    (note,) = plan(Definitions(), Observed(Definitions()), unknown).notes
    assert "policymaker" in note


@pytest.mark.parametrize(
    "document", [{}, {"topology": "t", "vhost": "/", "changes": [{}], "notes": [], "vanished": []}]
)
def test_something_that_is_no_plan_is_refused(document: dict[str, Any]) -> None:
    with pytest.raises(PipelineError, match="Not a plan"):
        plan_from_json(document, where="p.json")


@pytest.mark.parametrize(
    ("document", "place"),
    [
        ({"queues": [{"durable": True}]}, "name"),
        ({"queues": ["work"]}, "0"),
        ({"exchanges": {"name": "e"}}, "type"),
        ({"policies": [{"name": "p", "pattern": "x"}]}, "definition"),
        ({"bindings": [{"source": 3, "destination": "q"}]}, "source"),
    ],
)
def test_definitions_of_another_form_are_refused_with_their_place(document: dict[str, Any], place: str) -> None:
    with pytest.raises(PipelineError, match=place):
        definitions_from_json(document, where="definitions.json")


def test_a_plan_of_nothing_is_empty() -> None:
    assert plan(Definitions(), Observed(Definitions()), _NOBODY) == Plan("tracktion", "/")
