"""What a topology means for a broker: every object it declares and every one the pipeline makes for it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import timedelta
from typing import Any

from pipeline.topology.access import permissions_of, topic_permissions_of, user_limits_of, users_of, vhost_limits_of
from pipeline.topology.definitions import (
    BindingDefinition,
    Definitions,
    ExchangeDefinition,
    PolicyDefinition,
    QueueDefinition,
    exactly,
)
from pipeline.topology.model import DeadLetter, ExchangeBinding, Queue, QueueBinding, Topology
from pipeline.topology.values import milliseconds

# The audit trail is kept as long, and no longer, as somebody may ask what became of a dead letter.
_AUDIT_POLICY: Mapping[str, Any] = {"max-length": 10_000, "message-ttl": milliseconds(timedelta(days=90))}
# Looking at a dead letter counts as a delivery, and from RabbitMQ 4.0 on the twentieth would drop it.
_LOOKED_AT: Mapping[str, Any] = {"delivery-limit": 2**31 - 1}
# Above the default 0 of a catch-all policy: of two policies with one priority the broker picks either.
_POLICY_PRIORITY = 10


def definitions_of(topology: Topology) -> Definitions:
    """The objects a broker is to hold for this topology, each tuple sorted by name; the same topology gives the same.

    Beside what the file declares: `<queue>.dlq` for queues that dead-letter there, an exchange by which workers reach
    them, and a queue in which it is recorded what is done with them; for each delay that a stage's retries use an
    exchange with a queue of the same name, in which messages wait; for each queue whose stage has partitions these, and
    the exchange in front of them. The exchanges that workers publish to are topic
    exchanges, since only there a user can be kept to some routing keys, which are the names of queues here. Names
    that the file does not declare are taken as they are, so that a topology with errors can still be reasoned about.
    """
    exchanges = tuple(sorted(_exchanges(topology), key=lambda exchange: exchange.name))
    types = {exchange.name: exchange.type for exchange in exchanges}
    return Definitions(
        exchanges=exchanges,
        queues=tuple(sorted(_queues(topology), key=lambda queue: queue.name)),
        bindings=tuple(sorted(_distinct(_bindings(topology)), key=lambda binding: binding.identity)),
        policies=tuple(sorted(_policies(topology), key=lambda policy: policy.name)),
        users=tuple(sorted(users_of(topology), key=lambda user: user.name)),
        permissions=tuple(sorted(permissions_of(topology), key=lambda each: each.user)),
        topic_permissions=tuple(
            sorted(topic_permissions_of(topology, types), key=lambda each: (each.user, each.exchange))
        ),
        user_limits=tuple(sorted(user_limits_of(topology), key=lambda limit: (limit.user, limit.name))),
        vhost_limits=tuple(sorted(vhost_limits_of(topology), key=lambda limit: limit.name)),
    )


def publications(topology: Topology) -> tuple[tuple[str, str], ...]:
    """Exchange and routing key, as the broker knows them, of every message that the topology declares."""
    return tuple(
        (topology.exchange_name(message.exchange), message.routing_key if message.routing_key is not None else name)
        for name, message in topology.messages.items()
    )


def retry_delays(topology: Topology) -> list[timedelta]:
    """The distinct delays that the stages' retry policies use, shortest first."""
    return topology.retry_delays()


def dead_letter_queues(topology: Topology) -> list[str]:
    """Broker names of the dead-letter queues that the pipeline makes; sorted."""
    return sorted({name for key in topology.queues if (name := topology.dead_letter_queue(key))})


def queue_arguments(topology: Topology, key: str) -> dict[str, Any]:
    """What is fixed once the queue exists: its type, its priorities, and what the file passes on as it is."""
    queue = topology.queues[key]
    arguments = _type_argument(topology.queue_type(key))
    if queue.max_priority is not None:
        arguments["x-max-priority"] = queue.max_priority
    if key in topology.ordered:
        arguments["x-single-active-consumer"] = True
    return arguments | queue.arguments


def queue_policy(topology: Topology, key: str) -> dict[str, Any]:
    """What may change while the queue is in use, in the terms of RabbitMQ's policies; durations in milliseconds."""
    queue = topology.queues[key]
    settings: dict[str, Any] = {}
    if queue.ttl is not None:
        settings["message-ttl"] = milliseconds(queue.ttl)
    if queue.expires is not None:
        settings["expires"] = milliseconds(queue.expires)
    if queue.max_length is not None:
        settings["max-length"] = queue.max_length
    if queue.max_length_bytes is not None:
        settings["max-length-bytes"] = queue.max_length_bytes
    if queue.overflow is not None:
        settings["overflow"] = queue.overflow
    return settings | _dead_letter(topology, key, queue)


def _exchanges(topology: Topology) -> Iterator[ExchangeDefinition]:
    for key, exchange in topology.exchanges.items():
        yield ExchangeDefinition(
            name=topology.exchange_name(key),
            type=exchange.type,
            durable=exchange.durable,
            auto_delete=exchange.auto_delete,
            internal=exchange.internal,
            arguments=dict(exchange.arguments),
        )
    for delay in retry_delays(topology):
        yield ExchangeDefinition(topology.retry_queue(delay), "topic")
    for key in topology.queues:
        if topology.partitions(key):
            yield ExchangeDefinition(topology.partition_exchange(key), _partition_type(topology, key))
    if dead_letter_queues(topology):
        yield ExchangeDefinition(topology.dead_letter_exchange, "topic")
        yield ExchangeDefinition(by_queue(topology), "direct", internal=True)


def _queues(topology: Topology) -> Iterator[QueueDefinition]:
    for key, queue in topology.queues.items():
        name = topology.queue_name(key)
        yield QueueDefinition(name, durable=queue.durable, arguments=queue_arguments(topology, key))
        for partition in topology.partitions(key):
            yield QueueDefinition(partition, durable=queue.durable, arguments=queue_arguments(topology, key))
        if buried := topology.dead_letter_queue(key):
            yield QueueDefinition(buried, arguments=_type_argument(topology.queue_type(key)))
    for delay in retry_delays(topology):
        yield QueueDefinition(topology.retry_queue(delay), arguments=_type_argument(_RETRY_TYPE))
    if dead_letter_queues(topology):
        yield QueueDefinition(topology.audit_queue, arguments=_type_argument(topology.defaults.queue.type))


def _bindings(topology: Topology) -> Iterator[BindingDefinition]:
    for key, queue in topology.queues.items():
        for binding in queue.bindings:
            source = _exchange_name(topology, binding.source)
            yield from _one_per_key(source, topology.queue_name(key), "queue", binding)
        for number, partition in enumerate(topology.partitions(key), 1):
            # To a consistent-hash exchange it is a weight.
            by_weight = _partition_type(topology, key) == "x-consistent-hash"
            routing_key = "1" if by_weight else str(number)
            yield BindingDefinition(topology.partition_exchange(key), partition, "queue", routing_key)
    for key, exchange in topology.exchanges.items():
        for forward in exchange.bindings:
            destination = _exchange_name(topology, forward.destination)
            yield from _one_per_key(topology.exchange_name(key), destination, "exchange", forward)
    for delay in retry_delays(topology):
        tier = topology.retry_queue(delay)
        yield BindingDefinition(tier, tier, "queue", "#")
    if buried := dead_letter_queues(topology):
        yield BindingDefinition(topology.dead_letter_exchange, topology.audit_queue, "queue", topology.audit_queue)
        yield BindingDefinition(topology.dead_letter_exchange, by_queue(topology), "exchange", "#")
        yield from (BindingDefinition(by_queue(topology), name, "queue", name) for name in buried)


def _policies(topology: Topology) -> Iterator[PolicyDefinition]:
    for key in topology.queues:
        if settings := queue_policy(topology, key):
            for name in topology.queue_names(key):
                yield _policy(topology, name, settings)
        if (buried := topology.dead_letter_queue(key)) and topology.queue_type(key) == "quorum":
            yield _policy(topology, buried, _LOOKED_AT)
    if dead_letter_queues(topology):
        looked_at = _LOOKED_AT if topology.defaults.queue.type == "quorum" else {}
        yield _policy(topology, topology.audit_queue, {**_AUDIT_POLICY, **looked_at})
    for delay in retry_delays(topology):
        # Without a dead-letter routing key the message keeps its own: the queue it came from.
        settings = {"message-ttl": milliseconds(delay), "dead-letter-exchange": "", **_AT_LEAST_ONCE}
        yield _policy(topology, topology.retry_queue(delay), settings)
    for key, exchange in topology.exchanges.items():
        if exchange.alternate is not None:
            name = topology.exchange_name(key)
            yield PolicyDefinition(
                # A colon can't be in a topology's name: no queue's policy has this name.
                name=f"{topology.name}:{name}",
                pattern=exactly(name),
                definition={"alternate-exchange": _exchange_name(topology, exchange.alternate)},
                apply_to="exchanges",
                priority=_POLICY_PRIORITY,
            )


# RabbitMQ dead-letters from a quorum queue without loss only where a full queue refuses instead of dropping.
_AT_LEAST_ONCE: Mapping[str, Any] = {"dead-letter-strategy": "at-least-once", "overflow": "reject-publish"}
# Whatever type others have: a classic queue drops what it has handed over before that is safe where it goes to, and a
# broker that is killed then loses it.
_RETRY_TYPE = "quorum"


def _dead_letter(topology: Topology, key: str, queue: Queue) -> dict[str, Any]:
    if isinstance(queue.dead_letter, DeadLetter):
        settings: dict[str, Any] = {"dead-letter-exchange": _exchange_name(topology, queue.dead_letter.exchange)}
        if queue.dead_letter.routing_key is not None:
            settings["dead-letter-routing-key"] = queue.dead_letter.routing_key
    elif buried := topology.dead_letter_queue(key):
        settings = {"dead-letter-exchange": "", "dead-letter-routing-key": buried}
    else:
        return {}
    if topology.queue_type(key) == "quorum" and queue.overflow in (None, "reject-publish"):
        settings |= _AT_LEAST_ONCE
    return settings


def by_queue(topology: Topology) -> str:
    """The exchange behind the dead-letter exchange: a topic exchange would take names with `#` in them for patterns."""
    return f"{topology.dead_letter_exchange}.queues"


def _partition_type(topology: Topology, key: str) -> str:
    return "x-consistent-hash" if topology.ordered[key].hashing == "exchange" else "topic"


def _type_argument(queue_type: str) -> dict[str, Any]:
    return {} if queue_type == "classic" else {"x-queue-type": queue_type}


def _exchange_name(topology: Topology, key: str) -> str:
    return topology.exchange_name(key) if key in topology.exchanges else key


def _one_per_key(
    source: str, destination: str, kind: str, binding: QueueBinding | ExchangeBinding
) -> Iterator[BindingDefinition]:
    for routing_key in binding.routing_key:
        yield BindingDefinition(source, destination, kind, routing_key, dict(binding.arguments))


def _distinct(bindings: Iterable[BindingDefinition]) -> Iterable[BindingDefinition]:
    return {binding.identity: binding for binding in bindings}.values()


def _policy(topology: Topology, queue: str, settings: Mapping[str, Any]) -> PolicyDefinition:
    return PolicyDefinition(
        name=f"{topology.name}.{queue}",
        pattern=exactly(queue),
        definition=dict(sorted(settings.items())),
        priority=_POLICY_PRIORITY,
    )
