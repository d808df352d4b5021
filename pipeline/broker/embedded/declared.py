"""What is declared on the embedded broker, as immutable sets that are replaced as a whole."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from pipeline.errors import PipelineError
from pipeline.topology.definitions import (
    BindingDefinition,
    Definitions,
    ExchangeDefinition,
    PolicyDefinition,
    QueueDefinition,
)
from pipeline.topology.matching import matcher_for

_OWN = {
    name: ExchangeDefinition(name, kind)
    for name, kind in (
        ("amq.direct", "direct"),
        ("amq.topic", "topic"),
        ("amq.fanout", "fanout"),
        ("amq.headers", "headers"),
        ("amq.match", "headers"),
    )
}
_Definition = TypeVar("_Definition", ExchangeDefinition, QueueDefinition)


@dataclass(frozen=True, slots=True)
class Declared:
    """Exchanges, queues and policies by name, bindings by identity. Every method returns a new set."""

    exchanges: Mapping[str, ExchangeDefinition] = field(default_factory=lambda: dict(_OWN))
    queues: Mapping[str, QueueDefinition] = field(default_factory=dict)
    bindings: Mapping[tuple[Any, ...], BindingDefinition] = field(default_factory=dict)
    policies: Mapping[str, PolicyDefinition] = field(default_factory=dict)

    def definitions(self) -> Definitions:
        return Definitions(
            exchanges=tuple(self.exchanges[name] for name in sorted(self.exchanges) if name not in _OWN),
            queues=tuple(self.queues[name] for name in sorted(self.queues)),
            bindings=tuple(self.bindings[identity] for identity in sorted(self.bindings)),
            policies=tuple(self.policies[name] for name in sorted(self.policies)),
        )

    def merged(self, definitions: Definitions) -> Declared:
        """Raises PipelineError for other immutable arguments, unknown exchange types, bindings to nowhere."""
        for exchange in definitions.exchanges:
            try:
                matcher_for(exchange, ())
            except ValueError as error:
                raise PipelineError(str(error), fix="Use another type, or a RabbitMQ that has it") from None
        exchanges = _joined("Exchange", self.exchanges, definitions.exchanges)
        queues = _joined("Queue", self.queues, definitions.queues)
        for binding in definitions.bindings:
            destinations = queues if binding.destination_type == "queue" else exchanges
            if binding.source not in exchanges or binding.destination not in destinations:
                missing = binding.destination if binding.source in exchanges else binding.source
                raise PipelineError(
                    f"A binding from {binding.source} to {binding.destination} needs {missing}, which is not declared",
                    fix=f"Declare {missing}, or remove the binding",
                )
        return Declared(
            exchanges,
            queues,
            {**self.bindings, **{binding.identity: binding for binding in definitions.bindings}},
            {**self.policies, **{policy.name: policy for policy in definitions.policies}},
        )

    def without_queue(self, name: str) -> Declared:
        return replace(
            self,
            queues={key: queue for key, queue in self.queues.items() if key != name},
            bindings=self._bindings_without(name, "queue"),
        )

    def without_exchange(self, name: str) -> Declared:
        return replace(
            self,
            exchanges={key: exchange for key, exchange in self.exchanges.items() if key != name or key in _OWN},
            bindings=self._bindings_without(name, "exchange"),
        )

    def without_binding(self, binding: BindingDefinition) -> Declared:
        kept = {key: other for key, other in self.bindings.items() if key != binding.identity}
        return replace(self, bindings=kept)

    def without_policy(self, name: str) -> Declared:
        return replace(self, policies={key: policy for key, policy in self.policies.items() if key != name})

    def _bindings_without(self, name: str, type: str) -> dict[tuple[Any, ...], BindingDefinition]:
        return {
            identity: binding
            for identity, binding in self.bindings.items()
            if not (
                (binding.destination == name and binding.destination_type == type)
                or (type == "exchange" and binding.source == name)
            )
        }


def _joined(kind: str, there: Mapping[str, _Definition], wanted: tuple[_Definition, ...]) -> dict[str, _Definition]:
    joined = dict(there)
    for definition in wanted:
        present = joined.setdefault(definition.name, definition)
        if _immutable(present) != _immutable(definition):
            raise PipelineError(
                f"{kind} {definition.name} exists with other immutable settings",
                where=definition.name,
                fix="Restart on an empty broker, or give it another name",
            )
    return joined


def _immutable(definition: ExchangeDefinition | QueueDefinition) -> ExchangeDefinition | QueueDefinition:
    # A queue without a type is a classic one.
    arguments = {
        key: value for key, value in definition.arguments.items() if (key, value) != ("x-queue-type", "classic")
    }
    return replace(definition, arguments=arguments)
