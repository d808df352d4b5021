"""What happens to a message: the queues it reaches, who takes it there, how it is retried, where it ends.

Pure: the file is all it knows. Times are those of the file; how long a queue is, and how long a stage works, come on
top of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Literal

from pipeline.topology.expand import definitions_of
from pipeline.topology.model import DeadLetter, Topology
from pipeline.topology.route import Router

Reason = Literal["rejected", "expired"]


@dataclass(frozen=True, slots=True)
class Consumer:
    """A stage on a queue.

    Attributes:
        takes: whether the stage takes this message; else it is dead-lettered at once.
        emits: messages the stage may publish.
        waits: before each further attempt after a transient failure.
    """

    stage: str
    takes: bool
    emits: tuple[str, ...]
    waits: tuple[timedelta, ...]

    @property
    def attempts(self) -> int:
        return len(self.waits) + 1

    @property
    def given_up_after(self) -> timedelta:
        """From the first attempt to the last, if each fails at once."""
        return sum(self.waits, timedelta())


@dataclass(frozen=True, slots=True)
class Stop:
    """A queue that the message comes to.

    Attributes:
        queue: its name on the broker.
        bindings: routing keys of the bindings that brought it here; none where the queue was named directly.
        external: consumed by programs outside.
        ttl: how long it may wait here.
        consumer: None where no stage consumes the queue.
        dead_letters: where it goes when it is rejected for good or expires: none where it is dropped.
    """

    queue: str
    bindings: tuple[str, ...]
    external: bool = False
    ttl: timedelta | None = None
    consumer: Consumer | None = None
    dead_letters: tuple[Stop, ...] = ()

    @property
    def reasons(self) -> tuple[Reason, ...]:
        """What can send the message on from here."""
        rejected: tuple[Reason, ...] = ("rejected",) if self.consumer is not None or self.external else ()
        return rejected if self.ttl is None else (*rejected, "expired")


@dataclass(frozen=True, slots=True)
class Journey:
    """Attributes:
    message: the message's name in the file, or the routing key where it has none.
    stops: the queues it is in right after publishing; none: it is returned to its publisher.
    """

    exchange: str
    routing_key: str
    message: str
    stops: tuple[Stop, ...]


def journey_of(
    topology: Topology, exchange: str, routing_key: str, headers: Mapping[str, Any] | None = None
) -> Journey:
    """The journey of a message published so.

    Args:
        exchange: its key in the file or its name on the broker; empty for the default exchange.
    Raises: KeyError for an exchange that the file does not have.
    """
    name = topology.exchange_name(exchange) if exchange in topology.exchanges else exchange
    traveller = _Traveller(topology, _message_at(topology, name, routing_key), headers or {})
    return Journey(name, routing_key, traveller.message, traveller.stops(name, routing_key, frozenset()))


class _Traveller:
    def __init__(self, topology: Topology, message: str, headers: Mapping[str, Any]) -> None:
        self.message = message
        self._topology = topology
        self._headers = headers
        self._router = Router.of(definitions_of(topology))
        self._keys = {topology.queue_name(key): key for key in topology.queues}
        self._stages = {queue: name for name, stage in topology.stages.items() for queue in stage.from_}

    def stops(self, exchange: str, routing_key: str, passed: frozenset[str]) -> tuple[Stop, ...]:
        """Args: passed: queues that it has been dead-lettered from; RabbitMQ drops it where it comes to one again."""
        bindings = self._router.bindings_taken(exchange, routing_key, self._headers)
        queues = [name for name in self._router.route(exchange, routing_key, self._headers) if name not in passed]
        return tuple(
            self._stop(
                name,
                tuple(sorted({each.routing_key for each in bindings if each.destination == name})),
                routing_key,
                passed,
            )
            for name in queues
        )

    def _stop(self, name: str, bindings: tuple[str, ...], routing_key: str, passed: frozenset[str]) -> Stop:
        key = self._keys.get(name)
        if key is None:  # one that the pipeline makes: a queue of dead letters, a tier of retries
            return Stop(name, bindings)
        queue = self._topology.queues[key]
        return Stop(
            name,
            bindings,
            queue.external,
            queue.ttl,
            self._consumer(key),
            self._dead_letters(key, name, routing_key, passed | {name}),
        )

    def _consumer(self, key: str) -> Consumer | None:
        name = self._stages.get(key)
        if name is None:
            return None
        stage = self._topology.stages[name]
        waits = tuple(self._topology.retry_policy(name).delays)
        return Consumer(name, self.message in stage.from_[key], tuple(stage.emits), waits)

    def _dead_letters(self, key: str, name: str, routing_key: str, passed: frozenset[str]) -> tuple[Stop, ...]:
        made = self._topology.dead_letter_queue(key)
        if made is not None:
            return (Stop(made, ()),)
        declared = self._topology.queues[key].dead_letter
        if not isinstance(declared, DeadLetter):
            return ()
        onward = routing_key if declared.routing_key is None else declared.routing_key
        return self.stops(self._topology.exchange_name(declared.exchange), onward, passed)


def _message_at(topology: Topology, exchange: str, routing_key: str) -> str:
    """The name of the message that is published to this address; the key itself where none is."""
    for name, message in topology.messages.items():
        key = name if message.routing_key is None else message.routing_key
        if (topology.exchange_name(message.exchange), key) == (exchange, routing_key):
            return name
    return routing_key
