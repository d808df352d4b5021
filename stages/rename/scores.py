"""What people think of the patterns that names were made by: from 0 to 1, and in the middle where nobody has said."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from pipeline.stage import Documents

KIND, FEEDBACK = "rename_pattern", "rename_feedback"
VERDICT = "verdict"
"""The index of the feedback by what was said of which pattern."""

PRIOR = 0.5
_PRIOR_WEIGHT = 4
_MOST_PATTERNS = 500
_OF_TYPE: Mapping[str, float] = {"success": 1.0, "improvement": 0.5, "failure": 0.0}
_RATINGS = (None, 1, 2, 3, 4, 5)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a feedback says."""

    type: str
    rating: int | None

    @property
    def value(self) -> float:
        """0 to 1: the mean of the type and the rating, where there is one."""
        of_type = _OF_TYPE[self.type]
        return of_type if self.rating is None else (of_type + (self.rating - 1) / 4) / 2

    def key(self, pattern: str) -> str:
        """Its place in the index."""
        return f"{self.type}:{self.rating or ''}:{pattern}"


VERDICTS = tuple(Verdict(kind, rating) for kind in _OF_TYPE for rating in _RATINGS)


def score(counts: Mapping[Verdict, int]) -> float:
    """The Bayesian average of the verdicts: as if four more had been neither good nor bad."""
    total = _PRIOR_WEIGHT + sum(counts.values())
    return (PRIOR * _PRIOR_WEIGHT + sum(verdict.value * count for verdict, count in counts.items())) / total


async def recount(documents: Documents, pattern: str) -> None:
    """Store a pattern's score by the feedback that is stored.

    Counted anew each time, so a feedback that comes twice counts once; and once more where others came meanwhile, so
    the last one to write has counted all. Raises StateUnavailable.
    """
    counts = await _counted(documents, pattern)
    while True:
        await documents.put(KIND, pattern, _document(pattern, counts))
        again = await _counted(documents, pattern)
        if again == counts:
            return
        counts = again


async def scores(documents: Documents) -> dict[str, float]:
    """The scores of patterns by their text, of those most recently spoken of. Raises StateUnavailable."""
    found, _ = await documents.page(KIND, limit=_MOST_PATTERNS)
    return {each["pattern"]: each["score"] for each in found}


async def _counted(documents: Documents, pattern: str) -> dict[Verdict, int]:
    counts = await documents.counts(FEEDBACK, VERDICT, [verdict.key(pattern) for verdict in VERDICTS])
    return dict(zip(VERDICTS, counts, strict=True))


def _document(pattern: str, counts: Mapping[Verdict, int]) -> dict[str, Any]:
    rated = {verdict: count for verdict, count in counts.items() if verdict.rating is not None}
    ratings = sum(rated.values())
    stars = sum((verdict.rating or 0) * count for verdict, count in rated.items())
    return {
        "pattern": pattern,
        "score": round(score(counts), 4),
        "feedback_count": sum(counts.values()),
        **{kind: sum(count for verdict, count in counts.items() if verdict.type == kind) for kind in _OF_TYPE},
        "rating_count": ratings,
        "average_rating": round(stars / ratings, 2) if ratings else None,
        "updated_at": datetime.now(UTC).isoformat(timespec="microseconds"),
    }
