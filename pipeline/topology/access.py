"""What a topology's users may do on the broker: no more than what they do.

As tried on RabbitMQ 3.10.8: to consume takes `read` on the queue, to publish `write` on the exchange, the default
exchange being called `amq.default`. Routing keys are checked on topic exchanges alone, and in the headers CC and BCC
since RabbitMQ 4.0.3 only. Nothing is needed for passive declares.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta

from pipeline.topology.definitions import (
    PermissionDefinition,
    TopicPermissionDefinition,
    UserDefinition,
    UserLimitDefinition,
    VhostLimitDefinition,
)
from pipeline.topology.model import Topology
from pipeline.topology.patterns import NOTHING, pattern_of
from pipeline.topology.users import ALL, Selection

DEFAULT_EXCHANGE = "amq.default"


@dataclass(frozen=True, slots=True)
class Rights:
    """What a user does, in the broker's names.

    Attributes:
        queues: that it takes messages from.
        exchanges: that it publishes to, with the routing keys it uses there; the default exchange is `amq.default`.
    """

    queues: frozenset[str]
    exchanges: Mapping[str, frozenset[str]]


def rights_of(topology: Topology, key: str) -> Rights:
    """Of one user. Names that the file does not have are left out."""
    user = topology.users[key]
    queues: set[str] = set()
    exchanges: dict[str, set[str]] = {}

    def publishes(exchange: str, routing_key: str) -> None:
        exchanges.setdefault(exchange or DEFAULT_EXCHANGE, set()).add(routing_key)

    stages = _chosen(user.stages, topology.stages)
    # What another worker has in its hands waits in the shortest tier, whatever the stage's own are.
    shortest = topology.retry_delays()[:1]
    for name in stages:
        for taken in topology.stages[name].from_:
            if taken in topology.queues:
                queues.update(topology.queue_names(taken))
                for exchange, routing_key in _put_back(topology, name, taken, shortest):
                    publishes(exchange, routing_key)
                for number in range(1, len(topology.partitions(taken)) + 1):
                    publishes(topology.partition_exchange(taken), str(number))
    emitted = [message for name in stages for message in topology.stages[name].emits]
    emitted += [each for name in _chosen(user.sources, topology.sources) for each in topology.sources[name].emits]
    for message in (*_chosen(user.publishes, topology.messages), *emitted):
        if message in topology.messages:
            contract = topology.messages[message]
            if not contract.exchange or contract.exchange in topology.exchanges:
                routing_key = message if contract.routing_key is None else contract.routing_key
                publishes(topology.exchange_name(contract.exchange), routing_key)
    outside = [each for each, queue in topology.queues.items() if queue.external]
    consumed = outside if user.consumes == ALL else _chosen(user.consumes, topology.queues)
    queues.update(topology.queue_name(each) for each in consumed)
    for each in _chosen(user.dead_letters, topology.queues):
        if (buried := topology.dead_letter_queue(each)) is not None:
            queues.add(buried)
            publishes("", topology.queue_name(each))
            queues.add(topology.audit_queue)
            publishes(topology.dead_letter_exchange, topology.audit_queue)
    return Rights(frozenset(queues), {name: frozenset(keys) for name, keys in exchanges.items()})


def _put_back(topology: Topology, stage: str, queue: str, shortest: Iterable[timedelta]) -> Iterator[tuple[str, str]]:
    """Where a worker publishes what it could not deal with: exchange and routing key."""
    retry = topology.stages[stage].retry or topology.defaults.stage.retry
    delays = topology.retries[retry].delays if retry in topology.retries else ()
    for delay in {*delays, *shortest}:
        yield from ((topology.retry_queue(delay), name) for name in topology.queue_names(queue))
    if (buried := topology.dead_letter_queue(queue)) is not None:
        yield topology.dead_letter_exchange, buried


def _chosen(selection: Selection, known: Collection[str]) -> list[str]:
    return list(known) if selection == ALL else [name for name in selection if name in known]


def users_of(topology: Topology) -> Iterator[UserDefinition]:
    """Without their passwords, which are not in the file."""
    for key, user in topology.users.items():
        yield UserDefinition(topology.user_name(key), tuple(sorted(set(user.tags))))


def permissions_of(topology: Topology) -> Iterator[PermissionDefinition]:
    """One for each user: who may do nothing may still log in."""
    for key in topology.users:
        rights = rights_of(topology, key)
        yield PermissionDefinition(
            topology.user_name(key), NOTHING, write=pattern_of(rights.exchanges), read=pattern_of(rights.queues)
        )


def topic_permissions_of(topology: Topology, types: Mapping[str, str]) -> Iterator[TopicPermissionDefinition]:
    """Args: types: of all exchanges, those of the pipeline included, by name."""
    for key in topology.users:
        for exchange, keys in rights_of(topology, key).exchanges.items():
            if types.get(exchange) == "topic":
                yield TopicPermissionDefinition(topology.user_name(key), exchange, write=pattern_of(keys), read=NOTHING)


def user_limits_of(topology: Topology) -> Iterator[UserLimitDefinition]:
    for key, user in topology.users.items():
        for name, value in user.limits:
            if value is not None:
                yield UserLimitDefinition(topology.user_name(key), name.replace("_", "-"), value)


def vhost_limits_of(topology: Topology) -> Iterator[VhostLimitDefinition]:
    for name, value in topology.limits:
        if value is not None:
            yield VhostLimitDefinition(name.replace("_", "-"), value)
