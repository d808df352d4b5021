"""What a command imports: lint and plan are run by editors and in loops, and need neither audio nor the servers."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

from tests.acceptance.commands import ROOT, Commands

_HEAVY = {"aio_pika", "av", "fakeredis", "fastapi", "numpy", "prometheus_client", "redis", "scipy", "uvicorn"}


@pytest.mark.parametrize("command", [("lint",), ("plan",)])
def test_looking_at_the_topology_imports_nothing_heavy(commands: Commands, command: tuple[str, ...]) -> None:
    ended = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "pipeline", *command],
        cwd=ROOT,
        env=commands.environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    imported = set(re.findall(r"\| +([a-z_]+)$", ended.stderr, re.MULTILINE))
    assert "pipeline" in imported
    assert not imported & _HEAVY
