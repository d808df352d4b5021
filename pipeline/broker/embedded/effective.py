"""What is in force for a queue: its own arguments, and the one policy that applies to it.

Source: RabbitMQ, "Parameters and Policies": the matching policy with the highest priority applies, alone; an
argument wins over the policy's key, except for numbers, where the lower one does.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from pipeline.errors import PipelineError
from pipeline.topology.definitions import PolicyDefinition, QueueDefinition


@dataclass(frozen=True, slots=True)
class QueueSettings:
    """How a queue treats its messages. Milliseconds and bytes; None where there is no limit."""

    message_ttl: int | None = None
    dead_letter_exchange: str | None = None
    dead_letter_routing_key: str | None = None
    max_length: int | None = None
    max_length_bytes: int | None = None
    overflow: str = "drop-head"

    @property
    def rejects_when_full(self) -> bool:
        return self.overflow != "drop-head"


class Policies:
    """The policies in force, ready to be asked for a queue's. Raises PipelineError for a pattern that is none."""

    def __init__(self, policies: Iterable[PolicyDefinition]) -> None:
        self._by_name: dict[str, list[PolicyDefinition]] = {}
        self._by_pattern: list[tuple[re.Pattern[str], PolicyDefinition]] = []
        for policy in policies:
            if policy.exact_name is None:
                self._by_pattern.append((_compiled(policy), policy))
            else:
                self._by_name.setdefault(policy.exact_name, []).append(policy)

    def for_queue(self, queue: QueueDefinition) -> QueueSettings:
        kind = f"{queue.arguments.get('x-queue-type', 'classic')}_queues"
        arguments, policy = queue.arguments, self._winner(queue.name, {"queues", "all", kind})

        def text(key: str) -> str | None:
            value = arguments.get(f"x-{key}", policy.get(key))
            return None if value is None else str(value)

        def lower(key: str) -> int | None:
            given = [value for value in (arguments.get(f"x-{key}"), policy.get(key)) if value is not None]
            return min(given, default=None)

        return QueueSettings(
            message_ttl=lower("message-ttl"),
            dead_letter_exchange=text("dead-letter-exchange"),
            dead_letter_routing_key=text("dead-letter-routing-key"),
            max_length=lower("max-length"),
            max_length_bytes=lower("max-length-bytes"),
            overflow=text("overflow") or "drop-head",
        )

    def _winner(self, name: str, apply_to: set[str]) -> Mapping[str, Any]:
        matching = [policy for pattern, policy in self._by_pattern if pattern.search(name)]
        matching += self._by_name.get(name, ())
        candidates = (policy for policy in matching if policy.apply_to in apply_to)
        winner = max(candidates, key=lambda policy: policy.priority, default=None)
        return {} if winner is None else winner.definition


def _compiled(policy: PolicyDefinition) -> re.Pattern[str]:
    try:
        return re.compile(policy.pattern)
    except re.error as error:
        raise PipelineError(
            f"The pattern of policy {policy.name} is not a regular expression: {error}",
            fix="Correct the pattern; a policy for one queue is ^name$ with dots escaped",
        ) from error
