"""Which queues a message reaches: RabbitMQ's four exchange types, exchange-to-exchange and alternate exchanges."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from pipeline.topology.definitions import BindingDefinition, ExchangeDefinition


def topic_matches(pattern: str, routing_key: str) -> bool:
    """Words are separated by dots; `*` is one word, `#` any number of them, none included."""
    words = routing_key.split(".")
    reached = {0}
    for part in pattern.split("."):
        if part == "#":
            reached = set(range(min(reached), len(words) + 1)) if reached else reached
        else:
            reached = {at + 1 for at in reached if at < len(words) and part in ("*", words[at])}
    return len(words) in reached


def headers_match(arguments: Mapping[str, Any], headers: Mapping[str, Any]) -> bool:
    """A headers binding: `x-match` all, any, all-with-x or any-with-x; None asks only for the header's presence."""
    mode = arguments.get("x-match", "all")
    skipped = ("x-match",) if mode.endswith("-with-x") else ("x-",)
    wanted = ((key, value) for key, value in arguments.items() if not key.startswith(skipped))
    results = (key in headers and (value is None or _same(value, headers[key])) for key, value in wanted)
    return all(results) if mode.startswith("all") else any(results)


def _same(wanted: Any, value: Any) -> bool:
    # 1, 1.0 and true are equal in Python and different on the wire.
    return type(wanted) is type(value) and bool(wanted == value)


class Router:
    """Bindings compiled for one lookup per message."""

    def __init__(
        self,
        exchanges: Iterable[ExchangeDefinition],
        bindings: Iterable[BindingDefinition],
        alternates: Mapping[str, str],
    ) -> None:
        self._types = {exchange.name: exchange.type for exchange in exchanges}
        self._alternates = alternates
        self._bindings: dict[str, list[BindingDefinition]] = {}
        self._exact: dict[str, dict[str, list[BindingDefinition]]] = {}
        for binding in bindings:
            kind = self._types[binding.source]
            if kind == "direct" or (kind == "topic" and not {"*", "#"} & set(binding.routing_key.split("."))):
                self._exact.setdefault(binding.source, {}).setdefault(binding.routing_key, []).append(binding)
            else:
                self._bindings.setdefault(binding.source, []).append(binding)

    def queues(self, exchange: str, routing_key: str, headers: Mapping[str, Any]) -> tuple[list[str], bool]:
        """Names of the queues reached, each once, and whether headers had a say."""
        reached: dict[str, None] = {}
        by_headers = False
        seen = {exchange}
        waiting = [exchange]
        for name in waiting:
            kind = self._types[name]
            by_headers = by_headers or kind == "headers"
            matching = [b for b in self._bindings.get(name, ()) if _matches(kind, b, routing_key, headers)]
            matching += self._exact.get(name, {}).get(routing_key, ())
            nexts = [b.destination for b in matching if b.destination_type == "exchange"]
            if not matching and (alternate := self._alternates.get(name)) in self._types:
                nexts.append(alternate)
            waiting += [each for each in dict.fromkeys(nexts) if each not in seen]
            seen.update(nexts)
            reached.update(dict.fromkeys(b.destination for b in matching if b.destination_type == "queue"))
        return list(reached), by_headers


def _matches(kind: str, binding: BindingDefinition, routing_key: str, headers: Mapping[str, Any]) -> bool:
    match kind:
        case "fanout":
            return True
        case "topic":
            return topic_matches(binding.routing_key, routing_key)
        case "headers":
            return headers_match(binding.arguments, headers)
        case _:
            return binding.routing_key == routing_key
