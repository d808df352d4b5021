"""What is wrong with a topology file: where it is, what it is and what to do, as text and as JSON."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from pipeline.errors import PipelineError
from pipeline.topology.codes import CODES, Severity

__all__ = ["Diagnostic", "InvalidTopology", "Severity", "count", "printable", "render"]

_WIDTH = 72
_GUTTER = 7
_EXCERPT = 160


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """One finding.

    Attributes:
        file: as the user named it.
        line, column: from 1, in characters; line 0 where the file as a whole is meant.
        length: characters to underline, on that line.
        path: keys and indices, `stages.analysis.run[0]`; empty for the file.
        detail: what is wrong, a sentence.
        suggestion: what to do about it, a sentence, or empty.
        excerpt: the line of the file.
    """

    code: str
    file: str
    line: int = 0
    column: int = 0
    length: int = 0
    path: str = ""
    detail: str = ""
    suggestion: str = ""
    excerpt: str = ""

    @property
    def severity(self) -> Severity:
        return CODES[self.code].severity

    @property
    def summary(self) -> str:
        return CODES[self.code].summary

    @property
    def is_error(self) -> bool:
        return self.severity is Severity.ERROR

    @property
    def where(self) -> str:
        """`file:line:column`, or the file."""
        return printable(f"{self.file}:{self.line}:{self.column}" if self.line else self.file)

    def to_json(self) -> dict[str, Any]:
        """As plain values for a program to read."""
        return {
            "code": self.code,
            "severity": str(self.severity),
            "summary": self.summary,
            "file": printable(self.file),
            "line": self.line,
            "column": self.column,
            "length": self.length,
            "path": printable(self.path),
            "detail": printable(self.detail),
            "suggestion": printable(self.suggestion),
        }


class InvalidTopology(PipelineError):
    """The topology has errors.

    Attributes:
        diagnostics: all errors and warnings, by position.
    """

    def __init__(self, diagnostics: Iterable[Diagnostic]) -> None:
        self.diagnostics = in_order(diagnostics)
        first = next(diagnostic for diagnostic in self.diagnostics if diagnostic.is_error)
        super().__init__(
            f"The topology has {count(self.diagnostics)}: {first.summary}",
            where=first.where,
            fix=printable(first.suggestion or first.detail),
        )


def in_order(diagnostics: Iterable[Diagnostic]) -> list[Diagnostic]:
    """Sorted by position, then code."""
    return sorted(diagnostics, key=lambda each: (each.line, each.column, each.code, each.path, each.detail))


def count(diagnostics: Sequence[Diagnostic]) -> str:
    """`2 errors, 1 warning`."""
    errors = sum(diagnostic.is_error for diagnostic in diagnostics)
    numbers = {"error": errors, "warning": len(diagnostics) - errors}
    parts = [f"{number} {noun}{'' if number == 1 else 's'}" for noun, number in numbers.items() if number]
    return ", ".join(parts) or "no errors"


def render(diagnostics: Iterable[Diagnostic]) -> str:
    """Plain text: each with its place in the file underlined; by position, separated by empty lines."""
    return "\n\n".join(_render(diagnostic) for diagnostic in in_order(diagnostics))


def printable(text: str) -> str:
    r"""The text with characters that a terminal would act on, or hide, as escapes: `\x1b`."""
    return "".join(character if character.isprintable() else _escaped(character) for character in text)


def _render(diagnostic: Diagnostic) -> str:
    head = f"{diagnostic.severity}: {diagnostic.summary}"
    code = f"[{diagnostic.code}]"
    lines = [f"{head} {code:>{max(len(code), _WIDTH - len(head) - 1)}}"]
    lines.append(f"  {diagnostic.where}  {printable(diagnostic.path)}".rstrip())
    if diagnostic.excerpt.strip():
        lines += _underlined(diagnostic)
    lines += [f"  {printable(text)}" for text in (diagnostic.detail, diagnostic.suggestion) if text]
    return "\n".join(lines)


def _underlined(diagnostic: Diagnostic) -> list[str]:
    """The source line, or what of it is near the place, with carets below."""
    start = diagnostic.column - 1
    first = max(0, start - _EXCERPT // 2) if len(diagnostic.excerpt) > _EXCERPT else 0
    shown = diagnostic.excerpt[first : first + _EXCERPT]
    length = max(1, min(diagnostic.length, len(shown) - (start - first)))
    text = "".join(each if each.isprintable() else "\N{REPLACEMENT CHARACTER}" for each in shown.replace("\t", " "))
    before = _columns(text[: start - first])
    carets = max(1, _columns(text[start - first : start - first + length]))
    cut = ("…" if first else "", "…" if first + _EXCERPT < len(diagnostic.excerpt) else "")
    return [
        f"{diagnostic.line:>{_GUTTER}} | {cut[0]}{text}{cut[1]}".rstrip(),
        f"{'':>{_GUTTER}} | {' ' * (before + len(cut[0]))}{'^' * carets}",
    ]


def _columns(text: str) -> int:
    """How many columns a terminal needs for the text."""
    wide = sum(unicodedata.east_asian_width(character) in "WF" for character in text)
    return len(text) + wide - sum(unicodedata.combining(character) != 0 for character in text)


def _escaped(character: str) -> str:
    point = ord(character)
    return f"\\x{point:02x}" if point < 0x100 else f"\\u{point:04x}" if point < 0x10000 else f"\\U{point:08x}"
