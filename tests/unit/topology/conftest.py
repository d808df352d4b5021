from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

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


BASE = """\
version: 1
name: small
retries:
  standard: {delays: [5s, 30s]}
defaults:
  stage: {retry: standard}
exchanges:
  events: {type: topic}
  buried: {type: fanout}
queues:
  work:
    bindings:
      - source: events
        routing_key: task.created
    dead_letter: {exchange: buried}
  grave:
    bindings: [{source: buried}]
    external: true
    dead_letter: false
messages:
  task.created: {model: "models:Task", exchange: events}
sources:
  watcher: {run: "models:watch", emits: [task.created]}
stages:
  handle:
    from: {work: [task.created]}
    run: ["models:first", {all: ["models:second"]}]
tests:
  - publish: {exchange: events, routing_key: task.created}
    reaches: [work]
"""
