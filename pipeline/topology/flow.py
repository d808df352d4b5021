"""How messages flow: who publishes what, which queues it reaches, who takes it there. By the pure router."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from pipeline.topology.definitions import BindingDefinition, Definitions
from pipeline.topology.diagnostics import Diagnostic
from pipeline.topology.document import Document, Path
from pipeline.topology.expand import definitions_of
from pipeline.topology.model import DeadLetter, Topology
from pipeline.topology.route import Router


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
        self._reached = {name: self._queues_of(name) for name in topology.messages}
        self._bindings_to: defaultdict[str, list[BindingDefinition]] = defaultdict(list)
        for binding in self._definitions.bindings:
            self._bindings_to[binding.destination].append(binding)
        self._tested = {
            binding.identity
            for test in topology.tests
            for binding in self._possible(test.publish.exchange, test.publish.routing_key)[1]
        }
        self._taken = {
            (queue, name)
            for stage in topology.stages.values()
            for queue, messages in stage.from_.items()
            for name in messages
        }
        self._consumed = {queue for stage in topology.stages.values() for queue in stage.from_}

    def _possible(self, exchange: str, routing_key: str) -> tuple[set[str], list[BindingDefinition]]:
        return self._router.possible(self._topology.exchange_name(exchange), routing_key)

    def _ways_of(self, message: str) -> tuple[set[str], list[BindingDefinition]]:
        """Names of the queues that a message may reach, and the bindings it may take."""
        contract = self._topology.messages[message]
        return self._possible(contract.exchange, message if contract.routing_key is None else contract.routing_key)

    def _queues_of(self, message: str) -> set[str]:
        """Queues of the file, by key, that a message reaches."""
        return {self._keys[name] for name in self._ways_of(message)[0] if name in self._keys}

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
                yield self._document.diagnostic("T214", ("messages", message, "exchange"))
            if self._reached[message]:
                continue
            key = message if contract.routing_key is None else contract.routing_key
            detail = f'No queue gets what is published to "{contract.exchange}" with the key "{key}".'
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
                    if queue not in self._reached[message] and not self._by_dead_letter(queue):
                        detail = f'"{message}" does not reach "{queue}".'
                        yield self._document.diagnostic("T201", path, detail=detail)
                    if (other := takers.setdefault((queue, message), name)) != name:
                        yield self._document.diagnostic("T206", path, detail=f'The stage "{other}" takes it too.')
        arriving: defaultdict[str, list[str]] = defaultdict(list)
        for message, queues in self._reached.items():
            for queue in queues:
                arriving[queue].append(message)
        for key, declared in self._topology.queues.items():
            if key in self._consumed:
                for message in arriving[key]:
                    if (key, message) not in self._taken:
                        detail = f'"{message}" comes in, and no stage takes it from "{key}".'
                        yield self._document.diagnostic("T213", ("queues", key), at_key=True, detail=detail)
            elif not declared.external and not declared.bounded:
                yield self._document.diagnostic("T207", ("queues", key), at_key=True)
            yield from self._idle_bindings(key, arriving[key])

    def _idle_bindings(self, key: str, arriving: list[str]) -> Iterator[Diagnostic]:
        """Bindings that no declared message and no test takes."""
        used = self._tested | {binding.identity for message in arriving for binding in self._ways_of(message)[1]}
        for index, binding in enumerate(self._topology.queues[key].bindings):
            for number, routing_key in enumerate(binding.routing_key):
                source, destination = self._topology.exchange_name(binding.source), self._topology.queue_name(key)
                identities = {
                    each.identity
                    for each in self._bindings_to[destination]
                    if each.source == source and each.routing_key == routing_key
                }
                if not identities & used:
                    path: Path = ("queues", key, "bindings", index, "routing_key", number)
                    detail = f'No message is published to "{binding.source}" with a key like "{routing_key}".'
                    yield self._document.diagnostic("T211", path, detail=detail)

    def dead_letters(self) -> Iterator[Diagnostic]:
        """Dead-letter exchanges that lead nowhere, or around."""
        targets: dict[str, set[str]] = {}
        for key, queue in self._topology.queues.items():
            if isinstance(queue.dead_letter, DeadLetter):
                targets[key] = self._buried(key, queue.dead_letter)
                if not targets[key]:
                    detail = f'What "{key}" gives to "{queue.dead_letter.exchange}" reaches no queue.'
                    yield self._document.diagnostic("T204", ("queues", key, "dead_letter"), detail=detail)
        for key in targets:
            if self._comes_back(key, targets):
                detail = f'Dead letters of "{key}" come back to it, and no stage takes them on the way.'
                yield self._document.diagnostic("T205", ("queues", key, "dead_letter"), detail=detail)

    def _buried(self, key: str, dead_letter: DeadLetter) -> set[str]:
        """Queues, by key, or by name where the file has no key for them, that a queue's dead letters reach."""
        if dead_letter.routing_key is not None:
            keys = {dead_letter.routing_key}
        else:
            keys = {
                message if contract.routing_key is None else contract.routing_key
                for message, contract in self._topology.messages.items()
                if key in self._reached[message]
            }
        names = {name for routing_key in keys for name in self._possible(dead_letter.exchange, routing_key)[0]}
        return {self._keys.get(name, name) for name in names}

    def _comes_back(self, key: str, targets: dict[str, set[str]]) -> bool:
        seen: set[str] = set()
        ahead = list(targets[key])
        while ahead:
            queue = ahead.pop()
            if queue in self._consumed or queue in seen:
                continue
            if queue == key:
                return True
            seen.add(queue)
            ahead += targets.get(queue, ())
        return False

    def _by_dead_letter(self, queue: str) -> bool:
        return any(
            isinstance(other.dead_letter, DeadLetter) and queue in self._buried(key, other.dead_letter)
            for key, other in self._topology.queues.items()
        )

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
                yield self._document.diagnostic("T208", ("exchanges", key), at_key=True)

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
