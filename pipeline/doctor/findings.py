"""What an examination finds."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from pipeline.errors import PipelineError


class Verdict(StrEnum):
    """How bad it is."""

    GOOD = "good"
    WARNING = "warning"
    PROBLEM = "problem"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at.

    Attributes:
        about: what was looked at, a word or two.
        what: what was found, one sentence.
        fix: what to do; empty where it is good.
    """

    about: str
    verdict: Verdict
    what: str
    fix: str = ""

    def to_json(self) -> dict[str, Any]:
        return {"about": self.about, "verdict": self.verdict.value, "what": self.what, "fix": self.fix}


def good(about: str, what: str) -> Finding:
    return Finding(about, Verdict.GOOD, what)


def warning(about: str, what: str, fix: str) -> Finding:
    return Finding(about, Verdict.WARNING, what, fix)


def problem(about: str, what: str, fix: str) -> Finding:
    return Finding(about, Verdict.PROBLEM, what, fix)


def from_error(about: str, error: PipelineError) -> Finding:
    """A problem, in the words that a command would end with."""
    what = f"{error.what} ({error.where})" if error.where else error.what
    return problem(about, what, error.fix)
