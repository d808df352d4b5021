from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from pipeline.topology.code_examples import BASE
from pipeline.topology.diagnostics import Diagnostic
from pipeline.topology.load import inspect
from pipeline.topology.model import Topology

Lint = Callable[..., tuple[Topology | None, list[Diagnostic]]]


@pytest.fixture
def lint(tmp_path: Path) -> Lint:
    """Text or bytes of a file, and the environment, to its topology and what is found in it."""

    def linted(
        content: str | bytes, environment: Mapping[str, str] | None = None
    ) -> tuple[Topology | None, list[Diagnostic]]:
        path = tmp_path / "topology.yaml"
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        topology, _, diagnostics = inspect(path, environment or {})
        return topology, diagnostics

    return linted


@pytest.fixture
def base() -> str:
    """A small topology in which nothing is wrong."""
    return BASE
