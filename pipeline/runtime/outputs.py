"""What a stage's steps gave: messages to publish, a completion, cancellations."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from pydantic import BaseModel

from pipeline.errors import ErrorCode, Permanent
from pipeline.messages.message import derive_message_id
from pipeline.runtime.contracts import Contracts
from pipeline.stage import Cancel, Completed, Emit


@dataclass(slots=True)
class Outputs:
    """Sorted by kind; messages in the order they were given."""

    messages: list[tuple[Emit, str]] = field(default_factory=list)
    completed: Completed | None = None
    cancels: list[Cancel] = field(default_factory=list)


class Emitter:
    """Names a stage's or a source's outputs, and gives them their message ids.

    Args:
        kind, name: "Stage" or "Source", and what the topology calls it.
        emits: the messages it may publish.
    """

    def __init__(self, kind: str, name: str, emits: Sequence[str], contracts: Contracts) -> None:
        self._kind = kind
        self._name = name
        self._emits = tuple(emits)
        self._contracts = contracts
        self._names: dict[type, str] = {}

    def sort(self, values: Sequence[Any], input_id: str | None) -> Outputs:
        """Name and identify what a stage gave for one input. Raises Permanent for what cannot be published."""
        outputs = Outputs()
        for position, value in enumerate(values):
            if isinstance(value, Completed):
                outputs.completed = value
            elif isinstance(value, Cancel):
                outputs.cancels.append(value)
            else:
                emit = self.emit(value)
                outputs.messages.append((emit, self._message_id(emit, input_id, position)))
        return outputs

    def emit(self, value: Any) -> Emit:
        """The value as a message under its name. Raises Permanent."""
        if isinstance(value, Emit):
            if value.message not in self._emits:
                raise self._refused(f"emits {value.message!r}, which the topology does not list under its `emits`")
            return value
        if not isinstance(value, BaseModel):
            raise self._refused(f"gives {type(value).__name__}, which is not a message")
        name = self._names.get(type(value))
        if name is None:
            name = self._names[type(value)] = self._name_of(type(value))
        return Emit(name, value)

    def _name_of(self, model: type[BaseModel]) -> str:
        names = self._contracts.names_of(model, self._emits)
        if len(names) == 1:
            return names[0]
        if not names:
            raise self._refused(f"gives {model.__name__}, which is no message under its `emits`")
        raise self._refused(f"gives {model.__name__}, which may be {' or '.join(names)}: say which one by Emit")

    def _message_id(self, emit: Emit, input_id: str | None, position: int) -> str:
        if emit.identity is not None:
            return derive_message_id(emit.message, emit.identity)
        return str(uuid.uuid4()) if input_id is None else derive_message_id(input_id, self._name, position)

    def _refused(self, what: str) -> Permanent:
        return Permanent(f"{self._kind} {self._name} {what}", ErrorCode.INTERNAL_ERROR)
