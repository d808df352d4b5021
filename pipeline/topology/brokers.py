"""What depends on the broker: arguments that it knows, and what its versions do differently.

Facts from RabbitMQ's documentation and release notes of 3.10 to 4.3; what a topology can meet was tried on 3.10.8 and
4.0.5.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pipeline.topology.diagnostics import Diagnostic
from pipeline.topology.document import Document
from pipeline.topology.model import Topology
from pipeline.topology.shape import suggest
from pipeline.topology.values import Version

SUPPORTED: tuple[Version, ...] = ((3, 10), (3, 13), (4, 0), (4, 3))
_LAZY_IS_DEFAULT, _FOUR, _STRICT_PRIORITIES = (3, 12), (4, 0), (4, 3)
_USEFUL_PRIORITIES = 10
_NUMBER, _TEXT, _SWITCH = (int,), (str,), (bool,)

# What `queue.declare` takes, by the type of its value. RabbitMQ ignores the others without a word.
ARGUMENTS: Mapping[str, tuple[type, ...]] = {
    "x-queue-type": _TEXT,
    "x-max-priority": _NUMBER,
    "x-message-ttl": _NUMBER,
    "x-expires": _NUMBER,
    "x-max-length": _NUMBER,
    "x-max-length-bytes": _NUMBER,
    "x-overflow": _TEXT,
    "x-dead-letter-exchange": _TEXT,
    "x-dead-letter-routing-key": _TEXT,
    "x-dead-letter-strategy": _TEXT,
    "x-single-active-consumer": _SWITCH,
    "x-consumer-timeout": _NUMBER,
    "x-queue-mode": _TEXT,
    "x-queue-version": _NUMBER,
    "x-queue-master-locator": _TEXT,
    "x-queue-leader-locator": _TEXT,
    "x-quorum-initial-group-size": _NUMBER,
    "x-quorum-target-group-size": _NUMBER,
    "x-delivery-limit": _NUMBER,
    "x-max-in-memory-length": _NUMBER,
    "x-max-in-memory-bytes": _NUMBER,
}
_CALLED = {int: "a number", str: "text", bool: "true or false"}


@dataclass(frozen=True, slots=True)
class Broker:
    """The versions that a topology is to run on; all that are supported unless one is named."""

    versions: tuple[Version, ...] = SUPPORTED

    def some(self, holds: Callable[[Version], bool]) -> bool:
        return any(holds(version) for version in self.versions)


def broker_of(version: Version | None) -> Broker:
    """That of one version; of all that are supported for None."""
    return Broker() if version is None else Broker((version,))


def check_broker(topology: Topology, document: Document, broker: Broker) -> Iterator[Diagnostic]:
    """Arguments, and what the broker's versions do with queues, priorities and headers."""
    for key in topology.queues:
        yield from _arguments(key, topology, document)
        yield from _queue(key, topology, document, broker)
    yield from _priorities(topology, document, broker)
    if broker.some(lambda version: version >= _FOUR):
        yield from _headers(topology, document)


def _arguments(key: str, topology: Topology, document: Document) -> Iterator[Diagnostic]:
    for argument, value in topology.queues[key].arguments.items():
        path = ("queues", key, "arguments", argument)
        if argument not in ARGUMENTS:
            detail = f'"{argument}" is nothing that RabbitMQ knows.'
            near = suggest(argument, ARGUMENTS)
            yield document.diagnostic("T123", path, at_key=True, detail=detail, suggestion=near)
        elif type(value) not in ARGUMENTS[argument]:
            detail = f'"{argument}" is {_CALLED[ARGUMENTS[argument][0]]}.'
            yield document.diagnostic("T124", path, detail=detail)


def _queue(key: str, topology: Topology, document: Document, broker: Broker) -> Iterator[Diagnostic]:
    queue, path = topology.queues[key], ("queues", key)
    if queue.max_priority is not None and queue.max_priority > _USEFUL_PRIORITIES:
        yield document.diagnostic("T122", (*path, "max_priority"), suggestion=f"Use at most {_USEFUL_PRIORITIES}.")
    if not queue.durable and topology.queue_type(key) == "classic" and broker.some(lambda version: version >= _FOUR):
        yield document.diagnostic("T501", (*path, "durable"), suggestion="Leave `durable:` out.")
    if "x-queue-mode" in queue.arguments and broker.some(lambda version: version >= _LAZY_IS_DEFAULT):
        at = (*path, "arguments", "x-queue-mode")
        yield document.diagnostic("T502", at, at_key=True, suggestion="Leave it out.")
    if topology.queue_type(key) != "quorum":
        return
    dead_letter = topology.defaults.queue.dead_letter if queue.dead_letter is None else queue.dead_letter
    if dead_letter and queue.overflow == "drop-head":
        yield document.diagnostic("T215", (*path, "overflow"), suggestion="Write `overflow: reject-publish`.")
    limited = "x-delivery-limit" in queue.arguments
    if not dead_letter and not limited and broker.some(lambda version: version >= _FOUR):
        advice = "Write `dead_letter: true`, or set `x-delivery-limit` to what you mean."
        yield document.diagnostic("T503", path, at_key=True, suggestion=advice)


def _priorities(topology: Topology, document: Document, broker: Broker) -> Iterator[Diagnostic]:
    """Messages with a priority that a stage takes from a quorum queue."""
    if not broker.some(lambda version: version < _STRICT_PRIORITIES):
        return
    for name, stage in topology.stages.items():
        for key, messages in stage.from_.items():
            if key not in topology.queues or topology.queue_type(key) != "quorum":
                continue
            for index, message in enumerate(messages):
                contract = topology.messages.get(message)
                if contract is not None and contract.priority is not None:
                    detail = f'"{message}" has priority {contract.priority}: {_what_priority_does(broker.versions)}'
                    yield document.diagnostic("T504", ("stages", name, "from", key, index), detail=detail)


def _what_priority_does(versions: Sequence[Version]) -> str:
    said = []
    if any(version < _FOUR for version in versions):
        said.append("before 4.0 it is ignored")
    if any(_FOUR <= version < _STRICT_PRIORITIES for version in versions):
        said.append("from 4.0 to 4.2 there are two classes, above 4 and not, served two to one")
    return f"{'; '.join(said)}."


def _headers(topology: Topology, document: Document) -> Iterator[Diagnostic]:
    """Numbers that headers exchanges compare in one way up to 3.13, and in another from 4.0 on."""
    for key, queue in topology.queues.items():
        for index, binding in enumerate(queue.bindings):
            source = topology.exchanges.get(binding.source)
            if source is None or source.type != "headers":
                continue
            for name, value in binding.arguments.items():
                if _whole_fraction(value):
                    path = ("queues", key, "bindings", index, "arguments", name)
                    yield document.diagnostic("T505", path, suggestion=f"Write {int(value)}, if publishers send that.")


def _whole_fraction(value: Any) -> bool:
    return isinstance(value, float) and value.is_integer()
