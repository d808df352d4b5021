"""The topology as a graph of what publishes, routes, holds and works: for pictures."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from enum import StrEnum

from pipeline.topology.expand import retry_delays
from pipeline.topology.model import DeadLetter, Topology
from pipeline.topology.values import format_duration


class NodeKind(StrEnum):
    SOURCE = "source"
    EXCHANGE = "exchange"
    QUEUE = "queue"
    STAGE = "stage"


class EdgeKind(StrEnum):
    """What a line stands for.

    Attributes:
        PUBLISHES: a source or a stage to an exchange; labels are messages.
        BINDING: an exchange to a queue or to an exchange; labels are routing keys.
        CONSUMES: a queue to a stage; labels are messages.
        DEAD_LETTER: a queue, or an exchange's unroutable messages, to an exchange.
    """

    PUBLISHES = "publishes"
    BINDING = "binding"
    CONSUMES = "consumes"
    DEAD_LETTER = "dead letter"


@dataclass(frozen=True, slots=True)
class Node:
    """A box.

    Attributes:
        id: stable, and unlike all others: `queue:analysis_queue`.
        name: on the broker; a stage's or a source's in the file.
        notes: a few words each: a type, a TTL, a retry ladder.
        dead_letters: the queue's dead-letter queue.
        external: consumed outside.
    """

    id: str
    kind: NodeKind
    name: str
    notes: tuple[str, ...] = ()
    dead_letters: str | None = None
    external: bool = False


@dataclass(frozen=True, slots=True)
class Edge:
    """A line; there is one of a kind between two boxes."""

    source: str
    target: str
    kind: EdgeKind
    labels: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Graph:
    """Nodes and edges in the order of the file.

    Attributes:
        retries: the queues in which messages wait for another attempt, shortest first.
    """

    name: str
    nodes: tuple[Node, ...]
    edges: tuple[Edge, ...]
    retries: tuple[str, ...] = ()

    @property
    def queues(self) -> list[str]:
        """Names of all queues: those of the file, then their dead letters', then those of the retries."""
        held = [node for node in self.nodes if node.kind is NodeKind.QUEUE]
        return [
            *(each.name for each in held),
            *(each.dead_letters for each in held if each.dead_letters),
            *self.retries,
        ]

    def near(self, name: str) -> Graph:
        """Only the nodes of that name, in any part, and what they are joined to. Raises KeyError if there is none."""
        centre = {node.id for node in self.nodes if node.name == name}
        if not centre:
            raise KeyError(name)
        edges = tuple(edge for edge in self.edges if {edge.source, edge.target} & centre)
        kept = centre.union(*({edge.source, edge.target} for edge in edges))
        return replace(self, nodes=tuple(node for node in self.nodes if node.id in kept), edges=edges)


def graph_of(topology: Topology) -> Graph:
    """The graph of a topology without errors."""
    edges: dict[tuple[str, str, EdgeKind], dict[str, None]] = {}
    for source, target, kind, label in (*_publications(topology), *_bindings(topology), *_consumption(topology)):
        edges.setdefault((source, target, kind), {})[label] = None
    return Graph(
        topology.name,
        tuple(_nodes(topology)),
        tuple(Edge(*ends, tuple(filter(None, labels))) for ends, labels in edges.items()),
        tuple(topology.retry_queue(delay) for delay in retry_delays(topology)),
    )


def _nodes(topology: Topology) -> Iterator[Node]:
    for name in topology.sources:
        yield Node(_source(name), NodeKind.SOURCE, name)
    for key, exchange in topology.exchanges.items():
        notes = (exchange.type, *(("internal",) if exchange.internal else ()))
        yield Node(_exchange(topology, key), NodeKind.EXCHANGE, topology.exchange_name(key), notes)
    if _uses_default_exchange(topology):
        yield Node("exchange:", NodeKind.EXCHANGE, "(default)", ("direct",))
    for key, queue in topology.queues.items():
        notes = (
            *((topology.queue_type(key),) if topology.queue_type(key) != "classic" else ()),
            *((f"{queue.max_priority} priorities",) if queue.max_priority else ()),
            *((f"{len(partitions)} partitions",) if (partitions := topology.partitions(key)) else ()),
            *((f"TTL {format_duration(queue.ttl)}",) if queue.ttl else ()),
            *((f"at most {queue.max_length:,}",) if queue.max_length is not None else ()),
        )
        yield Node(
            _queue(topology, key),
            NodeKind.QUEUE,
            topology.queue_name(key),
            notes,
            topology.dead_letter_queue(key),
            queue.external,
        )
    for name, stage in topology.stages.items():
        delays = [format_duration(delay) for delay in topology.retry_policy(name).delays]
        notes = (
            *((f"retries {' '.join(delays)}",) if delays else ()),
            *((f"in order of {stage.order_by}",) if stage.order_by else ()),
        )
        yield Node(_stage(name), NodeKind.STAGE, name, notes)


Line = tuple[str, str, EdgeKind, str]


def _publications(topology: Topology) -> Iterator[Line]:
    for kind, parts in ((_source, topology.sources), (_stage, topology.stages)):
        for name, part in parts.items():
            for message in part.emits:
                exchange = topology.messages[message].exchange
                yield kind(name), _exchange(topology, exchange), EdgeKind.PUBLISHES, message


def _bindings(topology: Topology) -> Iterator[Line]:
    for key, exchange in topology.exchanges.items():
        for forward in exchange.bindings:
            for routing_key in forward.routing_key:
                target = _exchange(topology, forward.destination)
                yield _exchange(topology, key), target, EdgeKind.BINDING, routing_key
        if exchange.alternate is not None:
            target = _exchange(topology, exchange.alternate)
            yield _exchange(topology, key), target, EdgeKind.DEAD_LETTER, "unroutable"
    for key, queue in topology.queues.items():
        for binding in queue.bindings:
            for routing_key in binding.routing_key:
                source = _exchange(topology, binding.source)
                yield source, _queue(topology, key), EdgeKind.BINDING, routing_key
        if isinstance(queue.dead_letter, DeadLetter):
            target = _exchange(topology, queue.dead_letter.exchange)
            yield _queue(topology, key), target, EdgeKind.DEAD_LETTER, queue.dead_letter.routing_key or ""
    for key in _by_default_exchange(topology):
        yield "exchange:", _queue(topology, key), EdgeKind.BINDING, topology.queue_name(key)


def _consumption(topology: Topology) -> Iterator[Line]:
    for name, stage in topology.stages.items():
        for key, messages in stage.from_.items():
            for message in messages or [""]:
                yield _queue(topology, key), _stage(name), EdgeKind.CONSUMES, message


def _by_default_exchange(topology: Topology) -> Iterable[str]:
    """Queues that messages or dead letters come to by the default exchange."""
    keys = {
        (name if contract.routing_key is None else contract.routing_key)
        for name, contract in topology.messages.items()
        if not contract.exchange
    }
    for queue in topology.queues.values():
        if isinstance(queue.dead_letter, DeadLetter) and not queue.dead_letter.exchange:
            keys.add(queue.dead_letter.routing_key or "")
    return [key for key in topology.queues if topology.queue_name(key) in keys]


def _uses_default_exchange(topology: Topology) -> bool:
    dead = [queue.dead_letter for queue in topology.queues.values() if isinstance(queue.dead_letter, DeadLetter)]
    exchanges = [*(message.exchange for message in topology.messages.values()), *(each.exchange for each in dead)]
    return "" in exchanges


def _source(name: str) -> str:
    return f"source:{name}"


def _exchange(topology: Topology, key: str) -> str:
    return f"exchange:{topology.exchange_name(key)}"


def _queue(topology: Topology, key: str) -> str:
    return f"queue:{topology.queue_name(key)}"


def _stage(name: str) -> str:
    return f"stage:{name}"
