"""The benchmarks of worker and WebSocket run, whatever else is installed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.commands import ROOT

pytestmark = [pytest.mark.rabbitmq, pytest.mark.redis, pytest.mark.timeout(240)]


def result_of(benchmark: str, *options: str, folder: Path) -> Any:
    """What it says as JSON."""
    out = folder / "result.json"
    ended = subprocess.run(
        [sys.executable, "-m", f"ops.bench.{benchmark}", *options, "--out", str(out)],
        cwd=ROOT,
        env={**os.environ, "COLUMNS": "120"},
        capture_output=True,
        text=True,
        timeout=220,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    return json.loads(out.read_text())


def test_a_worker_is_measured_at_all_kinds_of_work(tmp_path: Path) -> None:
    results = result_of("worker", "--quick", folder=tmp_path)["results"]
    for work in ("consume", "publish", "ledger"):
        for contender in ("pipeline", "pipeline, 2 processes", "aio-pika by hand"):
            measured = results[work][contender]
            assert measured["messages_per_s"] > 0
            assert measured["cpu_us"] > 0


def test_the_memory_of_a_worker_is_measured_over_a_run(tmp_path: Path) -> None:
    rows = result_of("memory", "--messages", "20000", folder=tmp_path)
    assert rows[-1]["messages"] > rows[0]["messages"]
    assert all(row["mib"] > 0 for row in rows)


def test_websockets_are_measured_beside_what_one_writes_first(tmp_path: Path) -> None:
    results = result_of("websocket", "--quick", folder=tmp_path)
    for load in ("ends", "progress", "much progress", "many clients"):
        for server in ("pipeline", "send_text"):
            assert results[load][server]["arrived"] == 1
            assert results[load][server]["cpu_us"] > 0
    assert results["stalled"]["pipeline"] == 1
    assert len(results["churn"]["mb"]) == 10
