"""What the pipeline makes for dead letters as soon as a file has one queue with them: no file can declare it."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import Any

from pipeline.topology.definitions import BindingDefinition, Definitions
from pipeline.topology.expand import by_queue
from pipeline.topology.model import Topology


@dataclass(frozen=True, slots=True)
class Plumbing:
    """Definitions with and without it.

    Attributes:
        rest: what is left.
        queue_type: of the queue with the audit trail, None where there is none: the file's default.
        bindings: those that lead to or from what was taken out.
    """

    rest: Definitions
    queue_type: Any
    bindings: tuple[BindingDefinition, ...]

    def foreign(self, name: str, buried: Collection[str]) -> list[BindingDefinition]:
        """Bindings that the pipeline would not make for a topology of that name with these dead-letter queues."""
        topology = Topology(version=1, name=name)
        entry, behind, audit = topology.dead_letter_exchange, by_queue(topology), topology.audit_queue
        ours = {
            BindingDefinition(entry, behind, "exchange", "#").identity,
            BindingDefinition(entry, audit, "queue", audit).identity,
            *(BindingDefinition(behind, each, "queue", each).identity for each in buried),
        }
        return [binding for binding in self.bindings if binding.identity not in ours]


def take_out(definitions: Definitions, name: str) -> Plumbing:
    """By the names that the topology's name gives them."""
    topology = Topology(version=1, name=name)
    exits, audit = (topology.dead_letter_exchange, by_queue(topology)), topology.audit_queue

    def leads_there(binding: BindingDefinition) -> bool:
        to_queue = binding.destination_type == "queue"
        return binding.source in exits or binding.destination in ((audit,) if to_queue else exits)

    kinds = [each.arguments.get("x-queue-type", "classic") for each in definitions.queues if each.name == audit]
    rest = replace(
        definitions,
        exchanges=tuple(each for each in definitions.exchanges if each.name not in exits),
        queues=tuple(each for each in definitions.queues if each.name != audit),
        bindings=tuple(each for each in definitions.bindings if not leads_there(each)),
        policies=tuple(each for each in definitions.policies if each.name != f"{name}.{audit}"),
    )
    return Plumbing(rest, next(iter(kinds), None), tuple(filter(leads_there, definitions.bindings)))
