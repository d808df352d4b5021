"""How messages flow: who publishes what, which queues it reaches, who takes it there. By the pure router."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Set
from typing import Any

from pipeline.topology.circles import on_circles
from pipeline.topology.definitions import BindingDefinition, Definitions
from pipeline.topology.diagnostics import Diagnostic
from pipeline.topology.document import Document, Path
from pipeline.topology.expand import definitions_of
from pipeline.topology.model import DeadLetter, Topology
from pipeline.topology.route import Router

Identity = tuple[Any, ...]


def check_flow(topology: Topology, document: Document) -> Iterator[Diagnostic]:
    """For a topology whose names are all known."""
    flow = _Flow(topology, document)
    yield from flow.publishing()
    yield from flow.consuming()
    yield from flow.dead_letters()
    yield from flow.exchanges()
    yield from flow.tests()


class _Flow:
    def __init__(self, topology: Topology, document: Document) -> None:
        self._topology = topology
        self._document = document
        self._definitions: Definitions = definitions_of(topology)
        self._router = Router.of(self._definitions)
        self._keys = {topology.queue_name(key): key for key in topology.queues}
        # The router gives the definitions' own objects, so that they are told apart without being compared.
        self._used: set[int] = set()
        self._reached = {name: self._published(name) for name in topology.messages}
        for test in topology.tests:
            self._queues_of(test.publish.exchange, test.publish.routing_key)
        self._dead_letters = {
            key: queue.dead_letter
            for key, queue in topology.queues.items()
            if isinstance(queue.dead_letter, DeadLetter)
        }
        # By queue: the messages that come to it; the queues that its dead letters reach; a message they lose.
        self._arriving: defaultdict[str, dict[str, None]] = defaultdict(dict)
        self._targets: defaultdict[str, set[str]] = defaultdict(set)
        self._lost: dict[str, str] = {}
        self._follow_dead_letters()
        self._taken = {
            (queue, name)
            for stage in topology.stages.values()
            for queue, messages in stage.from_.items()
            for name in messages
        }
        self._consumed = {queue for stage in topology.stages.values() for queue in stage.from_}
        self._emptied = self._consumed | {key for key, queue in topology.queues.items() if queue.external}
        self._circling = on_circles(
            {key: targets - self._emptied for key, targets in self._targets.items() if key not in self._emptied}
        )

    def _queues_of(self, exchange: str, routing_key: str) -> set[str]:
        """Queues that a message may reach, by key, or by name where the file has no key; notes the bindings used."""
        names, bindings = self._router.possible(self._topology.exchange_name(exchange), routing_key)
        self._used.update(map(id, bindings))
        return {self._keys.get(name, name) for name in names}

    def _published(self, message: str) -> set[str]:
        """Queues of the file, by key, that a message reaches."""
        contract = self._topology.messages[message]
        return self._queues_of(contract.exchange, self._key_of(message)) & self._topology.queues.keys()

    def _key_of(self, message: str) -> str:
        contract = self._topology.messages[message]
        return message if contract.routing_key is None else contract.routing_key

    def _follow_dead_letters(self) -> None:
        """Where the messages of queues with a dead-letter exchange go from there, and which go nowhere."""
        waiting = [
            (queue, message, self._key_of(message)) for message, queues in self._reached.items() for queue in queues
        ]
        seen = set(waiting)
        for queue, message, routing_key in waiting:
            self._arriving[queue][message] = None
            declared = self._topology.queues.get(queue)
            if declared is None or not isinstance(declared.dead_letter, DeadLetter):
                continue
            own = declared.dead_letter.routing_key
            onward = routing_key if own is None else own
            targets = self._queues_of(declared.dead_letter.exchange, onward)
            self._targets[queue] |= targets
            if not targets:
                self._lost.setdefault(queue, message)
            new = {(target, message, onward) for target in targets} - seen
            seen |= new
            waiting += new
        for key, dead_letter in self._dead_letters.items():
            # What comes from elsewhere is not known, but with a key of its own the way is.
            if key not in self._arriving and dead_letter.routing_key is not None:
                self._targets[key] = self._queues_of(dead_letter.exchange, dead_letter.routing_key)

    def publishing(self) -> Iterator[Diagnostic]:
        """Messages that nothing receives, and exchanges that take none."""
        emitted: dict[str, Path] = {}
        for kind, parts in (("sources", self._topology.sources), ("stages", self._topology.stages)):
            for name, part in parts.items():
                for index, message in enumerate(part.emits):
                    emitted.setdefault(message, (kind, name, "emits", index))
        for message, contract in self._topology.messages.items():
            exchange = self._topology.exchanges.get(contract.exchange)
            if exchange is not None and exchange.internal:
                detail = f'"{contract.exchange}" is `internal: true`.'
                yield self._document.diagnostic("T214", ("messages", message, "exchange"), detail=detail)
            if self._reached[message]:
                continue
            key = self._document.quoted(self._key_of(message), "messages", message, "routing_key")
            detail = f'No queue gets what is published to "{contract.exchange}" with the key {key}.'
            if message in emitted:
                yield self._document.diagnostic("T202", emitted[message], detail=detail)
            else:
                yield self._document.diagnostic("T203", ("messages", message), at_key=True, detail=detail)

    def consuming(self) -> Iterator[Diagnostic]:
        """What stages take against what comes to their queues."""
        takers: dict[tuple[str, str], str] = {}
        for name, stage in self._topology.stages.items():
            for queue, messages in stage.from_.items():
                for index, message in enumerate(messages):
                    path: Path = ("stages", name, "from", queue, index)
                    if message not in self._arriving[queue]:
                        detail = f'"{message}" does not reach "{queue}".'
                        yield self._document.diagnostic("T201", path, detail=detail)
                    if (other := takers.setdefault((queue, message), name)) != name:
                        yield self._document.diagnostic("T206", path, detail=f'The stage "{other}" takes it too.')
        used = {binding.identity for binding in self._definitions.bindings if id(binding) in self._used}
        for key, declared in self._topology.queues.items():
            if key in self._consumed:
                for message in self._arriving[key]:
                    if (key, message) not in self._taken:
                        detail = f'"{message}" comes in, and no stage takes it from "{key}".'
                        yield self._document.diagnostic("T213", ("queues", key), at_key=True, detail=detail)
            elif not declared.external and not declared.bounded:
                detail = f'No stage takes from "{key}".'
                advice = "Add a stage, `external: true`, or a limit: `ttl:`, `max_length:`."
                yield self._document.diagnostic("T207", ("queues", key), at_key=True, detail=detail, suggestion=advice)
            yield from self._idle_bindings(key, used)

    def _idle_bindings(self, key: str, used: Set[Identity]) -> Iterator[Diagnostic]:
        """Bindings that no declared message and no test takes."""
        destination = self._topology.queue_name(key)
        for index, bound in enumerate(self._topology.queues[key].bindings):
            source = self._topology.exchange_name(bound.source)
            for number, routing_key in enumerate(bound.routing_key):
                binding = BindingDefinition(source, destination, "queue", routing_key, bound.arguments)
                if binding.identity not in used:
                    path: Path = ("queues", key, "bindings", index, "routing_key", number)
                    shown = self._document.quoted(routing_key, *path)
                    detail = f'No message is published to "{bound.source}" with a key like {shown}.'
                    yield self._document.diagnostic("T211", path, detail=detail)

    def dead_letters(self) -> Iterator[Diagnostic]:
        """Dead-letter exchanges that lead nowhere, or around."""
        sources = {binding.source for binding in self._definitions.bindings}
        for key, dead_letter in self._dead_letters.items():
            path: Path = ("queues", key, "dead_letter")
            nowhere = bool(dead_letter.exchange) and self._topology.exchange_name(dead_letter.exchange) not in sources
            if key in self._lost:
                detail = f'"{self._lost[key]}" given by "{key}" to "{dead_letter.exchange}" reaches no queue.'
                yield self._document.diagnostic("T204", path, detail=detail)
            elif not self._targets[key] and (nowhere or dead_letter.routing_key is not None):
                detail = f'What "{key}" gives to "{dead_letter.exchange}" reaches no queue.'
                yield self._document.diagnostic("T204", path, detail=detail)
            if key in self._circling:
                detail = f'Dead letters of "{key}" come back to it, and no stage takes them on the way.'
                yield self._document.diagnostic("T205", path, detail=detail)

    def exchanges(self) -> Iterator[Diagnostic]:
        """Exchanges that nothing is published to, bound to or bound from."""
        used = {contract.exchange for contract in self._topology.messages.values()}
        for queue in self._topology.queues.values():
            used.update(binding.source for binding in queue.bindings)
            if isinstance(queue.dead_letter, DeadLetter):
                used.add(queue.dead_letter.exchange)
        for key, exchange in self._topology.exchanges.items():
            used.update(binding.destination for binding in exchange.bindings)
            used.update({key} if exchange.bindings else ())
            used.update({exchange.alternate} if exchange.alternate else ())
        for key in self._topology.exchanges:
            if key not in used:
                detail = f'Nothing is published to "{key}", bound to it or bound from it.'
                yield self._document.diagnostic("T208", ("exchanges", key), at_key=True, detail=detail)

    def tests(self) -> Iterator[Diagnostic]:
        """The file's own examples."""
        for index, test in enumerate(self._topology.tests):
            exchange = self._topology.exchange_name(test.publish.exchange)
            found = {
                self._keys.get(name, name)
                for name in self._router.route(exchange, test.publish.routing_key, test.publish.headers)
            }
            if found != set(test.reaches):
                detail = f"It reaches: {', '.join(sorted(found)) or 'nothing'}."
                yield self._document.diagnostic("T212", ("tests", index, "reaches"), at_key=True, detail=detail)
