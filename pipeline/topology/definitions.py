"""What a broker is to hold, in the terms of RabbitMQ's definitions: exchanges, queues, bindings, policies, users.

Immutable arguments (queue type, `x-max-priority`) are arguments; what may change on a live queue (TTL,
dead letter, length limits) is in a policy, one for each queue, since only one policy applies to a queue.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

_EXACT = re.compile(r"\^((?:[^\\^$.|?*+()\[\]{}]|\\[^A-Za-z0-9])*)\$")


@dataclass(frozen=True, slots=True)
class ExchangeDefinition:
    """An exchange by its broker name."""

    name: str
    type: str
    durable: bool = True
    auto_delete: bool = False
    internal: bool = False
    arguments: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class QueueDefinition:
    """A queue by its broker name."""

    name: str
    durable: bool = True
    auto_delete: bool = False
    exclusive: bool = False
    arguments: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class BindingDefinition:
    """A binding from an exchange to a queue (`destination_type` "queue") or an exchange ("exchange")."""

    source: str
    destination: str
    destination_type: str
    routing_key: str
    arguments: Mapping[str, Any] = field(default_factory=dict)

    @property
    def identity(self) -> tuple[str, str, str, str, tuple[tuple[str, Any], ...]]:
        """What makes two bindings the same one on a broker."""
        arguments = tuple(sorted((key, repr(value)) for key, value in self.arguments.items()))
        return self.source, self.destination, self.destination_type, self.routing_key, arguments


@dataclass(frozen=True, slots=True)
class PolicyDefinition:
    """A policy; `pattern` is a regular expression on names, `apply_to` "queues" or "exchanges"."""

    name: str
    pattern: str
    definition: Mapping[str, Any]
    apply_to: str = "queues"
    priority: int = 0

    def matches(self, name: str) -> bool:
        return re.search(self.pattern, name) is not None

    @property
    def exact_name(self) -> str | None:
        """The one name that the pattern fits where it is an escaped name between anchors, else None."""
        match = _EXACT.fullmatch(self.pattern)
        return re.sub(r"\\(.)", r"\1", match[1]) if match else None


@dataclass(frozen=True, slots=True)
class UserDefinition:
    """Somebody who can log in, to the whole broker and not to one vhost only.

    Attributes:
        tags: sorted.
        password_hash: salted, as RabbitMQ keeps it; None where it is not known. Never shown to anybody.
    """

    name: str
    tags: tuple[str, ...] = ()
    password_hash: str | None = field(default=None, repr=False)
    hashing_algorithm: str = "rabbit_password_hashing_sha256"


@dataclass(frozen=True, slots=True)
class PermissionDefinition:
    """What a user may do in the vhost: regular expressions on the names of queues and exchanges."""

    user: str
    configure: str
    write: str
    read: str


@dataclass(frozen=True, slots=True)
class TopicPermissionDefinition:
    """Routing keys with which a user may publish to a topic exchange (`write`) and bind to it (`read`).

    A user may do so with any key on an exchange for which it has none.
    """

    user: str
    exchange: str
    write: str
    read: str


@dataclass(frozen=True, slots=True)
class UserLimitDefinition:
    """A limit of a user on the whole broker: `max-connections`, `max-channels`."""

    user: str
    name: str
    value: int


@dataclass(frozen=True, slots=True)
class VhostLimitDefinition:
    """A limit of the vhost: `max-connections`, `max-queues`."""

    name: str
    value: int


def exactly(name: str) -> str:
    """The pattern of a policy for this name only."""
    return f"^{re.escape(name)}$"


@dataclass(frozen=True, slots=True)
class Definitions:
    """A set of definitions; on a broker (observed) or from a topology (desired). Tuples are sorted by name.

    Permissions and limits are those of one vhost; users, and their limits, of the whole broker.
    """

    exchanges: tuple[ExchangeDefinition, ...] = ()
    queues: tuple[QueueDefinition, ...] = ()
    bindings: tuple[BindingDefinition, ...] = ()
    policies: tuple[PolicyDefinition, ...] = ()
    users: tuple[UserDefinition, ...] = ()
    permissions: tuple[PermissionDefinition, ...] = ()
    topic_permissions: tuple[TopicPermissionDefinition, ...] = ()
    user_limits: tuple[UserLimitDefinition, ...] = ()
    vhost_limits: tuple[VhostLimitDefinition, ...] = ()

    def without_access(self) -> Definitions:
        """Exchanges, queues, bindings and policies only."""
        return Definitions(self.exchanges, self.queues, self.bindings, self.policies)
