from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline.topology.diagnostics import Diagnostic, render
from pipeline.topology.interpolation import interpolate
from pipeline.topology.load import inspect, load
from pipeline.topology.model import Topology

Lint = Callable[..., tuple[Topology | None, list[Diagnostic]]]

PROJECT = Path(__file__).parents[3] / "topology.yaml"
SECRET = "s3cr3t-p4ssw0rd"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("${V}", "value"),
        ("a-${V}-b-${V}", "a-value-b-value"),
        ("${V:-other}", "value"),
        ("${UNSET:-other}", "other"),
        ("${EMPTY:-other}", "other"),
        ("${EMPTY}", ""),
        ("${UNSET:-}", ""),
        ("${UNSET:-a:-b?}", "a:-b?"),
        ("${V:?needed}", "value"),
        ("$$", "$"),
        ("$${V}", "${V}"),
        ("$V costs $5", "$V costs $5"),
        ("${RECURSIVE}", "${V}"),
    ],
)
def test_variables_are_filled_in_once(text: str, expected: str) -> None:
    found = interpolate(text, {"V": "value", "EMPTY": "", "RECURSIVE": "${V}"})
    assert found.text == expected
    assert found.unresolved == ()


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("${UNSET}", "T013"),
        ("${UNSET:?set it}", "T014"),
        ("${EMPTY:?set it}", "T014"),
        ("${}", "T015"),
        ("${1}", "T015"),
        ("${V", "T015"),
        ("${V-x}", "T015"),
        ("${V:+x}", "T015"),
        ("${V:-${W}}", "T015"),
    ],
)
def test_what_has_no_value_gets_a_code(text: str, code: str) -> None:
    assert [each.code for each in interpolate(text, {"EMPTY": ""}).unresolved] == [code]


def test_message_of_a_required_variable_is_shown(lint: Lint) -> None:
    _, (found,) = lint("version: 1\nname: ${NAME:?what this library is called}\n")
    assert found.detail == "what this library is called"
    assert found.suggestion == 'Set the environment variable "NAME".'
    assert (found.line, found.column, found.length) == (2, 7, 36)


@pytest.mark.parametrize("value", ["[a, b]", "{a: b}", "a: b", "x\n  evil: {type: topic}", "# no comment", "&a", "*a"])
def test_yaml_in_a_value_stays_text(lint: Lint, base: str, value: str) -> None:
    topology, diagnostics = lint(base.replace("type: fanout", "type: fanout, name: '${V}'"), {"V": value})
    assert diagnostics == []
    assert topology is not None
    assert topology.exchanges["buried"].name == value
    assert set(topology.exchanges) == {"events", "buried"}


def test_numbers_come_from_variables_and_quotes_keep_them_text(lint: Lint, base: str) -> None:
    text = base.replace("    external: true\n", '    external: true\n    max_length: ${N}\n    name: "${N}"\n')
    topology, diagnostics = lint(text, {"N": "100"})
    assert diagnostics == []
    assert topology is not None
    assert topology.queues["grave"].max_length == 100
    assert topology.queues["grave"].name == "100"


@pytest.mark.parametrize(
    ("old", "new", "code"),
    [
        ("name: small", 'name: "${SECRET}!"', "T103"),
        ("{type: topic}", "{type: '${SECRET}'}", "T103"),
        ("{type: topic}", "{type: ['${SECRET}']}", "T103"),
        ("[5s, 30s]", "['${SECRET}']", "T103"),
        ("[5s, 30s]", "[['${SECRET}']]", "T103"),
        ("[5s, 30s]", "[{a: '${SECRET}'}]", "T103"),
        ("external: true", "external: '${SECRET}'", "T103"),
        ("external: true", "max_length: '${SECRET}'", "T103"),
        ("external: true", "max_length_bytes: ['${SECRET}']", "T103"),
        ('model: "models:Task"', "model: '${SECRET}'", "T103"),
        ("source: events", "source: '${SECRET}'", "T105"),
        ("emits: [task.created]", "emits: '${SECRET}'", "T106"),
        ("emits: [task.created]", "emits: ['${SECRET}']", "T106"),
        ("reaches: [work]", "reaches: ['${SECRET}']", "T104"),
        ("{retry: standard}", "{retry: '${SECRET}'}", "T107"),
        ("type: fanout", "type: fanout, name: 'amq.${SECRET}'", "T108"),
        ("    dead_letter: false\n", "    name: '${SECRET}'\n  more: {name: '${SECRET}'}\n", "T110"),
        ("    dead_letter: false\n", "    name: '${SECRET}'\n  more: {name: '${SECRET}.dlq'}\n", "T111"),
        ('"models:second"', "'${SECRET}'", "T117"),
        ("exchange: events}", "exchange: events, routing_key: '${SECRET}'}", "T202"),
        ("routing_key: task.created\n", "routing_key: [task.created, '${SECRET}']\n", "T211"),
        ("reaches: [work]", "reaches: []", "T212"),
    ],
)
def test_value_of_a_variable_is_never_shown(lint: Lint, base: str, old: str, new: str, code: str) -> None:
    assert old in base
    _, diagnostics = lint(base.replace(old, new, 1), {"SECRET": SECRET})
    assert code in {each.code for each in diagnostics}
    shown = render(diagnostics) + "".join(str(each.to_json()) for each in diagnostics)
    assert SECRET not in shown


def test_variable_without_quotes_in_braces_gets_advice(lint: Lint, base: str) -> None:
    _, (found,) = lint(base.replace("type: fanout", "type: fanout, name: ${V}"), {"V": "x"})
    assert (found.code, found.suggestion) == ("T004", "In brackets and braces, a variable is put in quotes.")


def test_unknown_name_from_a_variable_is_shown_as_written(lint: Lint, base: str) -> None:
    _, (found,) = lint(base.replace("source: events", "source: ${EXCHANGE}"), {"EXCHANGE": "evnets"})
    assert found.detail == 'No exchange named "${EXCHANGE}" is declared.'


def test_rename_exchange_takes_its_name_from_the_environment() -> None:
    topology, _, diagnostics = inspect(PROJECT, {"RABBITMQ_EXCHANGE": "other_name"})
    assert topology is not None
    assert topology.exchange_name("rename") == "other_name"
    assert not any(each.is_error for each in diagnostics)
    assert load(PROJECT, {}).exchange_name("rename") == "file_rename"
