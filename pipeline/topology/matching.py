"""Which bindings of one exchange a message matches, compiled by exchange type.

Each matcher answers two questions: which bindings match a message, and which may match some message with this
routing key, whatever its headers are.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Protocol
from zlib import crc32

from pipeline.topology.definitions import BindingDefinition, ExchangeDefinition

Bindings = list[BindingDefinition]


class Matcher(Protocol):
    """The bindings of one exchange.

    Attributes:
        by_headers: whether headers decide, so that the routing key alone does not tell.
    """

    by_headers: bool

    def matching(self, routing_key: str, headers: Mapping[str, Any]) -> Bindings:
        """The bindings that the message matches."""
        ...

    def possible(self, routing_key: str) -> Bindings:
        """The bindings that a message with this routing key may match."""
        ...


ROUTED_TYPES = frozenset({"direct", "topic", "fanout", "headers", "x-consistent-hash"})


def matcher_for(exchange: ExchangeDefinition, bindings: Iterable[BindingDefinition]) -> Matcher:
    """Compile an exchange's bindings. Raises ValueError for an exchange type that is not known."""
    match exchange.type:
        case "direct":
            return DirectMatcher(bindings)
        case "topic":
            return TopicMatcher(bindings)
        case "fanout":
            return FanoutMatcher(bindings)
        case "headers":
            return HeadersMatcher(bindings)
        case "x-consistent-hash":
            return ConsistentHashMatcher(bindings, exchange.arguments)
        case unknown:
            raise ValueError(f"The exchange {exchange.name!r} has the type {unknown!r}, whose routing is not known")


class DirectMatcher:
    """The routing keys are equal."""

    by_headers = False

    def __init__(self, bindings: Iterable[BindingDefinition]) -> None:
        self._by_key: dict[str, Bindings] = {}
        for binding in bindings:
            self._by_key.setdefault(binding.routing_key, []).append(binding)

    def matching(self, routing_key: str, headers: Mapping[str, Any]) -> Bindings:
        return self.possible(routing_key)

    def possible(self, routing_key: str) -> Bindings:
        return self._by_key.get(routing_key, [])


class FanoutMatcher:
    """Every binding, whatever its key."""

    by_headers = False

    def __init__(self, bindings: Iterable[BindingDefinition]) -> None:
        self._bindings = list(bindings)

    def matching(self, routing_key: str, headers: Mapping[str, Any]) -> Bindings:
        return self._bindings

    def possible(self, routing_key: str) -> Bindings:
        return self._bindings


class _Node:
    """A prefix of patterns: what follows by word, and the bindings whose pattern ends here."""

    __slots__ = ("bindings", "next", "repeats")

    def __init__(self, *, repeats: bool) -> None:
        self.next: dict[str, _Node] = {}
        self.bindings: Bindings = []
        self.repeats = repeats


class TopicMatcher:
    """Patterns of words separated by dots: `*` is exactly one word, `#` any number of them, none included.

    A trie of the patterns walked as a nondeterministic automaton, so that the time depends on the words of the
    key and the branches that fit, not on how many patterns there are, nor exponentially on the number of `#`.
    """

    by_headers = False

    def __init__(self, bindings: Iterable[BindingDefinition]) -> None:
        self._root = _Node(repeats=False)
        for binding in bindings:
            node = self._root
            for word in words_of(binding.routing_key):
                if word not in node.next:
                    node.next[word] = _Node(repeats=word == "#")
                node = node.next[word]
            node.bindings.append(binding)

    def matching(self, routing_key: str, headers: Mapping[str, Any]) -> Bindings:
        return self.possible(routing_key)

    def possible(self, routing_key: str) -> Bindings:
        reached = _with_empty_repeats([self._root])
        for word in words_of(routing_key):
            following = [node for node in reached if node.repeats]
            for node in reached:
                # A key may hold the wildcards as plain words, and then its own node must not be taken twice.
                following += [node.next[each] for each in {word, "*"} if each in node.next and each != "#"]
            reached = _with_empty_repeats(following)
        return [binding for node in reached for binding in node.bindings]


def words_of(key: str) -> list[str]:
    """The words of a routing key or pattern; the empty one has none, and `a.` has two, of which the last is empty."""
    return key.split(".") if key else []


def _with_empty_repeats(nodes: list[_Node]) -> list[_Node]:
    """The nodes and what is reached from them by a `#` that stands for no word; each once."""
    reached = dict.fromkeys(nodes)
    waiting = list(reached)
    for node in waiting:
        repeat = node.next.get("#")
        if repeat is not None and repeat not in reached:
            reached[repeat] = None
            waiting.append(repeat)
    return waiting


class HeadersMatcher:
    """A binding's arguments are compared with the message's headers; `x-match` says whether all or any must fit."""

    by_headers = True

    def __init__(self, bindings: Iterable[BindingDefinition]) -> None:
        self._bindings = list(bindings)

    def matching(self, routing_key: str, headers: Mapping[str, Any]) -> Bindings:
        return [binding for binding in self._bindings if headers_match(binding.arguments, headers)]

    def possible(self, routing_key: str) -> Bindings:
        return self._bindings


def headers_match(arguments: Mapping[str, Any], headers: Mapping[str, Any]) -> bool:
    """Whether a headers binding takes a message with these headers.

    `x-match` is `all` (default), `any`, or either with `-with-x`, without which arguments that begin with `x-`
    are not compared. An argument without a value asks only that the header is there. Values of different AMQP
    types differ, 1 is not true, but numbers are compared by value: 1 is 1.0 (seen on RabbitMQ 3.10).
    """
    mode = str(arguments.get("x-match", "all"))
    with_x = mode.endswith("-with-x")
    found = (
        name in headers and (value is None or _same(value, headers[name]))
        for name, value in arguments.items()
        if name != "x-match" and (with_x or not name.startswith("x-"))
    )
    return any(found) if mode.startswith("any") else all(found)


def _same(wanted: Any, value: Any) -> bool:
    numbers = type(wanted) in (int, float) and type(value) in (int, float)
    return (numbers or type(wanted) is type(value)) and bool(wanted == value)


class ConsistentHashMatcher:
    """One of the bindings, always the same for the same hashed value, in proportion to the weights in their keys.

    The choice is stable and balanced as RabbitMQ's plugin makes it, but it need not be the same binding: the
    plugin's ring depends on the order in which bindings were made. Rendezvous hashing, Thaler and Ravishankar 1998.
    """

    def __init__(self, bindings: Iterable[BindingDefinition], arguments: Mapping[str, Any]) -> None:
        self._bindings = list(bindings)
        self._header = arguments.get("hash-header")
        self.by_headers = self._header is not None

    def matching(self, routing_key: str, headers: Mapping[str, Any]) -> Bindings:
        hashed = routing_key if self._header is None else str(headers.get(self._header, ""))
        return [max(self._bindings, key=lambda binding: self._score(binding, hashed))] if self._bindings else []

    def possible(self, routing_key: str) -> Bindings:
        return self._bindings

    def _score(self, binding: BindingDefinition, hashed: str) -> int:
        weight = int(binding.routing_key) if binding.routing_key.isdecimal() else 1
        points = (f"{hashed}\x1f{binding.destination}\x1f{point}" for point in range(max(1, min(weight, 100))))
        return max(crc32(point.encode()) for point in points)
