"""Desired against observed. Pure: what the broker holds was asked before, what is to be done is done after."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from pipeline.provision.access import KINDS as ACCESS
from pipeline.provision.access import access_changes, access_of, risk_of_losing
from pipeline.provision.changes import Action, Change, Kind, Plan, Risk, identity_of, kind_of, name_of
from pipeline.provision.compare import (
    exchange_details,
    named,
    new_details,
    policy_details,
    policy_targets,
    queue_details,
)
from pipeline.provision.consequences import Publication, left_after, lost_routes
from pipeline.provision.definitions_json import Definition
from pipeline.provision.notes import notes_on
from pipeline.provision.observe import Observed
from pipeline.provision.ownership import Ownership
from pipeline.topology.definitions import BindingDefinition, Definitions, PolicyDefinition, QueueDefinition

_ACTIONS = list(Action)
_KINDS = list(Kind)


def plan(
    desired: Definitions,
    observed: Observed,
    owned: Ownership,
    *,
    published: Iterable[Publication] = (),
    prune: bool = False,
) -> Plan:
    """What would make the broker match, and what is not declared any more.

    - What is missing is created; a policy that differs is updated, and so are users, permissions and limits.
    - An exchange or a queue that exists with other attributes is shown as `replace`: a broker can't change them.
    - What the broker holds and the file does not declare is shown as `delete` if it is owned; otherwise it is
      somebody else's and not shown. Nor is what goes with it: bindings with a queue or an exchange, permissions
      and limits with a user.

    Each change says which routes it would lose, among the messages `published` (exchange and routing key) and the
    keys that bindings take; what is deleted is taken for gone, whether the plan is to `prune` or not.

    Laws: without owned objects, `plan(x, Observed(x), owned)` has no changes; after everything that `apply` does
    with a plan, the next one holds only its replacements and deletes.
    """
    changes = [
        *_exchange_changes(desired, observed),
        *_queue_changes(desired, observed),
        *_policy_changes(desired, observed),
        *_binding_changes(desired, observed),
        *(access_changes(desired, observed.definitions) if observed.access else ()),
        *_deletes(desired, observed, owned),
    ]
    going = {(change.kind, change.identity) for change in changes if change.action is Action.DELETE}
    lost = lost_routes(observed.definitions, left_after(desired, observed.definitions, going), published)
    changes = [replace(change, unrouted=lost.get((change.kind, change.identity), ())) for change in changes]
    there = {(kind_of(definition), identity_of(definition)) for definition in _all(observed.definitions)}
    return Plan(
        topology=owned.topology,
        vhost=owned.vhost,
        changes=tuple(sorted(changes, key=_order)),
        notes=notes_on(desired, observed, owned),
        vanished=frozenset(
            key for key in owned.objects if key not in there and (observed.access or key[0] not in ACCESS)
        ),
        prune=prune,
    )


def _order(change: Change) -> tuple[int, int, str, str]:
    return _ACTIONS.index(change.action), _KINDS.index(change.kind), change.name, change.identity


def _exchange_changes(desired: Definitions, observed: Observed) -> Iterator[Change]:
    there = {exchange.name: exchange for exchange in observed.definitions.exchanges}
    for after in desired.exchanges:
        before = there.get(after.name)
        if after.name.startswith("amq."):
            continue  # RabbitMQ's own: always there, not observed, and not to be declared.
        if before is None:
            details = new_details({"type": after.type, **after.arguments})
            yield Change(Action.CREATE, Kind.EXCHANGE, after.name, after, details)
        elif details := exchange_details(before, after):
            yield Change(Action.REPLACE, Kind.EXCHANGE, after.name, after, details, Risk.MIGRATE)


def _queue_changes(desired: Definitions, observed: Observed) -> Iterator[Change]:
    there = {queue.name: queue for queue in observed.definitions.queues}
    for after in desired.queues:
        before = there.get(after.name)
        if before is None:
            yield Change(Action.CREATE, Kind.QUEUE, after.name, after, new_details(after.arguments))
        elif details := queue_details(before, after):
            facts = _facts(observed, [after.name])
            yield Change(Action.REPLACE, Kind.QUEUE, after.name, after, details, Risk.MIGRATE, *facts)


def _policy_changes(desired: Definitions, observed: Observed) -> Iterator[Change]:
    there = {policy.name: policy for policy in observed.definitions.policies}
    objects = dict.fromkeys(named(observed.definitions))
    for after in desired.policies:
        before = there.get(after.name)
        details = policy_details(before, after)
        if before is not None and not details:
            continue
        targets = {*policy_targets(after, objects), *(policy_targets(before, objects) if before else ())}
        on_queues = sorted(name for kind, name in targets if kind is Kind.QUEUE)
        yield Change(
            Action.CREATE if before is None else Action.UPDATE,
            Kind.POLICY,
            after.name,
            after,
            details,
            _policy_risk(before, after, on_queues, observed) if targets else Risk.SAFE,
            *_facts(observed, on_queues),
        )


def _policy_risk(
    before: PolicyDefinition | None, after: PolicyDefinition, queues: Iterable[str], observed: Observed
) -> Risk:
    old = before.definition if before else {}
    depths = [facts.messages if (facts := observed.facts.get(queue)) else None for queue in queues]
    return Risk.DESTRUCTIVE if any(_may_drop(old, after.definition, depth) for depth in depths) else Risk.LIVE


def _may_drop(before: Mapping[str, Any], after: Mapping[str, Any], depth: int | None) -> bool:
    """Whether messages that wait in the queue may be lost.

    As tried on 3.10.8, with classic and quorum queues: a new message-ttl counts for messages that arrive from now
    on; a new limit drops from the head at once unless publishes were rejected before and are rejected after;
    what a limit drops is dead-lettered, and what is in a queue that `expires` is not.
    """
    if depth == 0:
        return False
    if _tighter(before, after, "expires"):
        return True
    dropping = "drop-head" in (before.get("overflow", "drop-head"), after.get("overflow", "drop-head"))
    if not dropping or "dead-letter-exchange" in after:
        return False
    too_long = _tighter(before, after, "max-length") and (depth is None or depth > after["max-length"])
    return too_long or _tighter(before, after, "max-length-bytes")


def _tighter(before: Mapping[str, Any], after: Mapping[str, Any], limit: str) -> bool:
    return limit in after and (limit not in before or after[limit] < before[limit])


def _binding_changes(desired: Definitions, observed: Observed) -> Iterator[Change]:
    there = {identity_of(binding) for binding in observed.definitions.bindings}
    queues = {queue.name for queue in observed.definitions.queues}
    exchanges = {exchange.name for exchange in observed.definitions.exchanges}
    for after in desired.bindings:
        if identity_of(after) in there:
            continue
        in_use = after.destination in (queues if after.destination_type == "queue" else exchanges)
        details = new_details(after.arguments)
        risk = Risk.LIVE if in_use else Risk.SAFE
        yield Change(Action.CREATE, Kind.BINDING, name_of(after), after, details, risk)


def _deletes(desired: Definitions, observed: Observed, owned: Ownership) -> Iterator[Change]:
    declared = {(kind_of(definition), identity_of(definition)) for definition in _all(desired)}
    going = {
        key: definition
        for definition in _all(observed.definitions)
        if (key := (kind_of(definition), identity_of(definition))) in owned.objects and key not in declared
    }
    for (kind, _), definition in going.items():
        risk, facts = Risk.LIVE, _facts(observed, [])
        if isinstance(definition, BindingDefinition):
            ends = ((Kind.EXCHANGE, definition.source), (Kind(definition.destination_type), definition.destination))
            if any(end in going for end in ends):
                continue
        elif kind in ACCESS:
            if (Kind.USER, getattr(definition, "user", None)) in going:
                continue
            risk = risk_of_losing(definition)
        elif isinstance(definition, QueueDefinition):
            facts = _facts(observed, [definition.name])
            risk = Risk.DESTRUCTIVE if facts[0] != 0 else Risk.LIVE if facts[1] != 0 else Risk.SAFE
        yield Change(Action.DELETE, kind, name_of(definition), definition, (), risk, *facts)


def _all(definitions: Definitions) -> Iterator[Definition]:
    yield from definitions.exchanges
    yield from definitions.queues
    yield from definitions.policies
    yield from definitions.bindings
    yield from access_of(definitions)


def _facts(observed: Observed, queues: Iterable[str]) -> tuple[int | None, int | None]:
    """Messages and consumers of several queues together; None where nothing is known."""
    known = [facts for queue in queues if (facts := observed.facts.get(queue))]
    messages = [facts.messages for facts in known if facts.messages is not None]
    consumers = [facts.consumers for facts in known if facts.consumers is not None]
    return sum(messages) if messages else None, sum(consumers) if consumers else None
