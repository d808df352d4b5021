"""What is found wrong in a sheet, with codes that stay."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

Severity = Literal["error", "warning"]

MOST_TOLD = 100
"""Of errors and of warnings each, in what is sent: a message has a size that it may not exceed."""


@dataclass(frozen=True, slots=True)
class Finding:
    """Attributes:
    code: stable, in capitals: `INDEX_01_MISSING`.
    track: the track's number, where it is about one.
    line: in the file it was read from, from 1, where that is known.
    """

    code: str
    message: str
    severity: Severity = "error"
    track: int | None = None
    line: int | None = None

    def as_json(self) -> dict[str, Any]:
        return {"code": self.code, "message": self.message, "track": self.track, "line": self.line}


@dataclass(frozen=True, slots=True)
class Report:
    """All findings about a sheet, in the order of its lines where they are known."""

    findings: tuple[Finding, ...]

    @property
    def errors(self) -> tuple[Finding, ...]:
        return tuple(each for each in self.findings if each.severity == "error")

    @property
    def warnings(self) -> tuple[Finding, ...]:
        return tuple(each for each in self.findings if each.severity == "warning")

    @property
    def is_valid(self) -> bool:
        """Whether there is no error; warnings are no obstacle."""
        return not self.errors

    def as_json(self) -> dict[str, Any]:
        """As answers have it; of very many findings the first, and how many more there are."""
        return {"is_valid": self.is_valid, "errors": _told(self.errors), "warnings": _told(self.warnings)}


def report_of(*parts: Sequence[Finding]) -> Report:
    """One report of several lists of findings."""
    findings = [each for part in parts for each in part]
    return Report(tuple(sorted(findings, key=lambda each: each.line or 0)))


def _told(findings: Sequence[Finding]) -> list[dict[str, Any]]:
    told = [each.as_json() for each in findings[:MOST_TOLD]]
    if len(findings) > MOST_TOLD:
        more = f"There are {len(findings) - MOST_TOLD} more findings of this severity"
        told.append(Finding("MORE_FINDINGS", more).as_json())
    return told
