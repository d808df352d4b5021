"""`pipeline lint` with its options, and profiles as overlays, as a user runs them."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from pipeline.topology.code_examples import EXAMPLES
from tests.acceptance.commands import ROOT, Commands


@pytest.fixture
def copied(commands: Commands) -> Commands:
    """With a copy of the project's topology, to lay profiles over."""
    for name in ("topology.yaml", "topology.cluster.yaml"):
        shutil.copy(ROOT / name, commands.folder)
    commands.environment["PIPELINE_TOPOLOGY"] = "topology.yaml"
    return commands


def test_a_code_is_explained_and_an_unknown_one_is_wrong_usage(commands: Commands) -> None:
    told = commands.run("lint", "--explain", "t113")
    assert told.returncode == 0
    assert "# T113 Priority on a quorum queue (error)" in told.stdout
    assert "+    max_priority: 5" in told.stdout
    unknown = commands.run("lint", "--explain", "T13")
    assert unknown.returncode == 64
    assert "Did you mean" in unknown.stderr


def test_a_name_that_leads_to_no_code_has_the_code_that_explains_it(commands: Commands) -> None:
    (example,) = [each for each in EXAMPLES if each.code == "T301"]
    (commands.folder / "models.py").write_text(
        "class Task: ...\ndef watch(): ...\ndef first(): ...\ndef second(): ...\n"
    )
    for text, codes in ((example.before(), []), (example.after(), ["T301"])):
        file = commands.folder / "small.yaml"
        file.write_text(text)
        told = commands.run("--topology", str(file), "lint", "--output", "json")
        assert [each["code"] for each in json.loads(told.stdout)] == codes
    assert json.loads(told.stdout)[0]["path"] == example.path


def test_lint_for_one_version_of_the_broker(copied: Commands) -> None:
    (copied.folder / "topology.old.yaml").write_text("queues: {analysis.lifecycle.events: {durable: false}}\n")
    at_3 = copied.run("--profile", "old", "lint", "--broker", "3.13")
    assert "T501" not in at_3.stdout
    at_4 = copied.run("--profile", "old", "lint", "--broker", "4.0.5")
    assert at_4.returncode == 0
    assert "T501" in at_4.stdout
    assert "topology.old.yaml:1:" in at_4.stdout
    assert copied.run("lint", "--broker", "new").returncode == 64


def test_a_profile_is_laid_over_and_the_effective_file_is_printed(copied: Commands) -> None:
    printed = copied.run("--profile", "cluster", "lint", "--print", RABBITMQ_EXCHANGE="s3cret")
    assert printed.returncode == 0
    assert "s3cret" not in printed.stdout
    assert "type: quorum" in printed.stdout
    (copied.folder / "printed.yaml").write_text(printed.stdout)
    assert copied.run("--topology", "printed.yaml", "lint", "--quiet").returncode == 0
    by_variable = copied.run("lint", "--print", PIPELINE_PROFILE="cluster", RABBITMQ_EXCHANGE="s3cret")
    assert by_variable.stdout == printed.stdout


def test_an_unknown_profile_is_an_error_that_names_the_known_ones(copied: Commands) -> None:
    for command in (("lint",), ("plan",), ("route", "file_events", "file.created")):
        told = copied.run("--profile", "clster", *command)
        assert told.returncode == 1
        assert 'There is no profile "clster"' in told.stderr
        assert "cluster, dev, prod" in told.stderr


@pytest.mark.rabbitmq
@pytest.mark.redis
def test_the_cluster_profile_is_applied_on_a_broker(copied: Commands, servers: dict[str, str]) -> None:
    applied = copied.run("--profile", "cluster", "apply", "--yes", **servers)
    assert applied.returncode == 0, applied.stdout + applied.stderr
    assert copied.run("--profile", "cluster", "plan", **servers).returncode == 0
    other = copied.run("plan", **servers)
    assert other.returncode == 2
    assert "x-queue-type quorum → (not set)" in other.stdout


def test_files_made_to_harm_are_refused_in_seconds(commands: Commands, tmp_path: Path) -> None:
    bomb = "a: &a [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]\n" + "".join(
        f"{name}: &{name} [{', '.join([f'*{before}'] * 10)}]\n"
        for before, name in zip("abcdefgh", "bcdefghi", strict=True)
    )
    files = {
        "bomb": (bomb.encode(), "T008"),
        "large": (b"# " + b"x" * 10_000_000, "T002"),
        "utf16": ("version: 1".encode("utf-16"), "T003"),
        "latin": ("name: café".encode("latin-1"), "T003"),
        "nul": (b"version: 1\0", "T003"),
        "deep": (b"a: " + b"[" * 100_000, "T009"),
        "tab": (b"queues:\n\ta: {}\n", "T005"),
        "twice": (b"name: a\nname: b\n", "T007"),
        "itself": (b"a: &a [*a]\n", "T009"),
        "future": (b"version: 2\nname: a\n", "T011"),
        "empty": (b"", "T006"),
    }
    for name, (content, code) in files.items():
        file = tmp_path / f"{name}.yaml"
        file.write_bytes(content)
        told = commands.run("--topology", str(file), "lint")
        assert told.returncode == 1, name
        assert f"[{code}]" in told.stdout, (name, told.stdout)
        assert "Traceback" not in told.stderr
