"""Findings as a table, and whether all is well."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rich.console import Group
from rich.table import Table
from rich.text import Text

from ops.music.check import Finding

_UNKNOWN = "–"


def report(findings: Sequence[Finding]) -> Group:
    """A line for each file, then the problems of those that have some, then the sum."""
    table = Table(box=None, header_style="bold")
    for heading in ("File", "BPM", "Key", "Energy", "Length", "Format", "Title", "Artist"):
        table.add_column(heading, justify="right" if heading in ("BPM", "Energy", "Length") else "left")
    for finding in findings:
        table.add_row(*_cells(finding), style="red" if finding.problems else None)
    failed = [finding for finding in findings if finding.problems]
    problems = [
        Text(f"failed: {finding.path.name}: {problem}", style="red")
        for finding in failed
        for problem in finding.problems
    ]
    return Group(table, *problems, Text(f"{len(findings) - len(failed)} of {len(findings)} files are well"))


def all_well(findings: Sequence[Finding]) -> bool:
    return bool(findings) and not any(finding.problems for finding in findings)


def _cells(finding: Finding) -> list[Text]:
    tags = finding.metadata.get("id3_tags") or {}
    technical = finding.metadata.get("audio_analysis") or {}
    cells = [
        finding.path.name,
        _number(finding.results.get("bpm"), ".1f"),
        finding.results.get("key"),
        _number(finding.results.get("energy"), ".2f"),
        _length(technical.get("duration_seconds")),
        " in ".join(filter(None, (technical.get("codec"), technical.get("container")))),
        tags.get("title"),
        tags.get("artist"),
    ]
    return [Text(str(cell or _UNKNOWN)) for cell in cells]


def _number(value: Any, form: str) -> str | None:
    return None if value is None else format(value, form)


def _length(seconds: float | None) -> str | None:
    return None if seconds is None else f"{int(seconds) // 60}:{int(seconds) % 60:02}"
