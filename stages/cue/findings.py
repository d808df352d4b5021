"""What is found wrong in a sheet, with codes that stay."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

Severity = Literal["error", "warning"]


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
        return {
            "is_valid": self.is_valid,
            "errors": [each.as_json() for each in self.errors],
            "warnings": [each.as_json() for each in self.warnings],
        }


def report_of(*parts: Sequence[Finding]) -> Report:
    """One report of several lists of findings."""
    findings = [each for part in parts for each in part]
    return Report(tuple(sorted(findings, key=lambda each: each.line or 0)))
