"""From the environment and the file to a checked topology."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pipeline.app.references import add_to_path, broken_references
from pipeline.settings import Settings
from pipeline.topology.definitions import Definitions
from pipeline.topology.diagnostics import Diagnostic, InvalidTopology, in_order
from pipeline.topology.expand import definitions_of
from pipeline.topology.load import inspect
from pipeline.topology.model import Topology


@dataclass(frozen=True, slots=True)
class Loaded:
    """A topology without errors, and the settings it is used with."""

    settings: Settings
    topology: Topology
    definitions: Definitions
    folder: Path


def make_settings(file: Path | None) -> Settings:
    """The environment's settings; `file` overrides PIPELINE_TOPOLOGY."""
    return Settings() if file is None else Settings(pipeline_topology=file)


def load(file: Path | None = None) -> Loaded:
    """Load and check everything. Raises InvalidTopology with all errors at once."""
    settings = make_settings(file)
    topology, diagnostics = _inspect(settings)
    if topology is None or any(each.is_error for each in diagnostics):
        raise InvalidTopology(diagnostics)
    return Loaded(settings, topology, definitions_of(topology), settings.pipeline_topology.absolute().parent)


def inspect_topology(file: Path | None = None) -> list[Diagnostic]:
    """All errors and warnings of the file."""
    return _inspect(make_settings(file))[1]


def _inspect(settings: Settings) -> tuple[Topology | None, list[Diagnostic]]:
    """The topology with its references to code looked up; no code of it is run."""
    topology, document, diagnostics = inspect(settings.pipeline_topology)
    if topology is None or document is None:
        return None, diagnostics
    add_to_path(settings.pipeline_topology.absolute().parent)
    for broken in broken_references(topology):
        found = document.diagnostic("T301", broken.path, detail=broken.problem, suggestion=broken.suggestion)
        diagnostics.append(found)
    return topology, in_order(diagnostics)
