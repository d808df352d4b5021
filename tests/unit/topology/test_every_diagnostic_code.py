"""Each code with the smallest edit of a correct topology that leads to it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline.topology.code_examples import BASE, EXAMPLES, Example
from pipeline.topology.codes import CODES, Severity
from pipeline.topology.diagnostics import Diagnostic, render
from pipeline.topology.load import inspect
from pipeline.topology.model import Topology

Lint = Callable[..., tuple[Topology | None, list[Diagnostic]]]

ELSEWHERE = {"T301"}  # needs the code that the file names: pipeline.app
WHOLE_FILE = {"T001", "T002", "T003", "T006", "T008", "T017"}  # test_files_that_are_no_topology
LARGE = {"T405"}  # test_users_in_the_file


@pytest.mark.parametrize(
    "example",
    [each for each in EXAMPLES if each.code not in ELSEWHERE],
    ids=lambda example: f"{example.code} {example.path}",
)
def test_mistake_gets_its_code_at_its_place(example: Example, lint: Lint) -> None:
    text = example.after()
    assert example.old in example.before()
    assert example.also is None or example.also[0] in BASE
    _, diagnostics = lint(text)
    found = [each for each in diagnostics if each.code == example.code]
    assert [each.path for each in found][:1] == [example.path], render(diagnostics)
    first = found[0]
    assert example.line in first.excerpt
    assert text.splitlines()[first.line - 1] == first.excerpt
    assert 1 <= first.column <= len(first.excerpt)
    assert first.detail or first.suggestion


def test_every_code_has_an_example() -> None:
    assert {example.code for example in EXAMPLES} | WHOLE_FILE | LARGE == set(CODES)


def test_warnings_are_what_may_be_meant() -> None:
    warnings = {code for code, meaning in CODES.items() if meaning.severity is Severity.WARNING}
    assert warnings == {
        "T118",
        "T122",
        "T123",
        "T128",
        "T131",
        "T203",
        "T207",
        "T208",
        "T209",
        "T210",
        "T211",
        "T213",
        "T215",
    } | {
        *("T403", "T407", "T408"),
        *(code for code in CODES if code.startswith("T5")),
    }


def test_correct_topology_has_nothing_to_say(lint: Lint, base: str) -> None:
    topology, diagnostics = lint(base)
    assert topology is not None
    assert diagnostics == []


def test_the_projects_own_topology_has_no_errors() -> None:
    topology, _, diagnostics = inspect(Path(__file__).parents[3] / "topology.yaml", {})
    assert topology is not None
    assert [each for each in diagnostics if each.is_error] == []
