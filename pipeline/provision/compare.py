"""Attribute by attribute: how two definitions of one object differ, and which policies bear on which objects."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

from pipeline.provision.changes import Detail, Kind
from pipeline.topology.definitions import Definitions, ExchangeDefinition, PolicyDefinition, QueueDefinition

_LITERAL = re.compile(r"\^((?:[^\\.^$*+?{}\[\]|()]|\\[^A-Za-z0-9])*)\$")
_APPLIES_TO = {
    Kind.QUEUE: frozenset({"all", "queues", "classic_queues", "quorum_queues", "streams"}),
    Kind.EXCHANGE: frozenset({"all", "exchanges"}),
}

Object = tuple[Kind, str]


def exchange_details(before: ExchangeDefinition, after: ExchangeDefinition) -> tuple[Detail, ...]:
    """What differs; nothing of an exchange can be changed on a broker."""
    return _attributes(before, after, ("type", "durable", "auto_delete", "internal")) + _entries(
        before.arguments, after.arguments
    )


def queue_details(before: QueueDefinition, after: QueueDefinition) -> tuple[Detail, ...]:
    """What differs; nothing of a queue can be changed on a broker."""
    return _attributes(before, after, ("durable", "auto_delete", "exclusive")) + _entries(
        _queue_arguments(before), _queue_arguments(after)
    )


def policy_details(before: PolicyDefinition | None, after: PolicyDefinition) -> tuple[Detail, ...]:
    """What differs, or all that is set where there is none before."""
    if before is None:
        return _entries({}, after.definition)
    return _entries(before.definition, after.definition) + _attributes(
        before, after, ("pattern", "apply_to", "priority")
    )


def new_details(after: Mapping[str, Any]) -> tuple[Detail, ...]:
    """What is set on something new."""
    return _entries({}, after)


def named(definitions: Definitions) -> tuple[Object, ...]:
    """The queues and exchanges that policies can bear on."""
    return (
        *((Kind.QUEUE, queue.name) for queue in definitions.queues),
        *((Kind.EXCHANGE, exchange.name) for exchange in definitions.exchanges),
    )


def policy_targets(policy: PolicyDefinition, objects: Mapping[Object, Any]) -> tuple[Object, ...]:
    """Those of the objects that the policy bears on, in order.

    One whose pattern only the broker's regular expressions understand bears on nothing here (see `understood`).
    One whose pattern is an escaped name costs a look-up, so that a policy for each queue stays linear.
    """
    kinds = [kind for kind, values in _APPLIES_TO.items() if policy.apply_to in values]
    literal = _literal(policy.pattern)
    if literal is not None:
        return tuple((kind, literal) for kind in kinds if (kind, literal) in objects)
    if not understood(policy):
        return ()
    pattern = re.compile(policy.pattern)
    return tuple((kind, name) for kind, name in objects if kind in kinds and pattern.search(name))


def understood(policy: PolicyDefinition) -> bool:
    """Whether Python's regular expressions can read the pattern, which is written for Erlang's."""
    try:
        re.compile(policy.pattern)
    except re.error:
        return False
    return True


def _literal(pattern: str) -> str | None:
    """The only name that an anchored, escaped pattern matches (`^a\\.b$`: `a.b`); None for any other pattern."""
    match = _LITERAL.fullmatch(pattern)
    return re.sub(r"\\(.)", r"\1", match[1], flags=re.DOTALL) if match else None


def _attributes(before: Any, after: Any, names: Iterable[str]) -> tuple[Detail, ...]:
    return tuple(
        Detail(name.replace("_", "-"), getattr(before, name), getattr(after, name))
        for name in names
        if getattr(before, name) != getattr(after, name)
    )


def _entries(before: Mapping[str, Any], after: Mapping[str, Any]) -> tuple[Detail, ...]:
    return tuple(
        Detail(key, before.get(key), after.get(key))
        for key in sorted(before.keys() | after.keys())
        if key not in before or key not in after or _canonical(before[key]) != _canonical(after[key])
    )


def _canonical(value: Any) -> str:
    # Not ==, for which 1, 1.0 and true are one.
    return json.dumps(value, sort_keys=True, default=repr)


def _queue_arguments(queue: QueueDefinition) -> dict[str, Any]:
    """The arguments that matter: to the broker a classic queue is one whether it was declared so or not."""
    return {key: value for key, value in queue.arguments.items() if (key, value) != ("x-queue-type", "classic")}
