"""Which events a dashboard wants, of all that there are."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from pipeline.state.port import Event, Status

MOST_CHOICES = 50

StageName = Annotated[str, StringConstraints(min_length=1, max_length=200)]


class Filter(BaseModel):
    """With both, an event has to have one of the statuses and one of the stages."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)

    status: Annotated[frozenset[Status], Field(min_length=1, strict=False, description="Any of these")] | None = None
    stage: Annotated[frozenset[StageName], Field(min_length=1, max_length=MOST_CHOICES, strict=False)] | None = None

    def admits(self, event: Event) -> bool:
        """Whether the event is wanted."""
        if self.status is not None and event.status not in self.status:
            return False
        return self.stage is None or stage_of(event) in self.stage


def stage_of(event: Event) -> str | None:
    """The stage that the event came from; None for what is queued, which no stage has begun."""
    stage = event.data.get("stage")
    return stage if isinstance(stage, str) else None
