"""What a client that comes back has missed of a recording."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from pipeline.state.port import Event, Progress


@dataclass(frozen=True, slots=True)
class Missed:
    """
    Attributes:
        events: all since the client's last one, oldest first; None if that is not known any more.
        last: the last one there is; None if nothing is known of the recording.
    """

    events: Sequence[Event] | None
    last: Event | None


async def missed_since(progress: Progress, recording_id: str, sequence: int, epoch: str) -> Missed:
    """What came after the event that the client had last. Raises StateUnavailable, Unreachable.

    Nothing can be told where the store lost its data (another epoch) or its last writes (the client is ahead), or keeps
    no event that old any more.
    """
    last = await progress.snapshot(recording_id)
    if last is None:
        return Missed(() if sequence == 0 else None, None)
    if last.epoch != epoch or last.sequence < sequence:
        return Missed(None, last)
    if last.sequence == sequence:
        return Missed((), last)
    events = [event for event in await progress.since(recording_id, sequence) if event.epoch == epoch]
    numbers = [sequence, *(event.sequence for event in events)]
    if events and all(after == before + 1 for before, after in pairwise(numbers)) and numbers[-1] >= last.sequence:
        return Missed(events, events[-1])
    return Missed(None, last)
