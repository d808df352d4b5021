"""What a code means, with a mistake that leads to it: for the terminal, and as the page `docs/lint.md`."""

from __future__ import annotations

import difflib
from collections.abc import Iterator

from pipeline.topology.code_examples import BASE, EXAMPLES, Example
from pipeline.topology.codes import CODES

_GROUPS = {
    "T0": "The file and its YAML",
    "T1": "Names and values",
    "T2": "How messages flow",
    "T3": "The code the file names",
    "T4": "Users and their permissions",
    "T5": "What depends on the broker's version",
}
# Mistakes that are no edit of a line.
_WHOLE_FILES = {
    "T001": "`pipeline --topology misspelt.yaml lint`",
    "T002": "A file of 10 MB and one byte.",
    "T003": "`name: café`, saved in Latin-1: the byte 0xe9 is not UTF-8.",
    "T006": "A file that begins with `- exchanges:`, which makes it a list.",
    "T008": "`a: &a [1, 1, 1, 1]`, `b: &b [*a, *a, *a, *a]`, and so on for ten lines: a million values.",
    "T017": "`queues: {analysis_quue: null}` in `topology.prod.yaml`.",
    "T405": "A user of 2,000 stages, on queues whose names have 30 characters each.",
}
_HEAD = """\
# What `pipeline lint` says

Each code, why it matters, and a mistake that leads to it: the line with `-` is right, the line with `+` is wrong.
`pipeline lint --explain CODE` prints one of these. An error keeps everything from starting; a warning does not.
"""


def explain(code: str) -> str:
    """One code, in Markdown. Raises KeyError."""
    return "\n".join(_section(code, "#"))


def explain_all() -> str:
    """The page, with a final newline."""
    lines = [_HEAD]
    for prefix, title in _GROUPS.items():
        codes = [code for code in CODES if code.startswith(prefix)]
        if codes:
            lines += [f"## {title}", ""]
        for code in codes:
            lines += [*_section(code, "###"), ""]
    return "\n".join(lines).rstrip() + "\n"


def _section(code: str, heading: str) -> Iterator[str]:
    meaning = CODES[code]
    yield f"{heading} {code} {meaning.summary} ({meaning.severity})"
    yield ""
    yield meaning.explanation
    if code in _WHOLE_FILES:
        yield f"\nFor example: {_WHOLE_FILES[code]}"
    for example in EXAMPLES:
        if example.code == code:
            yield ""
            yield "```diff"
            yield from _edit(example)
            yield "```"


def _edit(example: Example) -> Iterator[str]:
    """The lines that differ, with the keys above them that say where they stand."""
    before, after = BASE.splitlines(), example.after().splitlines()
    shown = 0
    for kind, start, end, first, last in difflib.SequenceMatcher(None, before, after, autojunk=False).get_opcodes():
        if kind == "equal":
            continue
        changed = [*before[start:end], *after[first:last]]
        for number in _above(after, first, min(_indent(line) for line in changed)):
            if number >= shown:
                yield f" {after[number]}"
        yield from (f"-{line}" for line in before[start:end])
        yield from (f"+{_cut(line)}" for line in after[first:last])
        shown = last


def _above(lines: list[str], at: int, indent: int) -> list[int]:
    """The lines that hold the one at `at`, outermost first."""
    found: list[int] = []
    for number in range(at - 1, -1, -1):
        if _indent(lines[number]) < indent:
            found.append(number)
            indent = _indent(lines[number])
    return found[::-1]


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip(" "))


def _cut(line: str) -> str:
    return line if len(line) <= 100 else f"{line[:99]}…"
