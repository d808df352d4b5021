from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline.topology.diagnostics import Diagnostic, InvalidTopology
from pipeline.topology.load import inspect, load
from pipeline.topology.model import Topology
from pipeline.topology.nodes import PythonComposer, compose, plain_value
from pipeline.topology.source import Source

Lint = Callable[..., tuple[Topology | None, list[Diagnostic]]]

LAUGHS = "l0: &l0 [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"l{n}: &l{n} [{', '.join([f'*l{n - 1}'] * 10)}]\n" for n in range(1, 20)
)
ALIAS_CHAIN = "a0: &a0 [x]\n" + "".join(f"a{n}: &a{n} [*a{n - 1}]\n" for n in range(1, 3000))


@pytest.mark.parametrize(
    ("content", "code", "line", "column"),
    [
        pytest.param(b"", "T006", 1, 1, id="empty"),
        pytest.param(b"# nothing\n", "T006", 1, 1, id="only a comment"),
        pytest.param(b"---\n", "T006", 1, 1, id="empty document"),
        pytest.param(b"- a\n- b\n", "T006", 1, 1, id="list"),
        pytest.param(b"text", "T006", 1, 1, id="text"),
        pytest.param(b"x" * 10_000_001, "T002", 0, 0, id="more than 10 MB"),
        pytest.param(b"\x7fELF\x02\x01\x01\x00\x00", "T003", 1, 1, id="binary"),
        pytest.param(b"version: 1\nname: \xff\n", "T003", 2, 7, id="Latin-1"),
        pytest.param("version: 1\näöü: ".encode() + b"\xe4\n", "T003", 2, 6, id="mixed encodings"),
        pytest.param(b"\xef\xbb\xbfversion: 1\n\xc3\xa4\xff\n", "T003", 2, 2, id="not UTF-8 after a byte order mark"),
        pytest.param("version: 1\n".encode("utf-16"), "T003", 0, 0, id="UTF-16"),
        pytest.param("version: 1\n".encode("utf-16-le"), "T003", 1, 2, id="UTF-16 without a mark"),
        pytest.param(b"version: 1\nname: a\x1b[31m\n", "T003", 2, 8, id="escape sequence"),
        pytest.param(b"version: 1\nqueues:\n\ta:\n", "T005", 3, 1, id="tab"),
        pytest.param(b"a: [1, 2\n", "T004", 1, 4, id="unclosed list"),
        pytest.param(b"a: *nothing\n", "T004", 1, 4, id="unknown alias"),
        pytest.param(b"a: @x\n", "T004", 1, 4, id="reserved character"),
        pytest.param(b"%YAML 3.0\n---\na: 1\n", "T004", 1, 1, id="YAML of the future"),
        pytest.param(b"version: 1\n---\nversion: 1\n", "T010", 3, 1, id="two documents"),
        pytest.param(b"a: 1\nb: 2\na: 3\n", "T007", 3, 1, id="duplicate key"),
        pytest.param(b"a: !!python/object/apply:os.system [ls]\n", "T016", 1, 4, id="tag that would run code"),
        pytest.param(b"? [a]\n: b\n", "T012", 1, 3, id="list as a key"),
        pytest.param(b"${A}: 1\n", "T015", 1, 1, id="variable in a key"),
        pytest.param(LAUGHS.encode(), "T008", 1, 31, id="billion laughs"),
        pytest.param(b"a: &a [*a]\n", "T009", 1, 4, id="alias in itself"),
        pytest.param(ALIAS_CHAIN.encode(), "T009", 1, 10, id="long chain of aliases"),
        pytest.param(b"a: " + b"[" * 100_000, "T009", 1, 66, id="100,000 brackets"),
        pytest.param(b"- " * 100_000, "T009", 1, 127, id="100,000 dashes"),
        pytest.param(b"{" * 100_000, "T009", 1, 64, id="100,000 braces"),
    ],
)
def test_bad_file_gets_one_diagnostic(lint: Lint, content: bytes, code: str, line: int, column: int) -> None:
    topology, diagnostics = lint(content)
    assert topology is None
    assert [(each.code, each.line, each.column) for each in diagnostics] == [(code, line, column)]
    assert diagnostics[0].detail


def test_missing_file_says_how_to_make_one(tmp_path: Path) -> None:
    _, _, (found,) = inspect(tmp_path / "none.yaml", {})
    assert (found.code, found.detail) == ("T001", "No such file or directory.")
    assert "pipeline init" in found.suggestion


def test_directory_is_no_file(tmp_path: Path) -> None:
    _, _, (found,) = inspect(tmp_path, {})
    assert (found.code, found.detail) == ("T001", "Is a directory.")


def test_name_with_a_nul_is_no_file() -> None:
    _, _, (found,) = inspect("a\0b", {})
    assert found.code == "T001"
    assert "\0" not in found.where


def test_load_raises_what_inspect_finds(tmp_path: Path) -> None:
    with pytest.raises(InvalidTopology) as raised:
        load(tmp_path / "none.yaml", {})
    assert raised.value.diagnostics[0].code == "T001"


def test_byte_order_mark_and_windows_line_ends_are_read(lint: Lint, base: str) -> None:
    topology, diagnostics = lint(b"\xef\xbb\xbf" + base.replace("\n", "\r\n").encode())
    assert topology is not None
    assert diagnostics == []


@pytest.mark.parametrize("version", ["2", "0", "'1'", "1.5", "one", "", "[1]"])
def test_other_versions_are_refused(lint: Lint, version: str) -> None:
    _, (found,) = lint(f"version: {version}\nname: a\n")
    assert (found.code, found.suggestion) == ("T011", "Write `version: 1`.")


def test_a_mistake_behind_many_aliases_is_told_once(lint: Lint) -> None:
    _, diagnostics = lint('a: &a ["${UNSET}"]\nb: [*a, *a, *a]\n')
    assert [each.code for each in diagnostics] == ["T013"]


@pytest.mark.parametrize(
    "word", ["on", "off", "yes", "no", "y", "12:30", "1_000", "0777x", "2020-01-01", ".inf", "=", "<<"]
)
def test_words_of_older_yaml_are_text(word: str) -> None:
    assert plain_value(word) == word


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e3", 1000.0),
        ("0x1F", 31),
        ("0o17", 15),
        ("-5", -5),
        ("+.5", 0.5),
        ("true", True),
        ("FALSE", False),
        ("~", None),
    ],
)
def test_plain_scalars_follow_the_core_schema(text: str, value: object) -> None:
    assert plain_value(text) == value
    assert type(plain_value(text)) is type(value)


@pytest.mark.parametrize("key", ["on", "no", "12:30", "1e3", "null", "true", "0x10"])
def test_keys_are_names_whatever_they_look_like(lint: Lint, base: str, key: str) -> None:
    text = base.replace("  work:\n", f"  {key}:\n").replace("{work:", f"{{{key}:").replace("[work]", f'["{key}"]')
    topology, diagnostics = lint(text)
    assert diagnostics == []
    assert topology is not None
    assert key in topology.queues


def test_times_and_switches_as_values_are_text(lint: Lint, base: str) -> None:
    topology, diagnostics = lint(
        base.replace("routing_key: task.created\n", "routing_key: [task.created, on, 12:30]\n")
    )
    assert {each.code for each in diagnostics} == {"T211"}
    assert topology is not None
    assert topology.queues["work"].bindings[0].routing_key == ["task.created", "on", "12:30"]


@pytest.mark.parametrize(
    "text", ["a: 1\n", "a: [b, {c: d}]\n", "", "- x\n", "a: 'b", "a: b: c\n", "{" * 70, "a: 1\n---\nb: 2\n"]
)
def test_both_yaml_parsers_agree(text: str) -> None:
    source = Source.of(text, "topology.yaml")
    native, python = compose(source), compose(source, PythonComposer)
    assert type(native) is type(python)
    if isinstance(native, Diagnostic) and isinstance(python, Diagnostic):
        assert (native.code, native.line) == (python.code, python.line)
