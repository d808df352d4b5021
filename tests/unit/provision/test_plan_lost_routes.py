"""What a plan says would not arrive any more."""

from __future__ import annotations

from dataclasses import replace

from pipeline.provision.changes import Action, Change, Kind, LostRoute
from pipeline.provision.observe import Observed
from pipeline.provision.ownership import Ownership
from pipeline.provision.plan import plan
from pipeline.provision.render import render
from pipeline.topology.definitions import (
    BindingDefinition,
    Definitions,
    ExchangeDefinition,
    PolicyDefinition,
    QueueDefinition,
    exactly,
)

_FRONT, _EVENTS, _SPARE = (
    ExchangeDefinition("front", "topic"),
    ExchangeDefinition("events", "topic"),
    ExchangeDefinition("spare", "fanout"),
)
_WORK, _AUDIT = QueueDefinition("work"), QueueDefinition("audit")
_ON = BindingDefinition("front", "events", "exchange", "#")
_FILES = BindingDefinition("events", "work", "queue", "file.*")
_CREATED = BindingDefinition("events", "work", "queue", "file.created")
_SPARED = BindingDefinition("spare", "audit", "queue", "")
_ALTERNATE = PolicyDefinition("t:front", exactly("front"), {"alternate-exchange": "spare"}, "exchanges", 10)
_ALL = Definitions(
    exchanges=(_EVENTS, _FRONT, _SPARE),
    queues=(_AUDIT, _WORK),
    bindings=(_ON, _FILES, _SPARED),
    policies=(_ALTERNATE,),
)
_PUBLISHED = (("front", "file.created"), ("front", "tag.read"))


def _changes(desired: Definitions, before: Definitions = _ALL) -> dict[tuple[Action, Kind, str], Change]:
    everything = (*before.exchanges, *before.queues, *before.bindings, *before.policies)
    made = plan(desired, Observed(before), Ownership("t").having(everything), published=_PUBLISHED)
    return {(change.action, change.kind, change.name): change for change in made.changes}


def test_a_binding_that_goes_loses_the_messages_that_come_through_it() -> None:
    changes = _changes(replace(_ALL, bindings=(_ON, _SPARED)))
    assert changes[Action.DELETE, Kind.BINDING, "events → work file.*"].unrouted == (
        LostRoute("front", "file.created", "work", stranded=True),
    )


def test_nothing_is_lost_where_another_binding_leads_to_the_same_queue() -> None:
    both = replace(_ALL, bindings=(_ON, _FILES, _CREATED, _SPARED))
    changes = _changes(_ALL, both)
    assert changes[Action.DELETE, Kind.BINDING, "events → work file.created"].unrouted == ()


def test_a_binding_that_no_published_message_takes_is_told_by_its_pattern() -> None:
    odd = BindingDefinition("events", "audit", "queue", "odd.#")
    changes = _changes(_ALL, replace(_ALL, bindings=(*_ALL.bindings, odd)))
    assert changes[Action.DELETE, Kind.BINDING, "events → audit odd.#"].unrouted == (
        LostRoute("events", "odd.#", "audit", stranded=True),
    )


def test_a_queue_that_goes_loses_what_came_to_it_also_through_other_exchanges() -> None:
    changes = _changes(Definitions(_ALL.exchanges, (_AUDIT,), (_ON, _SPARED), _ALL.policies))
    assert changes[Action.DELETE, Kind.QUEUE, "work"].unrouted == (
        LostRoute("front", "file.created", "work", stranded=True),
    )


def test_an_exchange_of_another_type_loses_what_its_patterns_took() -> None:
    direct = replace(_EVENTS, type="direct")
    changes = _changes(replace(_ALL, exchanges=(direct, _FRONT, _SPARE)))
    assert changes[Action.REPLACE, Kind.EXCHANGE, "events"].unrouted == (
        LostRoute("front", "file.created", "work", stranded=True),
        LostRoute("events", "file.*", "work", stranded=True),
    )


def test_an_alternate_exchange_that_goes_strands_what_nothing_else_took() -> None:
    unbound = replace(_ALL, bindings=(_SPARED,))
    changes = _changes(replace(unbound, policies=()), unbound)
    assert changes[Action.DELETE, Kind.POLICY, "t:front"].unrouted == (
        LostRoute("front", "file.created", "audit", stranded=True),
        LostRoute("front", "tag.read", "audit", stranded=True),
    )


def test_a_message_that_goes_elsewhere_now_is_lost_to_its_queue_and_not_stranded() -> None:
    elsewhere = BindingDefinition("events", "audit", "queue", "file.created")
    changes = _changes(replace(_ALL, bindings=(_ON, elsewhere, _SPARED)))
    assert changes[Action.DELETE, Kind.BINDING, "events → work file.*"].unrouted == (
        LostRoute("front", "file.created", "work", stranded=False),
    )


def test_exchanges_of_plugins_and_patterns_of_erlang_are_no_obstacle() -> None:
    delayed = ExchangeDefinition("delayed", "x-delayed-message")
    house = PolicyDefinition("house", "(?<a>x", {"alternate-exchange": "spare"}, "exchanges", 1)
    into = BindingDefinition("delayed", "work", "queue", "a")
    before = replace(
        _ALL,
        exchanges=(delayed, *_ALL.exchanges),
        bindings=(*_ALL.bindings, into),
        policies=(*_ALL.policies, house),
    )
    changes = _changes(_ALL, before)
    assert changes[Action.DELETE, Kind.EXCHANGE, "delayed"].unrouted == ()


def test_the_text_says_under_the_change_what_is_lost() -> None:
    everything = (*_ALL.exchanges, *_ALL.queues, *_ALL.bindings, *_ALL.policies)
    made = plan(
        replace(_ALL, bindings=(_ON, _SPARED)), Observed(_ALL), Ownership("t").having(everything), published=_PUBLISHED
    )
    assert render(made).splitlines()[:2] == [
        "- binding   events → work file.*   not declared any more   needs --prune",
        "    no longer routed: front file.created → work, and reaches nothing else",
    ]
