"""The models and the examples that a topology names for its messages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import BaseModel

from pipeline.app.references import resolve
from pipeline.errors import PipelineError
from pipeline.runtime.acceptance import Acceptance
from pipeline.runtime.contracts import Contracts
from pipeline.topology.model import Topology


def models_of(topology: Topology) -> dict[str, type[BaseModel]]:
    """Every message's model, imported. Raises PipelineError where one is none, or cannot be imported."""
    return Contracts(topology, resolve).models(topology.messages)


def acceptance_of(topology: Topology) -> Acceptance:
    """Whether a queue's stage would take a message; models are imported when a message asks for them."""
    return Acceptance(topology, Contracts(topology, resolve))


def examples_of(topology: Topology) -> Mapping[str, Sequence[Any]]:
    """Bodies by message name, empty where the topology names none. Raises PipelineError."""
    if topology.examples is None:
        return {}
    found = resolve(topology.examples)
    if not isinstance(found, Mapping) or not all(isinstance(bodies, Sequence) for bodies in found.values()):
        raise PipelineError(
            f"{topology.examples} is not a mapping of message names to lists of bodies", where="examples"
        )
    return found
