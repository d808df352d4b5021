"""From the environment and the file to a checked topology."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pipeline.app.references import add_to_path, broken_references
from pipeline.errors import PipelineError
from pipeline.settings import Settings
from pipeline.topology.definitions import Definitions
from pipeline.topology.diagnostics import Diagnostic, InvalidTopology, in_order
from pipeline.topology.document import Document
from pipeline.topology.expand import definitions_of
from pipeline.topology.load import inspect
from pipeline.topology.model import Topology
from pipeline.topology.overlay import overlay_of, profiles_of
from pipeline.topology.values import Version

# These are also how strict the API is, and need no file.
_WITHOUT_FILE = ("dev", "prod")


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
    return load_with(make_settings(file))


def load_with(settings: Settings) -> Loaded:
    """The same, with settings that are there. Raises InvalidTopology."""
    topology, _, diagnostics = _inspect(settings)
    if topology is None or any(each.is_error for each in diagnostics):
        raise InvalidTopology(diagnostics)
    return Loaded(settings, topology, definitions_of(topology), settings.pipeline_topology.absolute().parent)


def topology_files(settings: Settings) -> tuple[Path, ...]:
    """The topology's file, and the profile's over it if there is one. Raises PipelineError for an unknown profile."""
    file, profile = settings.pipeline_topology, settings.pipeline_profile
    over = overlay_of(file, profile)
    if over.exists():
        return file, over
    if profile not in _WITHOUT_FILE and file.exists():
        known = sorted({*_WITHOUT_FILE, *profiles_of(file)})
        raise PipelineError(
            f'There is no profile "{profile}"',
            where=str(over),
            fix=f"Write that file, or use one of: {', '.join(known)}",
        )
    return (file,)


def inspect_file(
    file: Path | None = None, version: Version | None = None
) -> tuple[Topology | None, Document | None, list[Diagnostic]]:
    """The topology with its references to code looked up, its document, all errors and warnings; no code is run."""
    return _inspect(make_settings(file), version)


def _inspect(
    settings: Settings, version: Version | None = None
) -> tuple[Topology | None, Document | None, list[Diagnostic]]:
    topology, document, diagnostics = inspect(
        settings.pipeline_topology, overlays=topology_files(settings)[1:], version=version
    )
    if topology is None or document is None:
        return None, document, diagnostics
    add_to_path(settings.pipeline_topology.absolute().parent)
    for broken in broken_references(topology):
        found = document.diagnostic("T301", broken.path, detail=broken.problem, suggestion=broken.suggestion)
        diagnostics.append(found)
    return topology, document, in_order(diagnostics)
