"""Which queues a message reaches. Pure: the definitions are all it knows, and the embedded broker asks it too."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from pipeline.topology.definitions import BindingDefinition, Definitions, ExchangeDefinition, PolicyDefinition
from pipeline.topology.matching import Bindings, Matcher, matcher_for

_REMEMBERED = 10_000
_NO_HEADERS: Mapping[str, Any] = {}


def route(
    definitions: Definitions, exchange: str, routing_key: str, headers: Mapping[str, Any] | None = None
) -> tuple[str, ...]:
    """Names of the queues that a message published so reaches, sorted. Raises KeyError for an unknown exchange."""
    return Router.of(definitions).route(exchange, routing_key, headers)


class Router:
    """Definitions compiled for many look-ups; answers that do not depend on headers are remembered.

    Args:
        exchanges, bindings: by their names on the broker; a binding of an exchange that is not there is ignored.
        queues: names of all queues, which the default exchange reaches by name.
        alternates: exchange to its alternate exchange.
    """

    def __init__(
        self,
        exchanges: Iterable[ExchangeDefinition],
        queues: Iterable[str],
        bindings: Iterable[BindingDefinition],
        alternates: Mapping[str, str],
    ) -> None:
        by_source: dict[str, Bindings] = {}
        for binding in bindings:
            by_source.setdefault(binding.source, []).append(binding)
        self._matchers: dict[str, Matcher] = {
            exchange.name: matcher_for(exchange, by_source.get(exchange.name, ())) for exchange in exchanges
        }
        self._queues = frozenset(queues)
        self._alternates = {name: other for name, other in alternates.items() if other in self._matchers}
        self._remembered: dict[tuple[str, str], tuple[str, ...]] = {}

    @classmethod
    def of(cls, definitions: Definitions) -> Router:
        """The router of a set of definitions."""
        queues = (queue.name for queue in definitions.queues)
        return cls(definitions.exchanges, queues, definitions.bindings, alternates_of(definitions))

    def route(self, exchange: str, routing_key: str, headers: Mapping[str, Any] | None = None) -> tuple[str, ...]:
        """Names of the queues reached, sorted, each once. Raises KeyError for an unknown exchange."""
        known = self._remembered.get((exchange, routing_key))
        if known is not None:
            return known
        by_headers = False
        queues = {routing_key} & self._queues if not exchange else set()
        for matcher, bindings in self._walk(exchange, routing_key, headers or _NO_HEADERS):
            by_headers = by_headers or matcher.by_headers
            queues.update(binding.destination for binding in bindings if binding.destination_type == "queue")
        found = tuple(sorted(queues))
        if not by_headers:
            if len(self._remembered) >= _REMEMBERED:
                self._remembered.clear()
            self._remembered[exchange, routing_key] = found
        return found

    def bindings_taken(self, exchange: str, routing_key: str, headers: Mapping[str, Any]) -> list[BindingDefinition]:
        """The bindings that the message comes through. Raises KeyError for an unknown exchange."""
        return [binding for _, bindings in self._walk(exchange, routing_key, headers) for binding in bindings]

    def possible(self, exchange: str, routing_key: str) -> tuple[set[str], list[BindingDefinition]]:
        """Queues that some message with this routing key reaches, whatever its headers, and the bindings it may take.

        Raises KeyError for an unknown exchange.
        """
        taken = [binding for _, bindings in self._walk(exchange, routing_key, None) for binding in bindings]
        queues = {binding.destination for binding in taken if binding.destination_type == "queue"}
        return queues if exchange else {routing_key} & self._queues, taken

    def _walk(
        self, exchange: str, routing_key: str, headers: Mapping[str, Any] | None
    ) -> Iterator[tuple[Matcher, Bindings]]:
        """Each exchange that the message comes through, once, with the bindings it takes there (None: may take)."""
        if exchange and exchange not in self._matchers:
            raise KeyError(exchange)
        order = [exchange] if exchange else []
        seen = set(order)
        for name in order:
            matcher = self._matchers[name]
            bindings = matcher.possible(routing_key) if headers is None else matcher.matching(routing_key, headers)
            yield matcher, bindings
            onward = [binding.destination for binding in bindings if binding.destination_type == "exchange"]
            # Where headers may rule all of them out, the alternate is possible beside them.
            if not bindings or (headers is None and matcher.by_headers):
                onward += filter(None, [self._alternates.get(name)])
            new = [each for each in dict.fromkeys(onward) if each in self._matchers and each not in seen]
            order += new
            seen.update(new)


def alternates_of(definitions: Definitions) -> dict[str, str]:
    """Exchange to alternate exchange: its own argument, or else the policy of the highest priority."""
    policies = sorted(
        (policy for policy in definitions.policies if policy.apply_to in ("exchanges", "all")),
        key=lambda policy: policy.priority,
        reverse=True,
    )
    by_name: dict[str, PolicyDefinition] = {}
    by_pattern = []
    for policy in policies:
        if policy.exact_name is None:
            by_pattern.append(policy)
        else:
            by_name.setdefault(policy.exact_name, policy)
    alternates = {}
    for exchange in definitions.exchanges:
        candidates = [policy for policy in by_pattern if policy.matches(exchange.name)][:1]
        candidates += filter(None, [by_name.get(exchange.name)])
        winner = max(candidates, key=lambda each: each.priority, default=None)
        alternate = winner.definition.get("alternate-exchange") if winner else None
        alternate = exchange.arguments.get("alternate-exchange", alternate)
        if alternate is not None:
            alternates[exchange.name] = alternate
    return alternates
