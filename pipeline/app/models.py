"""The models that a topology names for its messages."""

from __future__ import annotations

from pydantic import BaseModel

from pipeline.app.references import resolve
from pipeline.runtime.contracts import Contracts
from pipeline.topology.model import Topology


def models_of(topology: Topology) -> dict[str, type[BaseModel]]:
    """Every message's model, imported. Raises PipelineError where one is none, or cannot be imported."""
    return Contracts(topology, resolve).models(topology.messages)
