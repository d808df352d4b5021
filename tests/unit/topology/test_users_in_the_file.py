"""Users in the topology file: what lint says of them, and what they come to on a broker."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline.topology.definitions import (
    Definitions,
    PermissionDefinition,
    TopicPermissionDefinition,
    UserDefinition,
    UserLimitDefinition,
    VhostLimitDefinition,
)
from pipeline.topology.diagnostics import Diagnostic, render
from pipeline.topology.effective import effective_yaml
from pipeline.topology.expand import definitions_of
from pipeline.topology.load import inspect
from pipeline.topology.model import Topology

Lint = Callable[..., tuple[Topology | None, list[Diagnostic]]]

_ALL = """
users:
  everything: {name: "tracktion everything", stages: all, sources: all, publishes: all, consumes: all,
               dead_letters: all, password: {file: all.txt}, tags: [monitoring, management]}
  worker: {stages: handle, password: {env: WORKER}, limits: {max_connections: 4, max_channels: 90}}
  shop: {publishes: [task.created], consumes: grave, password: {env: SHOP}}
  monitor: {tags: [monitoring], password: {env: MONITOR}}
limits: {max_connections: 100, max_queues: 20}
"""


def found(lint: Lint, text: str) -> list[tuple[str, str]]:
    return [(each.code, each.path) for each in lint(text)[1]]


def expanded(lint: Lint, text: str) -> Definitions:
    topology, diagnostics = lint(text)
    assert topology is not None
    assert not [each for each in diagnostics if each.is_error], render(diagnostics)
    return definitions_of(topology)


def test_a_user_may_do_what_it_does_and_nothing_else(lint: Lint, base: str) -> None:
    definitions = expanded(lint, base.replace("dead_letter: {exchange: buried}", "dead_letter: true") + _ALL)
    assert definitions.users == (
        UserDefinition("monitor", ("monitoring",)),
        UserDefinition("shop"),
        UserDefinition("tracktion everything", ("management", "monitoring")),
        UserDefinition("worker"),
    )
    nothing = r"^\z"
    tiers = r"small\.retry\.30s|small\.retry\.5s"
    assert definitions.permissions == (
        PermissionDefinition("monitor", nothing, nothing, nothing),
        PermissionDefinition("shop", nothing, r"^(?:events)\z", r"^(?:grave)\z"),
        PermissionDefinition(
            "tracktion everything",
            nothing,
            rf"^(?:amq\.default|events|small\.dlx|{tiers})\z",
            r"^(?:grave|small\.audit|work|work\.dlq)\z",
        ),
        PermissionDefinition("worker", nothing, rf"^(?:small\.dlx|{tiers})\z", r"^(?:work)\z"),
    )
    own = [each for each in definitions.topic_permissions if each.user in ("worker", "shop")]
    assert own == [
        TopicPermissionDefinition("shop", "events", r"^(?:task\.created)\z", nothing),
        TopicPermissionDefinition("worker", "small.dlx", r"^(?:work\.dlq)\z", nothing),
        TopicPermissionDefinition("worker", "small.retry.30s", r"^(?:work)\z", nothing),
        TopicPermissionDefinition("worker", "small.retry.5s", r"^(?:work)\z", nothing),
    ]
    replaying = TopicPermissionDefinition(
        "tracktion everything", "small.dlx", r"^(?:small\.audit|work\.dlq)\z", nothing
    )
    assert replaying in definitions.topic_permissions
    assert definitions.user_limits == (
        UserLimitDefinition("worker", "max-channels", 90),
        UserLimitDefinition("worker", "max-connections", 4),
    )
    assert definitions.vhost_limits == (
        VhostLimitDefinition("max-connections", 100),
        VhostLimitDefinition("max-queues", 20),
    )


def test_without_users_none_are_managed(lint: Lint, base: str) -> None:
    definitions = expanded(lint, base)
    assert definitions == definitions.without_access()


@pytest.mark.parametrize(
    "password",
    ["hunter2", "'hunter2, or so'", '"hunter2 } #"', "12345", "${SECRET}", "\n      hunter2", "[hunter2]"],
)
def test_a_password_in_the_file_is_refused_and_not_repeated(lint: Lint, base: str, password: str) -> None:
    text = f"{base}users:\n  worker:\n    stages: [handel]\n    password: {password}\n"
    diagnostics = lint(text, {"SECRET": "hunter2"})[1]
    assert [(each.code, each.path) for each in diagnostics] == [("T103", "users.worker.password")]
    assert "{env: NAME}" in diagnostics[0].detail
    shown = render(diagnostics)
    assert "12345" not in shown
    assert "hunter2" not in shown


@pytest.mark.parametrize(
    ("password", "expected"),
    [
        ("{}", [("T102", "users.worker.password.env")]),
        ("{env: A, file: b}", [("T101", "users.worker.password.env")]),
        ("{evn: A}", [("T101", "users.worker.password.evn")]),
        ("{flie: A}", [("T101", "users.worker.password.flie")]),
        ("{env: not-a-name}", [("T103", "users.worker.password.env")]),
        ("{file: ''}", [("T103", "users.worker.password.file")]),
    ],
)
def test_where_a_password_is_found_is_said_in_one_way(
    lint: Lint, base: str, password: str, expected: list[tuple[str, str]]
) -> None:
    assert found(lint, f"{base}users: {{worker: {{stages: handle, password: {password}}}}}\n") == expected


@pytest.mark.parametrize(
    ("user", "expected"),
    [
        ("{stages: handle}", [("T102", "users.w.password")]),
        ("{stages: everything, password: {env: X}}", [("T401", "users.w.stages[0]")]),
        ("{stages: handle, tags: [admin], password: {env: X}}", [("T103", "users.w.tags[0]")]),
        ("{publishes: [nothing], password: {env: X}}", [("T106", "users.w.publishes[0]")]),
        ("{consumes: nothing, password: {env: X}}", [("T104", "users.w.consumes[0]")]),
        ("{dead_letters: [none], password: {env: X}}", [("T104", "users.w.dead_letters[0]")]),
        ("{stages: all, limits: {max_channels: 2}, password: {env: X}}", [("T406", "users.w.limits.max_channels")]),
        ("{stages: all, limits: {max_channels: 3, max_connections: 2}, password: {env: X}}", []),
        ("{stages: all, limits: {max_channels: 0}, password: {env: X}}", [("T103", "users.w.limits.max_channels")]),
        ("{tags: [administrator], password: {env: X}}", []),
        ("{name: '', tags: [monitoring], password: {env: X}}", [("T103", "users.w.name")]),
    ],
)  # fmt: skip
def test_mistakes_of_users(lint: Lint, base: str, user: str, expected: list[tuple[str, str]]) -> None:
    assert found(lint, f"{base}users:\n  w: {user}\n") == expected


def test_two_users_of_one_name_are_one_on_the_broker(lint: Lint, base: str) -> None:
    users = "{tags: [monitoring], password: {env: X}}"
    text = f"{base}users:\n  a: {users}\n  b: {users.replace('{tags', '{name: a, tags')}\n"
    assert found(lint, text) == [("T110", "users.b.name")]


def test_more_names_than_a_pattern_takes_are_too_many_for_one_user(lint: Lint) -> None:
    names = [f"a.queue.with.a.long.name.{number:04}" for number in range(1200)]
    queues = "\n".join(f"  {name}: {{external: true, dead_letter: false}}" for name in names)
    text = f"version: 1\nname: large\nqueues:\n{queues}\nusers:\n  w: {{consumes: COUNT, password: {{env: X}}}}\n"
    assert [code for code, _ in found(lint, text.replace("COUNT", "all"))] == ["T405"]
    some = f"[{', '.join(names[:1000])}]"
    assert [code for code, _ in found(lint, text.replace("COUNT", some))] == []


def test_the_users_of_the_readme_fit_the_projects_topology(tmp_path: Path) -> None:
    root = Path(__file__).parents[3]
    (block,) = re.findall(r"```yaml\n(users:.*?)```", (root / "README.md").read_text(), flags=re.DOTALL)
    (tmp_path / "users.yaml").write_text(block)
    topology, _, diagnostics = inspect(root / "topology.yaml", {}, overlays=[tmp_path / "users.yaml"])
    assert topology is not None
    assert diagnostics == [], render(diagnostics)
    player = next(each for each in definitions_of(topology).permissions if each.user == "player")
    assert (player.read, player.write) == (r"^(?:cue\.generation\.complete)\z", r"^\z")


def test_the_effective_file_says_where_passwords_are(lint: Lint, base: str, tmp_path: Path) -> None:
    lint(base + _ALL)
    _, document, _ = inspect(tmp_path / "topology.yaml", {})
    assert document is not None
    assert "env: WORKER" in effective_yaml(document)


def test_names_of_what_is_made_for_dead_letters_are_kept_only_where_there_are_some(lint: Lint, base: str) -> None:
    for name in ("small.dlx", "small.dlx.queues"):
        taken = base.replace("type: fanout", f"type: fanout, name: {name}")
        assert "T111" not in [code for code, _ in found(lint, taken)]
        buried = taken.replace("dead_letter: {exchange: buried}", "dead_letter: true")
        assert ("T111", "exchanges.buried.name") in found(lint, buried)
