"""A plan kept in a file, what prune deletes, and drift: as commands, on a real RabbitMQ."""

from __future__ import annotations

import json
import re
import signal
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from tests.acceptance.commands import Commands, eventually

pytestmark = [pytest.mark.rabbitmq, pytest.mark.redis]

_FILE = """
version: 1
name: shop
exchanges:
  events: {type: topic}
queues:
  orders: {ttl: 1h, external: true, bindings: [{source: events, routing_key: "order.#"}]}
  OLD
"""
_OLD = 'returns: {ttl: 1h, external: true, bindings: [{source: events, routing_key: "return.#"}]}'


@pytest.fixture
def shop(tmp_path: Path) -> Callable[[str], str]:
    """Writes the topology, with another queue or without, and says where."""

    def write(more: str) -> str:
        file = tmp_path / "shop.yaml"
        file.write_text(_FILE.replace("OLD", more))
        return str(file)

    return write


def _policy_url(servers: dict[str, str], name: str) -> str:
    vhost = servers["RABBITMQ_URL"].rpartition("/")[2]
    return f"{servers['RABBITMQ_MANAGEMENT_URL']}/api/policies/{vhost}/{name}"


def test_a_kept_plan_is_applied_once_and_refused_after_that(
    commands: Commands, servers: dict[str, str], shop: Callable[[str], str], tmp_path: Path
) -> None:
    file, kept = shop(_OLD), str(tmp_path / "plan.json")
    assert commands.run("--topology", file, "plan", "--out", kept, **servers).returncode == 2
    assert json.loads(Path(kept).read_text())["summary"]["create"] > 0
    assert commands.run("--topology", file, "apply", kept, "--yes", **servers).returncode == 0
    again = commands.run("--topology", file, "apply", kept, "--yes", **servers)
    assert again.returncode == 1
    assert "has changed since the plan was made" in again.stderr
    assert commands.run("--topology", file, "plan", **servers).returncode == 0
    broken = tmp_path / "broken.json"
    broken.write_text(Path(kept).read_text()[:-40])
    refused = commands.run("--topology", file, "apply", str(broken), **servers)
    assert refused.returncode == 1
    assert "Not a plan" in refused.stderr
    assert "Traceback" not in refused.stderr


def test_what_is_not_declared_any_more_is_pruned_when_asked(
    commands: Commands, servers: dict[str, str], shop: Callable[[str], str]
) -> None:
    assert commands.run("--topology", shop(_OLD), "apply", "--yes", **servers).returncode == 0
    file = shop("")
    kept = commands.run("--topology", file, "plan", **servers)
    assert kept.returncode == 0
    assert "needs --prune" in kept.stdout
    assert "no longer routed: events return.# → returns, and reaches nothing else" in kept.stdout
    assert commands.run("--topology", file, "plan", "--prune", **servers).returncode == 2
    pruned = commands.run("--topology", file, "apply", "--prune", "--yes", **servers)
    assert pruned.returncode == 0, pruned.stdout
    assert commands.run("--topology", file, "plan", "--prune", **servers).returncode == 0
    assert commands.run("--topology", file, "apply", "--force", "returns", **servers).returncode == 64


def test_drift_is_told_once_and_watched_with_a_metric(
    commands: Commands, servers: dict[str, str], shop: Callable[[str], str]
) -> None:
    file = shop("")
    assert commands.run("--topology", file, "apply", "--yes", **servers).returncode == 0
    clean = commands.run("--topology", file, "drift", **servers)
    assert (clean.returncode, clean.stdout.strip()) == (0, "Drift: none.")
    watching = {**servers, "PIPELINE_TOPOLOGY": file}
    watch = commands.start("drift", "--watch", "--interval", "0.2", "--metrics-port", "0", **watching)
    log = commands.log("drift")
    eventually("the first look", lambda: "Drift: none." in log.read_text())
    policy = _policy_url(servers, "shop.orders")
    body = {"pattern": r"^orders$", "definition": {"message-ttl": 5}, "priority": 10, "apply-to": "queues"}
    httpx.put(policy, json=body, timeout=10).raise_for_status()
    told = commands.run("--topology", file, "drift", "--output", "json", **servers)
    assert told.returncode == 2
    (change,) = json.loads(told.stdout)["changes"]
    assert (change["kind"], change["name"]) == ("policy", "shop.orders")
    eventually("the drift", lambda: "message-ttl is 5 ms, not 3600000 ms" in log.read_text())
    found = re.search(r"http://127\.0\.0\.1:\d+/metrics", log.read_text())
    assert found is not None
    url = found[0]
    assert 'pipeline_topology_drift{kind="policy"} 1.0' in httpx.get(url, timeout=10).text
    assert commands.run("--topology", file, "apply", "--yes", **servers).returncode == 0
    eventually("no drift", lambda: log.read_text().count("Drift: none.") == 2)
    assert 'pipeline_topology_drift{kind="policy"} 0.0' in httpx.get(url, timeout=10).text
    watch.send_signal(signal.SIGTERM)
    assert watch.wait(timeout=30) == 0
    assert "Traceback" not in log.read_text()
