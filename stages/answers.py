"""What the answers to requests have in common: when they were made, and how long they took."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from time import perf_counter

from pydantic import BaseModel

from pipeline.stage import StageContext


@dataclass(frozen=True, slots=True)
class Stopwatch:
    """Started with the work on a request."""

    began_at: datetime = field(default_factory=lambda: datetime.now(UTC))
    _began: float = field(default_factory=perf_counter)

    def processing_time_ms(self) -> float:
        return round((perf_counter() - self._began) * 1000, 3)

    def queue_time_ms(self, request: BaseModel, context: StageContext) -> float:
        """From when the request was made, by its own timestamp or else the AMQP property, to the work's start; else 0.

        The clocks of two machines may differ, so never less than 0.
        """
        made_at = getattr(request, "timestamp", None) or context.envelope.timestamp
        if not isinstance(made_at, datetime):
            return 0.0
        if made_at.tzinfo is None:
            made_at = made_at.replace(tzinfo=UTC)
        return round(max(0.0, (self.began_at - made_at).total_seconds()) * 1000, 3)
