"""A plan as data: what differs between a topology and a broker, and what each change risks."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

from pipeline.errors import ExitCode, PipelineError
from pipeline.provision.definitions_json import Definition, definition_to_json, definitions_from_json
from pipeline.topology.definitions import (
    BindingDefinition,
    ExchangeDefinition,
    PermissionDefinition,
    PolicyDefinition,
    QueueDefinition,
    TopicPermissionDefinition,
    UserDefinition,
    UserLimitDefinition,
    VhostLimitDefinition,
)


class Action(StrEnum):
    """In the order in which a plan lists them."""

    CREATE = "create"
    UPDATE = "update"
    REPLACE = "replace"
    DELETE = "delete"


class Kind(StrEnum):
    """In the order in which they are listed."""

    EXCHANGE = "exchange"
    QUEUE = "queue"
    POLICY = "policy"
    BINDING = "binding"
    USER = "user"
    PERMISSION = "permission"
    TOPIC_PERMISSION = "topic-permission"
    USER_LIMIT = "user-limit"
    VHOST_LIMIT = "vhost-limit"


class Risk(StrEnum):
    """What a change does to messages that are there, and to programs that are running.

    Attributes:
        SAFE: nothing that exists behaves differently.
        LIVE: takes effect on a queue or an exchange in use; messages may take another way, none is lost. Or a
            program may be refused what it was allowed to do.
        MIGRATE: immutable on the broker: the object would have to be made anew.
        DESTRUCTIVE: messages that are there now may be dropped, or a program can't work any more.
    """

    SAFE = "safe"
    LIVE = "live"
    MIGRATE = "migrate"
    DESTRUCTIVE = "destructive"


@dataclass(frozen=True, slots=True)
class Detail:
    """One attribute; None is "not set"."""

    attribute: str
    before: Any
    after: Any


@dataclass(frozen=True, slots=True)
class LostRoute:
    """A message that reaches a queue now, and would not any more.

    Attributes:
        routing_key: the message's, or the pattern of a binding, of which some keys are lost.
        stranded: whether it would reach no queue at all.
    """

    exchange: str
    routing_key: str
    queue: str
    stranded: bool


@dataclass(frozen=True, slots=True)
class Change:
    """One difference.

    Attributes:
        name: as users know it; a binding's is `source → destination routing-key`.
        definition: what is to be there; for a delete, what is.
        messages, consumers: of the queues concerned; None where there are none, or the broker does not say.
        unrouted: what would not arrive any more because of it.
    """

    action: Action
    kind: Kind
    name: str
    definition: Definition
    details: tuple[Detail, ...] = ()
    risk: Risk = Risk.SAFE
    messages: int | None = None
    consumers: int | None = None
    unrouted: tuple[LostRoute, ...] = ()

    @property
    def identity(self) -> str:
        return identity_of(self.definition)


@dataclass(frozen=True, slots=True)
class Plan:
    """All differences, sorted by action, kind and name.

    Deletes are `pending` only in a plan that prunes: an object which is not declared any more, and kept, would
    otherwise keep every later plan from being empty.

    Attributes:
        topology, vhost: whose objects these are, and where.
        prune: whether what is not declared any more is to be deleted.
        notes: what is no change but matters, such as an operator's policy that wins over ours.
        vanished: identities recorded as owned that the broker does not hold any more.
    """

    topology: str
    vhost: str
    changes: tuple[Change, ...] = ()
    notes: tuple[str, ...] = ()
    vanished: frozenset[tuple[Kind, str]] = frozenset()
    prune: bool = False

    def count(self, action: Action) -> int:
        return sum(change.action is action for change in self.changes)

    @property
    def pending(self) -> bool:
        """Whether the broker differs from the file, in what the file declares or in what is to be pruned."""
        return any(change.action is not Action.DELETE or self.prune for change in self.changes)

    @property
    def exit_code(self) -> int:
        """Of the command that shows it."""
        return ExitCode.CHANGES_PENDING if self.pending else ExitCode.DONE


def kind_of(definition: Definition) -> Kind:
    match definition:
        case ExchangeDefinition():
            return Kind.EXCHANGE
        case QueueDefinition():
            return Kind.QUEUE
        case PolicyDefinition():
            return Kind.POLICY
        case BindingDefinition():
            return Kind.BINDING
        case UserDefinition():
            return Kind.USER
        case PermissionDefinition():
            return Kind.PERMISSION
        case TopicPermissionDefinition():
            return Kind.TOPIC_PERMISSION
        case UserLimitDefinition():
            return Kind.USER_LIMIT
        case VhostLimitDefinition():
            return Kind.VHOST_LIMIT


def identity_of(definition: Definition) -> str:
    """What makes it the same object among those of its kind: its name, whose it is, or all there is to a binding."""
    match definition:
        case BindingDefinition(source=source, destination=to, destination_type=type, routing_key=key):
            return json.dumps([source, type, to, key, dict(definition.arguments)], sort_keys=True, ensure_ascii=False)
        case PermissionDefinition(user=user):
            return user
        case TopicPermissionDefinition(user=user, exchange=other) | UserLimitDefinition(user=user, name=other):
            return json.dumps([user, other], ensure_ascii=False)
    return definition.name


def name_of(definition: Definition) -> str:
    """As users know it."""
    match definition:
        case BindingDefinition(source=source, destination=destination, routing_key=key):
            return f"{source} → {destination} {key}".rstrip()
        case PermissionDefinition(user=user):
            return user
        case TopicPermissionDefinition(user=user, exchange=exchange):
            return f"{user} → {exchange}"
        case UserLimitDefinition(user=user, name=name):
            return f"{user} {name}"
    return definition.name


def plan_to_json(plan: Plan) -> dict[str, Any]:
    """The plan for `--output json`. `plan_from_json` reads it back."""
    return {
        "topology": plan.topology,
        "vhost": plan.vhost,
        "prune": plan.prune,
        "pending": plan.pending,
        "summary": {action.value: plan.count(action) for action in Action},
        "changes": [
            {
                "action": change.action.value,
                "kind": change.kind.value,
                "name": change.name,
                "risk": change.risk.value,
                "messages": change.messages,
                "consumers": change.consumers,
                "details": [
                    {"attribute": detail.attribute, "before": detail.before, "after": detail.after}
                    for detail in change.details
                ],
                "unrouted": [asdict(route) for route in change.unrouted],
                "definition": definition_to_json(change.definition),
            }
            for change in plan.changes
        ],
        "notes": list(plan.notes),
        "vanished": [[kind.value, identity] for kind, identity in sorted(plan.vanished)],
    }


def plan_from_json(document: Mapping[str, Any], *, where: str = "") -> Plan:
    """A plan from its JSON form. Raises PipelineError if it is not one."""
    try:
        return Plan(
            topology=document["topology"],
            vhost=document["vhost"],
            changes=tuple(_change_from_json(row, where) for row in document["changes"]),
            notes=tuple(document["notes"]),
            vanished=frozenset((Kind(kind), identity) for kind, identity in document["vanished"]),
            prune=document["prune"],
        )
    except (KeyError, TypeError, ValueError) as error:
        raise PipelineError("Not a plan", where=where, fix="Write one with `pipeline plan --output json`") from error


# Of definitions, where each kind of object is listed.
SECTIONS = {
    Kind.EXCHANGE: "exchanges",
    Kind.QUEUE: "queues",
    Kind.POLICY: "policies",
    Kind.BINDING: "bindings",
    Kind.USER: "users",
    Kind.PERMISSION: "permissions",
    Kind.TOPIC_PERMISSION: "topic_permissions",
    Kind.USER_LIMIT: "user_limits",
    Kind.VHOST_LIMIT: "vhost_limits",
}


def _change_from_json(row: Mapping[str, Any], where: str) -> Change:
    kind = Kind(row["kind"])
    section = SECTIONS[kind]
    (definition,) = getattr(definitions_from_json({section: [row["definition"]]}, where=where), section)
    return Change(
        action=Action(row["action"]),
        kind=kind,
        name=row["name"],
        definition=definition,
        details=tuple(Detail(**detail) for detail in row["details"]),
        risk=Risk(row["risk"]),
        messages=row["messages"],
        consumers=row["consumers"],
        unrouted=tuple(LostRoute(**route) for route in row["unrouted"]),
    )
