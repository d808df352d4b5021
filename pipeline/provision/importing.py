"""The topology file that a broker's definitions come from: `topology.expand` the other way round.

What the pipeline would make for a queue (its dead-letter queue, its policy) is written as the field that makes it, if
it is there exactly so; everything else is written as it is. What a file can't say is left out, and told.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from pydantic import ValidationError

from pipeline.provision.import_plumbing import Plumbing, take_out
from pipeline.provision.import_shorthand import common_settings, grouped
from pipeline.topology.definitions import (
    BindingDefinition,
    Definitions,
    ExchangeDefinition,
    PolicyDefinition,
    QueueDefinition,
)
from pipeline.topology.expand import definitions_of
from pipeline.topology.model import Exchange, Topology
from pipeline.topology.values import format_duration

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_EVERY_BROKER_HAS = "guest"
_LONGEST_NAME = 251  # with `.dlq` a name has to fit into 255 bytes
_PRIORITIES = range(1, 256)
_DURATIONS = {"message-ttl": "ttl", "expires": "expires"}
_NUMBERS = {"max-length": "max_length", "max-length-bytes": "max_length_bytes", "overflow": "overflow"}
_AT_LEAST_ONCE = {"dead-letter-strategy": "at-least-once", "overflow": "reject-publish"}


@dataclass(frozen=True, slots=True)
class Imported:
    """What is to be written.

    Attributes:
        document: the file's content, as plain values.
        notes: a sentence each: what the broker has and the file can't say.
    """

    document: dict[str, Any]
    notes: tuple[str, ...]


def import_definitions(definitions: Definitions, name: str, *, consumed: Iterable[str] = ()) -> Imported:
    """The smallest file that says as much of these definitions as a file can.

    Args:
        name: the topology's; see `topology_name`.
        consumed: queues that somebody consumes: they are marked as external.
    """
    plumbing, unseen = take_out(definitions, name), frozenset(consumed)
    file = _Import(plumbing.rest, name, unseen, plumbing)
    return (file if file.buried else _Import(definitions, name, unseen)).imported()


def topology_name(definitions: Definitions, vhost: str) -> str:
    """The name in the policies' names, if they were made by a topology; else one made of the vhost's."""
    prefixes = Counter(
        prefix
        for policy in definitions.policies
        if (queue := policy.exact_name) is not None
        and policy.name.endswith(f".{queue}")
        and _NAME.fullmatch(prefix := policy.name.removesuffix(f".{queue}"))
    )
    if prefixes:
        return min(prefixes, key=lambda prefix: (-prefixes[prefix], prefix))
    words = re.sub(r"[^A-Za-z0-9._-]+", "-", vhost).strip("._-")[:64]
    return words if _NAME.fullmatch(words) else "imported"


class _Import:
    """Args: plumbing: what was taken out of the definitions, for the file's queues with dead letters imply it."""

    def __init__(
        self, definitions: Definitions, name: str, consumed: frozenset[str], plumbing: Plumbing | None = None
    ) -> None:
        self._name = name
        self._consumed = consumed
        self._notes: list[str] = []
        self._policies = {policy.name: policy for policy in definitions.policies}
        self._said: set[str] = set()  # policies that are said by a field
        self._exchanges = {each.name: each for each in definitions.exchanges if self._can_exchange(each)}
        self._queues = {each.name: each for each in definitions.queues if self._can_queue(each)}
        self._bound: defaultdict[str, list[BindingDefinition]] = defaultdict(list)  # by queue
        self._forwarded: defaultdict[str, list[BindingDefinition]] = defaultdict(list)  # by exchange they begin at
        for binding in definitions.bindings:
            self._take(binding)
        self._definitions = definitions
        self._exchange_keys = _keys(self._exchanges)
        self._queue_keys = _keys(self._queues)
        self._plumbing = plumbing
        self.buried = {dead for each in self._queues if (dead := self._own_dead_letters(each)) is not None}

    def imported(self) -> Imported:
        queues = {
            self._queue_keys[name]: _named(name, self._queue_keys[name]) | self._queue(queue)
            for name, queue in self._queues.items()
            if name not in self.buried
        }
        exchanges = {
            self._exchange_keys[name]: _named(name, self._exchange_keys[name]) | self._exchange(exchange)
            for name, exchange in self._exchanges.items()
        }
        defaults = common_settings(queues, self._plumbing and self._plumbing.queue_type)
        document: dict[str, Any] = {"version": 1, "name": self._name}
        if defaults:
            document["defaults"] = {"queue": defaults}
        if exchanges:
            document["exchanges"] = exchanges
        if queues:
            document["queues"] = queues
        limits = {
            limit.name.replace("-", "_"): limit.value for limit in self._definitions.vhost_limits if limit.value > 0
        }
        if limits:
            document["limits"] = limits
        self._told_plumbing()
        self._told_policies()
        self._told_access()
        return Imported(document, tuple(self._notes))

    def _can_exchange(self, exchange: ExchangeDefinition) -> bool:
        what = f'The exchange "{exchange.name}"'
        if not _fits(lambda: Exchange(type=exchange.type)):
            return self._cannot(f"{what} is of the type {exchange.type}, which a topology does not know")
        if not _fits(lambda: Exchange(type="direct", arguments=dict(exchange.arguments))):
            return self._cannot(f"{what} has arguments that a file can't hold")
        return self._can_name(exchange.name, what)

    def _can_queue(self, queue: QueueDefinition) -> bool:
        what = f'The queue "{queue.name}"'
        if queue.exclusive or queue.auto_delete:
            kind = "exclusive" if queue.exclusive else "auto-delete"
            return self._cannot(f"{what} is {kind}: whoever uses it makes it")
        return self._can_name(queue.name, what)

    def _can_name(self, name: str, what: str) -> bool:
        if len(name.encode()) > _LONGEST_NAME:
            return self._cannot(f"{what} has a name of more than {_LONGEST_NAME} bytes")
        return True

    def _cannot(self, note: str) -> bool:
        self._notes.append(note)
        return False

    def _take(self, binding: BindingDefinition) -> None:
        destinations: Mapping[str, Any] = self._queues if binding.destination_type == "queue" else self._exchanges
        if binding.source in self._exchanges and binding.destination in destinations:
            to_queue = binding.destination_type == "queue"
            group = self._bound[binding.destination] if to_queue else self._forwarded[binding.source]
            group.append(binding)
        else:
            self._left_out(binding)

    def _left_out(self, binding: BindingDefinition) -> None:
        between = f'"{binding.source}" and the {binding.destination_type} "{binding.destination}"'
        self._notes.append(f"A binding between {between} is not in the file, since one of them is not")

    def _own_dead_letters(self, name: str) -> str | None:
        """The queue's dead-letter queue, if `dead_letter: true` would make it and all that leads to it as they are."""
        policy = self._queue_policy(name)
        dead = self._queues.get(f"{name}.dlq")
        if policy is None or dead is None:
            return None
        settings = policy.definition
        leads = (settings.get("dead-letter-exchange"), settings.get("dead-letter-routing-key")) == ("", dead.name)
        plain = dead.durable and _arguments(dead) == _type_arguments(_type(self._queues[name]))
        alone = not self._bound[dead.name] and dead.name not in self._consumed
        limits = self._queue_policy(dead.name)
        made = limits is None or self._makes(limits, {"queues": {name: {"type": _type(self._queues[name])}}})
        if not (leads and plain and alone and made):
            return None
        if limits is not None:
            self._said.add(limits.name)
        return dead.name

    def _queue(self, queue: QueueDefinition) -> dict[str, Any]:
        arguments = _arguments(queue)
        said: dict[str, Any] = {"type": _type(queue)}
        if arguments.get("x-queue-type") in ("classic", "quorum"):
            del arguments["x-queue-type"]
        if not queue.durable:
            said["durable"] = False
        if bindings := self._bound[queue.name]:
            said["bindings"] = grouped(bindings, "source", self._exchange_keys)
        if type(arguments.get("x-max-priority")) is int and arguments["x-max-priority"] in _PRIORITIES:
            said["max_priority"] = arguments.pop("x-max-priority")
        said["dead_letter"] = False
        if arguments:
            said["arguments"] = arguments
        if queue.name in self._consumed:
            said["external"] = True
        self._say_policy(queue, said)
        return said

    def _say_policy(self, queue: QueueDefinition, said: dict[str, Any]) -> None:
        """Add the fields that make the queue's policy, if they make exactly that."""
        policy = self._queue_policy(queue.name)
        if policy is None:
            return
        fields = self._policy_fields(queue, policy.definition)
        whole = said | fields
        if fields and self._makes(policy, {"queues": {queue.name: _without_bindings(whole)}}):
            said |= fields
            self._said.add(policy.name)
            if isinstance(custom := said["dead_letter"], dict) and custom["exchange"]:
                said["dead_letter"] = custom | {"exchange": self._exchange_keys[custom["exchange"]]}

    def _policy_fields(self, queue: QueueDefinition, settings: Mapping[str, Any]) -> dict[str, Any]:
        rest = dict(settings)
        fields: dict[str, Any] = {}
        for key, field in _DURATIONS.items():
            if type(value := rest.pop(key, None)) is int:
                fields[field] = format_duration(timedelta(milliseconds=value))
        exchange, routing_key = rest.pop("dead-letter-exchange", None), rest.pop("dead-letter-routing-key", None)
        if exchange is not None and (not exchange or exchange in self._exchanges):
            if _type(queue) == "quorum" and _AT_LEAST_ONCE.items() <= rest.items():
                rest = {key: value for key, value in rest.items() if key not in _AT_LEAST_ONCE}
            custom = {"exchange": exchange} | ({} if routing_key is None else {"routing_key": routing_key})
            fields["dead_letter"] = True if self._own_dead_letters(queue.name) is not None else custom
        return fields | {field: rest[key] for key, field in _NUMBERS.items() if key in rest}

    def _exchange(self, exchange: ExchangeDefinition) -> dict[str, Any]:
        said: dict[str, Any] = {"type": exchange.type}
        said |= {"durable": False} if not exchange.durable else {}
        said |= {"auto_delete": True} if exchange.auto_delete else {}
        said |= {"internal": True} if exchange.internal else {}
        if exchange.arguments:
            said["arguments"] = dict(exchange.arguments)
        policy = self._policies.get(f"{self._name}:{exchange.name}")
        alternate = policy.definition.get("alternate-exchange") if policy is not None else None
        if policy is not None and alternate in self._exchanges:
            both = {name: {"type": "direct"} for name in (alternate, exchange.name)}
            both[exchange.name] = {"type": "direct", "alternate": alternate}
            if self._makes(policy, {"exchanges": both}):
                said["alternate"] = self._exchange_keys[alternate]
                self._said.add(policy.name)
        if bindings := self._forwarded[exchange.name]:
            said["bindings"] = grouped(bindings, "destination", self._exchange_keys)
        return said

    def _queue_policy(self, queue: str) -> PolicyDefinition | None:
        policy = self._policies.get(f"{self._name}.{queue}")
        return policy if policy is not None and policy.exact_name == queue else None

    def _makes(self, policy: PolicyDefinition, part: Mapping[str, Any]) -> bool:
        """Whether a file with only this part would have exactly that policy."""
        try:
            topology = Topology.model_validate({"version": 1, "name": self._name, **part})
        except ValidationError:
            return False
        return policy in definitions_of(topology).policies

    def _told_plumbing(self) -> None:
        if self._plumbing is not None:
            for binding in self._plumbing.foreign(self._name, self.buried):
                self._left_out(binding)
        ours = [name for name in self._exchanges if name.startswith((f"{self._name}.retry.", f"{self._name}.dlx"))]
        if ours:
            self._notes.append(
                f"A pipeline made {', '.join(ours)} for its stages: with the stages in the file, leave them out, "
                "and what is bound to them"
            )

    def _told_policies(self) -> None:
        for name, policy in self._policies.items():
            if name not in self._said:
                self._notes.append(
                    f'The policy "{name}" (on {policy.apply_to} like {policy.pattern}) can\'t be said in the file'
                )

    def _told_access(self) -> None:
        if any(permission.user != _EVERY_BROKER_HAS for permission in self._definitions.permissions):
            self._notes.append("Users and their permissions are not in the file: what they do is not known")


def _keys(names: Iterable[str]) -> dict[str, str]:
    """What each is called in the file: its name, but for what would look like a variable there."""
    taken = set(names)
    keys: dict[str, str] = {}
    for name in names:
        key = name
        while "${" in key or (key != name and key in taken):
            key = key.replace("${", "$(") if "${" in key else f"{key}_"
        keys[name] = key
        taken.add(key)
    return keys


def _named(name: str, key: str) -> dict[str, Any]:
    return {} if name == key else {"name": name}


def _type(queue: QueueDefinition) -> str:
    return "quorum" if queue.arguments.get("x-queue-type") == "quorum" else "classic"


def _arguments(queue: QueueDefinition) -> dict[str, Any]:
    """Those that matter: a classic queue is one whether it was declared so or not."""
    return {key: value for key, value in queue.arguments.items() if (key, value) != ("x-queue-type", "classic")}


def _type_arguments(kind: str) -> dict[str, Any]:
    return {} if kind == "classic" else {"x-queue-type": kind}


def _without_bindings(queue: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in queue.items() if key != "bindings"}


def _fits(make: Callable[[], Any]) -> bool:
    try:
        make()
    except ValidationError:
        return False
    return True
