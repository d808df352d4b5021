"""YAML text to nodes with positions. What a plain scalar means is left open; nothing is constructed."""

from __future__ import annotations

import math
import re
from typing import Any

import yaml
from yaml.composer import Composer
from yaml.nodes import Node, ScalarNode, SequenceNode
from yaml.parser import Parser
from yaml.reader import Reader
from yaml.resolver import BaseResolver
from yaml.scanner import Scanner

from pipeline.topology.diagnostics import Diagnostic
from pipeline.topology.source import Source

PLAIN = "plain"
_CORE = "tag:yaml.org,2002:"
STRING, MAPPING, SEQUENCE = f"{_CORE}str", f"{_CORE}map", f"{_CORE}seq"
SCALARS = frozenset({PLAIN, STRING, f"{_CORE}int", f"{_CORE}float", f"{_CORE}bool", f"{_CORE}null"})
MAX_DEPTH = 64

# YAML 1.2's core schema, section 10.3.2: `on`, `no` and `12:30` are text.
_INTEGER = re.compile(r"[-+]?[0-9]{1,18}|0o[0-7]{1,20}|0x[0-9a-fA-F]{1,15}")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]{1,3})?")
_KEYWORDS = {
    word: value for text, value in (("true", True), ("false", False)) for word in (text, text.title(), text.upper())
}
_NOTHING = frozenset({"", "~", "null", "Null", "NULL"})


class _TooDeep(Exception):
    """Nesting beyond MAX_DEPTH. The composers recurse, libyaml's without a check of its own."""


class _Unresolved(BaseResolver):
    """Tags plain scalars as such, whatever they look like, and watches the depth."""

    _depth = 0

    def descend_resolver(self, current_node: Node | None, current_index: Any) -> None:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise _TooDeep(current_node)

    def ascend_resolver(self) -> None:
        self._depth -= 1

    def resolve(self, kind: type[Node], value: Any, implicit: Any) -> str:
        if kind is ScalarNode:
            return PLAIN if implicit[0] else STRING
        return SEQUENCE if kind is SequenceNode else MAPPING


class PythonComposer(Reader, Scanner, Parser, Composer, _Unresolved):
    """For a PyYAML without libyaml."""

    def __init__(self, stream: str) -> None:
        Reader.__init__(self, stream)
        Scanner.__init__(self)
        Parser.__init__(self)
        Composer.__init__(self)
        _Unresolved.__init__(self)


try:
    from yaml._yaml import CParser
except ImportError:
    _composer: Any = PythonComposer
else:

    class NativeComposer(CParser, _Unresolved):
        """libyaml's, about ten times faster."""

        def __init__(self, stream: str) -> None:
            CParser.__init__(self, stream)
            _Unresolved.__init__(self)

    _composer = NativeComposer


def compose(source: Source, composer: Any = None) -> Node | Diagnostic | None:
    """The root node, None for an empty file, or where the text stops being one YAML document."""
    loader = (composer or _composer)(source.text)
    try:
        if not loader.check_node():
            return None
        root: Node = loader.get_node()
        if loader.check_node():
            mark = loader.get_node().start_mark
            return source.diagnostic("T010", mark.line + 1, mark.column + 1, 1, detail="Another document begins here.")
    except yaml.MarkedYAMLError as error:
        return _syntax_error(source, error)
    except _TooDeep as error:
        mark = error.args[0].start_mark
        detail = f"Lists and mappings may be in one another {MAX_DEPTH} times."
        return source.diagnostic("T009", mark.line + 1, mark.column + 1, 1, detail=detail)
    finally:
        loader.dispose()
    return root


def plain_value(text: str) -> str | int | float | bool | None:
    """What a scalar without quotes stands for."""
    if text in _NOTHING:
        return None
    if text in _KEYWORDS:
        return _KEYWORDS[text]
    if _INTEGER.fullmatch(text):
        return int(text) if text.lstrip("+-").isdigit() else int(text, 0)
    if _FLOAT.fullmatch(text) and len(text) < 64 and math.isfinite(value := float(text)):
        return value
    return text


def is_plain(node: Node) -> bool:
    return isinstance(node, ScalarNode) and node.tag == PLAIN


def _syntax_error(source: Source, error: yaml.MarkedYAMLError) -> Diagnostic:
    line, column = _place(source, error)
    text = source.lines[line]
    indentation = text[: len(text) - len(text.lstrip())]
    if "\t" in indentation:
        at = indentation.index("\t")
        return source.diagnostic(
            "T005",
            line + 1,
            at + 1,
            len(indentation) - at,
            detail="YAML does not say how wide a tab is.",
            suggestion="Indent with spaces.",
        )
    problem = str(error.problem or "it cannot be read").strip()
    context = f" {error.context.strip()}" if error.context else ""
    if error.context_mark is not None and error.context_mark.line != line:
        context += f" (from line {error.context_mark.line + 1})"
    return source.diagnostic(
        "T004",
        line + 1,
        column + 1,
        1,
        detail=f"The parser says: {problem}{context}.",
        suggestion=_syntax_advice(problem + context, text, column),
    )


def _place(source: Source, error: yaml.MarkedYAMLError) -> tuple[int, int]:
    """Line and column, from 0. A problem at the end of the text is shown where what is unfinished begins."""
    for mark in (error.problem_mark, error.context_mark):
        if mark is not None and mark.line < len(source.lines) and source.lines[mark.line][mark.column :].strip():
            return mark.line, mark.column
    last = error.problem_mark or error.context_mark
    line = min(last.line, len(source.lines) - 1) if last else 0
    return line, min(last.column, len(source.lines[line])) if last else 0


def _syntax_advice(problem: str, line: str, column: int) -> str:
    rest = line[column:].lstrip()
    if line.startswith("%"):
        return ""
    before = line[:column].rstrip()[-1:]
    if rest[:1] in ("*", "&", "@", "`", "%", "!") or before in ("*", "&", "!"):
        return f'A value that begins with "{rest[:1] if rest[:1] in "*&@`%!" and rest else before}" is put in quotes.'
    if "flow" in problem and "${" in line:
        return "In brackets and braces, a variable is put in quotes."
    if "mapping values are not allowed" in problem:
        return "A value that holds a colon and a space is put in quotes; else look at the indentation."
    if rest.startswith(":"):
        return "A key is followed by a colon and a space."
    return ""
