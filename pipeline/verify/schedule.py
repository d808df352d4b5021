"""Which fault comes when: all of it from a seed."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

_PAUSE_S = (0.5, 4.0)


@dataclass(frozen=True, slots=True)
class Planned:
    """A fault that is to come.

    Attributes:
        pause_s: from when the one before has ended, and its first effect was seen.
        seed: of what the fault itself decides.
    """

    fault: str
    pause_s: float
    seed: str


def schedule(seed: int, faults: Sequence[str]) -> Iterator[Planned]:
    """Without end, in rounds in which each fault comes once, in an order of the round's own."""
    chance = random.Random(f"schedule {seed}")
    number = 0
    while True:
        for fault in chance.sample(faults, len(faults)):
            number += 1
            yield Planned(fault, round(chance.uniform(*_PAUSE_S), 3), f"{seed}.{number}.{fault}")
