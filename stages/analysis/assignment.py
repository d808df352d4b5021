"""What is left to be analysed of a file, and what has been found out: what goes into the pool and comes back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from stages.content import Content
from stages.contracts import AnalysisRequest

Findings = Mapping[str, Mapping[str, Any]]
"""By what was looked for ("bpm", "key", "energy"; "extent", which goes with each): the fields of the results. What
was looked for and is not there has none."""


@dataclass(frozen=True, slots=True)
class Assignment:
    """A request, less what is known already.

    Attributes:
        wanted: which of "bpm", "key" and "energy" have to be computed.
        known: what is known of the same content, of what was asked for.
        content: None where it is not known, and nothing is to be remembered of it.
    """

    request: AnalysisRequest
    wanted: frozenset[str]
    known: Findings = field(default_factory=dict)
    content: Content | None = None

    @classmethod
    def of(cls, request: AnalysisRequest) -> Assignment:
        """All that is asked for."""
        return cls(request, frozenset(request.analysis_types))


@dataclass(frozen=True, slots=True)
class Analysed:
    """An assignment that is done."""

    assignment: Assignment
    findings: Findings
