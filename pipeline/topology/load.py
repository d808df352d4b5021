"""From a file to a topology: everything that is wrong with it, at once and in its place."""

from __future__ import annotations

import gc
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from pipeline.topology.brokers import broker_of
from pipeline.topology.check import check
from pipeline.topology.diagnostics import Diagnostic, InvalidTopology, in_order
from pipeline.topology.document import Document, read_document
from pipeline.topology.model import Topology
from pipeline.topology.overlay import overlay
from pipeline.topology.shape import validate
from pipeline.topology.source import read_source
from pipeline.topology.values import Version


def load(path: str | Path, environment: Mapping[str, str] = os.environ, *, overlays: Sequence[Path] = ()) -> Topology:
    """The file's topology. Raises InvalidTopology with all errors."""
    topology, _, diagnostics = inspect(path, environment, overlays=overlays)
    if topology is None or any(each.is_error for each in diagnostics):
        raise InvalidTopology(diagnostics)
    return topology


def inspect(
    path: str | Path,
    environment: Mapping[str, str] = os.environ,
    *,
    overlays: Sequence[Path] = (),
    version: Version | None = None,
) -> tuple[Topology | None, Document | None, list[Diagnostic]]:
    """What can be read of the topology; the document, for more findings; errors and warnings, by position.

    Args:
        overlays: files laid over it, one after the other.
        version: of the broker it is to run on, instead of what the file says of that.
    """
    with _without_collection():
        document, diagnostics = _read(path, environment)
        for each in overlays:
            over, more = _read(each, environment)
            diagnostics += more
            if document is not None and over is not None and not diagnostics:
                document, diagnostics = overlay(document, over)
        if document is None or diagnostics:
            return None, document, in_order(diagnostics)
        topology, diagnostics = validate(document)
        if topology is not None:
            target = version or (topology.broker.version if topology.broker else None)
            diagnostics += check(topology, document, broker_of(target), whole=not diagnostics)
        return topology, document, in_order(diagnostics)


def _read(path: str | Path, environment: Mapping[str, str]) -> tuple[Document | None, list[Diagnostic]]:
    source = read_source(path)
    return (None, [source]) if isinstance(source, Diagnostic) else read_document(source, environment)


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
