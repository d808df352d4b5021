"""What holds for every topology and every broker."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.provision.access import KINDS as ACCESS
from pipeline.provision.access import access_of
from pipeline.provision.changes import (
    SECTIONS,
    Action,
    Change,
    Kind,
    Plan,
    identity_of,
    kind_of,
    plan_from_json,
    plan_to_json,
)
from pipeline.provision.definitions_json import Definition, definitions_from_json, definitions_to_json
from pipeline.provision.observe import Observed, QueueFacts
from pipeline.provision.ownership import Ownership
from pipeline.provision.plan import plan
from pipeline.provision.render import render
from pipeline.topology.definitions import (
    BindingDefinition,
    Definitions,
    ExchangeDefinition,
    PermissionDefinition,
    PolicyDefinition,
    QueueDefinition,
    TopicPermissionDefinition,
    UserDefinition,
    UserLimitDefinition,
    VhostLimitDefinition,
)
from pipeline.topology.patterns import pattern_of

# Few names, so that what is desired and what is observed meet.
_NAMES = st.sampled_from(["a", "b", "c.d", "é f", "x/y%", "amq_not"])
_VALUES = st.one_of(st.integers(0, 3), st.booleans(), st.sampled_from(["", "a", "quorum", "classic"]))
_ARGUMENTS = st.dictionaries(st.sampled_from(["x-max-priority", "x-queue-type", "z"]), _VALUES, max_size=2)
_SETTINGS = st.dictionaries(
    st.sampled_from(["message-ttl", "max-length", "max-length-bytes", "expires"]), st.integers(1, 4), max_size=3
) | st.just({"dead-letter-exchange": "", "overflow": "reject-publish"})

_EXCHANGES = st.builds(
    ExchangeDefinition,
    name=_NAMES,
    type=st.sampled_from(["topic", "direct"]),
    durable=st.booleans(),
    arguments=_ARGUMENTS,
)
_QUEUES = st.builds(QueueDefinition, name=_NAMES, durable=st.booleans(), arguments=_ARGUMENTS)
_BINDINGS = st.builds(
    BindingDefinition,
    source=_NAMES,
    destination=_NAMES,
    destination_type=st.sampled_from(["queue", "exchange"]),
    routing_key=st.sampled_from(["", "#", "a.*"]),
    arguments=_ARGUMENTS,
)
_POLICIES = st.builds(
    PolicyDefinition,
    name=_NAMES,
    pattern=st.sampled_from(["^a$", r"^c\.d$", "^(a|b)$", "", "((", "."]),
    definition=_SETTINGS,
    apply_to=st.sampled_from(["queues", "exchanges", "all"]),
    priority=st.integers(0, 2),
)


_USERS = st.builds(
    UserDefinition,
    name=_NAMES,
    tags=st.sampled_from([(), ("management",), ("management", "policymaker")]),
    password_hash=st.sampled_from(["aaaa", "bbbb"]),
)
_PATTERNS = st.sampled_from(["^$", "", ".*", "(("]) | st.sets(_NAMES, max_size=3).map(pattern_of)
_PERMISSIONS = st.builds(PermissionDefinition, user=_NAMES, configure=_PATTERNS, write=_PATTERNS, read=_PATTERNS)
_TOPIC_PERMISSIONS = st.builds(TopicPermissionDefinition, user=_NAMES, exchange=_NAMES, write=_PATTERNS, read=_PATTERNS)
_LIMITS = st.sampled_from(["max-connections", "max-channels"])
_USER_LIMITS = st.builds(UserLimitDefinition, user=_NAMES, name=_LIMITS, value=st.integers(0, 3))
_VHOST_LIMITS = st.builds(VhostLimitDefinition, name=_LIMITS, value=st.integers(0, 3))


def _several(each: st.SearchStrategy[Any]) -> st.SearchStrategy[tuple[Any, ...]]:
    return st.lists(each, max_size=4, unique_by=identity_of).map(lambda found: tuple(sorted(found, key=identity_of)))


_DEFINITIONS = st.builds(
    Definitions,
    exchanges=_several(_EXCHANGES),
    queues=_several(_QUEUES),
    bindings=_several(_BINDINGS),
    policies=_several(_POLICIES),
    users=_several(_USERS),
    permissions=_several(_PERMISSIONS),
    topic_permissions=_several(_TOPIC_PERMISSIONS),
    user_limits=_several(_USER_LIMITS),
    vhost_limits=_several(_VHOST_LIMITS),
)
_FACTS = st.builds(
    QueueFacts,
    messages=st.none() | st.integers(0, 5),
    consumers=st.none() | st.integers(0, 2),
    state=st.sampled_from(["running", "down", ""]),
)
_OBSERVED = st.builds(
    Observed,
    definitions=_DEFINITIONS,
    facts=st.dictionaries(_NAMES, _FACTS, max_size=4),
    operator_policies=_several(_POLICIES),
    access=st.just(True),
)


def _all(definitions: Definitions) -> list[Definition]:
    named = [*definitions.exchanges, *definitions.queues, *definitions.policies, *definitions.bindings]
    return [*named, *access_of(definitions)]


@st.composite
def _owned(draw: st.DrawFn, observed: Observed) -> Ownership:
    objects = [(kind_of(each), identity_of(each)) for each in _all(observed.definitions)]
    mine = draw(st.sets(st.sampled_from(objects))) if objects else set()
    gone = draw(st.sets(st.tuples(st.sampled_from(Kind), st.just("gone")), max_size=2))
    return Ownership("tracktion", "/", frozenset(mine | gone), known=draw(st.booleans()))


def _applied(made: Plan, definitions: Definitions) -> Definitions:
    """The broker after everything that `apply` does with the plan, kept in memory."""
    by_key = {(kind_of(each), identity_of(each)): each for each in _all(definitions)}
    for change in made.changes:
        if change.action in (Action.CREATE, Action.UPDATE):
            by_key[change.kind, change.identity] = change.definition
    kept: dict[str, list[Any]] = {section: [] for section in SECTIONS.values()}
    for (kind, _), definition in by_key.items():
        kept[SECTIONS[kind]].append(definition)
    return Definitions(**{name: tuple(each) for name, each in kept.items()})


def _without_password(change: Change) -> Change:
    if not isinstance(change.definition, UserDefinition):
        return change
    return replace(change, definition=replace(change.definition, password_hash=None))


@settings(max_examples=100, deadline=None)
@given(_DEFINITIONS, _OBSERVED, st.data())
def test_who_may_not_see_users_changes_none_and_forgets_none(
    desired: Definitions, observed: Observed, data: st.DataObject
) -> None:
    owned = data.draw(_owned(observed))
    made = plan(desired, Observed(observed.definitions.without_access(), observed.facts), owned)
    assert not [change for change in made.changes if change.kind in ACCESS]
    assert not [kind for kind, _ in made.vanished if kind in ACCESS]


@settings(max_examples=100, deadline=None)
@given(_OBSERVED, st.data())
def test_plan_is_empty_when_the_broker_matches(observed: Observed, data: st.DataObject) -> None:
    owned = data.draw(_owned(observed))
    result = plan(observed.definitions, observed, owned)
    assert result.changes == ()
    assert not result.pending
    assert result.exit_code == 0


@settings(max_examples=100, deadline=None)
@given(_DEFINITIONS, _OBSERVED, st.data())
def test_after_a_plan_is_applied_only_replacements_and_deletes_are_left(
    desired: Definitions, observed: Observed, data: st.DataObject
) -> None:
    owned = data.draw(_owned(observed))
    first = plan(desired, observed, owned)
    second = plan(desired, Observed(_applied(first, observed.definitions), observed.facts, access=True), owned)
    left = [change for change in first.changes if change.action in (Action.REPLACE, Action.DELETE)]
    assert [(c.action, c.kind, c.identity) for c in second.changes] == [(c.action, c.kind, c.identity) for c in left]


@settings(max_examples=100, deadline=None)
@given(_DEFINITIONS)
def test_a_plan_for_an_empty_broker_makes_everything_and_applying_it_leaves_nothing(desired: Definitions) -> None:
    first = plan(desired, Observed(Definitions(), access=True), Ownership("tracktion"))
    assert {(c.kind, c.identity) for c in first.changes} == {(kind_of(d), identity_of(d)) for d in _all(desired)}
    assert plan(desired, Observed(_applied(first, Definitions()), access=True), Ownership("tracktion")).changes == ()


@settings(max_examples=100, deadline=None)
@given(_DEFINITIONS, _OBSERVED, st.data())
def test_only_owned_objects_are_ever_planned_for_deletion(
    desired: Definitions, observed: Observed, data: st.DataObject
) -> None:
    owned = data.draw(_owned(observed))
    for change in plan(desired, observed, owned).changes:
        if change.action is Action.DELETE:
            assert (change.kind, change.identity) in owned.objects


@settings(max_examples=100, deadline=None)
@given(_DEFINITIONS, _OBSERVED, st.data())
def test_a_plan_survives_json_and_can_always_be_shown(
    desired: Definitions, observed: Observed, data: st.DataObject
) -> None:
    made = plan(desired, observed, data.draw(_owned(observed)))
    text = json.dumps(plan_to_json(made))
    assert "password_hash" not in text
    read = plan_from_json(json.loads(text))
    assert replace(read, changes=()) == replace(made, changes=())
    assert list(map(_without_password, read.changes)) == list(map(_without_password, made.changes))
    shown = render(made)
    assert all(line.isprintable() for line in shown.split("\n"))


@settings(max_examples=100, deadline=None)
@given(_DEFINITIONS)
def test_definitions_survive_json(definitions: Definitions) -> None:
    read = definitions_from_json(json.loads(json.dumps(definitions_to_json(definitions))))
    assert {(kind_of(d), identity_of(d)): d for d in _all(read)} == {
        (kind_of(d), identity_of(d)): d for d in _all(definitions)
    }
