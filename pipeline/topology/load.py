"""From a file to a topology: everything that is wrong with it, at once and in its place."""

from __future__ import annotations

import gc
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from pipeline.topology.check import check
from pipeline.topology.diagnostics import Diagnostic, InvalidTopology, in_order
from pipeline.topology.document import Document, read_document
from pipeline.topology.model import Topology
from pipeline.topology.shape import validate
from pipeline.topology.source import read_source


def load(path: str | Path, environment: Mapping[str, str] = os.environ) -> Topology:
    """The file's topology. Raises InvalidTopology with all errors."""
    topology, _, diagnostics = inspect(path, environment)
    if topology is None or any(each.is_error for each in diagnostics):
        raise InvalidTopology(diagnostics)
    return topology


def inspect(
    path: str | Path, environment: Mapping[str, str] = os.environ
) -> tuple[Topology | None, Document | None, list[Diagnostic]]:
    """What can be read of the topology; the document, for more findings; errors and warnings, by position."""
    source = read_source(path)
    if isinstance(source, Diagnostic):
        return None, None, [source]
    with _without_collection():
        document, diagnostics = read_document(source, environment)
        if diagnostics:
            return None, document, in_order(diagnostics)
        topology, diagnostics = validate(document)
        if topology is not None:
            diagnostics += check(topology, document, whole=not diagnostics)
        return topology, document, in_order(diagnostics)


@contextmanager
def _without_collection() -> Iterator[None]:
    """Everything read is kept to the end: looking for garbage in it would take half of the time."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()
