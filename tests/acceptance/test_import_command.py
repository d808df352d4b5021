"""`pipeline import`: a file from what a broker has, or from its export, as a user runs it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from tests.acceptance.commands import ROOT, Commands

FOREIGN: dict[str, Any] = {
    "exchanges": [
        {"name": "orders", "type": "topic", "durable": True, "auto_delete": False, "internal": False, "arguments": {}},
        {"name": "amq.topic", "type": "topic", "durable": True, "auto_delete": False, "internal": False},
        {"name": "later", "type": "x-delayed-message", "durable": True, "auto_delete": False, "internal": False},
    ],
    "queues": [
        {"name": "in", "durable": True, "auto_delete": False, "arguments": {"x-message-ttl": 5000}},
        {"name": "no", "durable": True, "auto_delete": False, "arguments": {"x-queue-type": "quorum"}},
        {"name": "answers", "durable": False, "auto_delete": True, "arguments": {}},
    ],
    "bindings": [
        {"source": "orders", "destination": "in", "destination_type": "queue", "routing_key": "a.#", "arguments": {}},
        {"source": "amq.topic", "destination": "in", "destination_type": "queue", "routing_key": "x", "arguments": {}},
    ],
    "policies": [
        {"name": "ha", "pattern": ".*", "definition": {"ha-mode": "all"}, "apply-to": "all", "priority": 0},
    ],
    "users": [{"name": "someone", "password_hash": "c2VjcmV0aGFzaA==", "tags": ""}],
    "permissions": [{"user": "someone", "configure": ".*", "write": ".*", "read": ".*"}],
}


@pytest.mark.rabbitmq
@pytest.mark.redis
def test_the_plan_of_an_imported_file_is_empty(commands: Commands, servers: dict[str, str]) -> None:
    assert commands.run("apply", "--yes", **servers).returncode == 0
    imported = commands.run("import", "--out", "imported.yaml", **servers)
    assert imported.returncode == 0, imported.stderr
    assert commands.run("--topology", "imported.yaml", "plan", **servers).returncode == 0
    assert commands.run("--topology", "imported.yaml", "lint", "--quiet", **servers).returncode == 0
    written = yaml.safe_load((commands.folder / "imported.yaml").read_text())
    assert written["name"] == "tracktion"
    assert written["queues"]["analysis_queue"]["max_priority"] == 10
    assert servers["RABBITMQ_MANAGEMENT_URL"].rpartition("@")[0] not in (commands.folder / "imported.yaml").read_text()
    refused = commands.run("import", "--out", "imported.yaml", **servers)
    assert refused.returncode == 1
    assert "--force" in refused.stderr
    assert commands.run("import", "--out", "imported.yaml", "--force", **servers).returncode == 0


@pytest.mark.rabbitmq
@pytest.mark.redis
def test_an_export_of_the_broker_gives_the_same_file(commands: Commands, servers: dict[str, str]) -> None:
    assert commands.run("apply", "--yes", **servers).returncode == 0
    vhost = servers["RABBITMQ_URL"].rpartition("/")[2]
    export = httpx.get(f"{servers['RABBITMQ_MANAGEMENT_URL']}/api/definitions", timeout=10).json()
    (commands.folder / "definitions.json").write_text(json.dumps(export))
    live = commands.run("import", **servers)
    exported = commands.run("import", "--definitions", "definitions.json", "--vhost", vhost)
    assert exported.returncode == 0, exported.stderr
    assert exported.stdout.split("version: 1")[1] == live.stdout.split("version: 1")[1]


def test_what_a_file_can_t_say_is_told_and_written_down(commands: Commands) -> None:
    (commands.folder / "definitions.json").write_text(json.dumps(FOREIGN))
    imported = commands.run("import", "--definitions", "definitions.json", "--name", "shop")
    assert imported.returncode == 0, imported.stderr
    for said in ("x-delayed-message", '"answers" is auto-delete', '"amq.topic"', 'policy "ha"', "Users"):
        assert said in imported.stderr
        assert said in imported.stdout
    assert "c2VjcmV0aGFzaA" not in imported.stdout + imported.stderr
    assert yaml.safe_load(imported.stdout) == {
        "version": 1,
        "name": "shop",
        "defaults": {"queue": {"dead_letter": False}},
        "exchanges": {"orders": {"type": "topic"}},
        "queues": {
            "in": {
                "bindings": [{"source": "orders", "routing_key": "a.#"}],
                "arguments": {"x-message-ttl": 5000},
            },
            "no": {"type": "quorum"},
        },
    }


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("{", "not JSON"),
        ("[" * 100_000, "not JSON"),
        ("[]", "Not RabbitMQ definitions"),
        ('{"queues": [{"name": 5}]}', "Not RabbitMQ definitions"),
        ('{"vhosts": [{"name": "a"}, {"name": "b"}], "queues": []}', "--vhost: a, b"),
    ],
)
def test_what_is_no_export_is_told(commands: Commands, content: str, told: str) -> None:
    (commands.folder / "definitions.json").write_text(content)
    refused = commands.run("import", "--definitions", "definitions.json")
    assert refused.returncode == 1
    assert told in refused.stderr
    assert "Traceback" not in refused.stderr


def test_without_a_broker_or_a_file_it_says_what_it_needs(commands: Commands) -> None:
    assert "--definitions" in commands.run("import").stderr
    assert "can't be read" in commands.run("import", "--definitions", "nothing.json").stderr
    missing = Path("missing") / "x.yaml"
    (commands.folder / "definitions.json").write_text(json.dumps(FOREIGN))
    refused = commands.run("import", "--definitions", "definitions.json", "--out", str(missing))
    assert refused.returncode == 1
    assert "can't be written" in refused.stderr
    assert not (ROOT / missing).exists()
