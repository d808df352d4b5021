"""Whatever happens to the text, reading it gives a topology or says why not."""

from __future__ import annotations

import re
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.topology.brokers import Broker
from pipeline.topology.check import check
from pipeline.topology.diagnostics import Diagnostic, render
from pipeline.topology.document import read_document
from pipeline.topology.shape import validate
from pipeline.topology.source import decode

TEXT = (Path(__file__).parents[3] / "topology.yaml").read_text()
TOKENS = [
    ":",
    "-",
    "{",
    "}",
    "[",
    "]",
    '"',
    "'",
    "#",
    "?",
    "|",
    "<<",
    "&a ",
    "*a",
    "!!set ",
    "---\n",
    "",
    " ",
    "\t",
    "\n",
]
SCALARS = [
    "null",
    "true",
    "5",
    "-1",
    "1e3",
    "9" * 30,
    "7d",
    "99999999d",
    "${X}",
    "${X",
    "$$",
    "''",
    "{}",
    "[]",
    "{a: [b]}",
]
NAMES = ["exchange", "quorum", "amq.x", "dead_letter", "file.#", "rename", "é", "\x00", "\u2028", "\ufeff"]
REPLACEMENTS = st.sampled_from([*TOKENS, *SCALARS, *NAMES])


@st.composite
def mutated(draw: st.DrawFn) -> str:
    """The text with some tokens or lines deleted, doubled, swapped with others or replaced."""
    parts = re.split(draw(st.sampled_from([r"(?<=\n)", r"(\W)", r"\b"])), TEXT)
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(parts) - 1))
        match draw(st.sampled_from(["delete", "double", "replace", "other"])):
            case "delete":
                parts[at] = ""
            case "double":
                parts[at] = parts[at] * 2
            case "replace":
                parts[at] = draw(REPLACEMENTS)
            case "other":
                parts[at] = parts[draw(st.integers(0, len(parts) - 1))]
    return "".join(parts)


def lint(content: bytes) -> list[Diagnostic]:
    source = decode(content, "topology.yaml")
    if isinstance(source, Diagnostic):
        return [source]
    document, diagnostics = read_document(source, {"X": "value"})
    if diagnostics:
        return diagnostics
    topology, diagnostics = validate(document)
    assert topology is not None or diagnostics
    return (
        diagnostics if topology is None else [*diagnostics, *check(topology, document, Broker(), whole=not diagnostics)]
    )


@settings(max_examples=60, deadline=None)
@given(text=mutated())
def test_mutated_topology_is_read_or_its_mistakes_are_placed(text: str) -> None:
    lines = re.split("\r\n|[\n\r\x85\u2028\u2029]", text.removeprefix("\ufeff"))
    diagnostics = lint(text.encode())
    for each in diagnostics:
        assert 1 <= each.line <= len(lines)
        assert 1 <= each.column <= len(lines[each.line - 1]) + 1
        assert each.excerpt == lines[each.line - 1]
    assert all(line.isprintable() for line in render(diagnostics).split("\n"))


@settings(max_examples=60, deadline=None)
@given(content=st.binary(max_size=60) | st.text(max_size=60).map(lambda text: text.encode(errors="surrogatepass")))
def test_any_bytes_are_refused_with_a_finding(content: bytes) -> None:
    assert lint(content)
