"""Which fault comes when: all of it from a seed."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

_PAUSE_S = (0.5, 4.0)
_BESIDE = 0.3
_AFTER_S = (0.0, 4.0)


@dataclass(frozen=True, slots=True)
class Planned:
    """A fault that is to come.

    Attributes:
        pause_s: from when the one before has ended, and its first effect was seen.
        seed: of what the fault itself decides.
        beside: another fault that comes while this one lasts, some seconds after it has begun; empty for none.
    """

    fault: str
    pause_s: float
    seed: str
    beside: str = ""
    after_s: float = 0.0


def schedule(seed: int, faults: Sequence[str], momentary: Sequence[str] = ()) -> Iterator[Planned]:
    """Without end, in rounds in which each fault comes once, in an order of the round's own.

    Args:
        momentary: those that may come beside any other.
    """
    chance = random.Random(f"schedule {seed}")
    number = 0
    while True:
        for fault in chance.sample(faults, len(faults)):
            number += 1
            pause_s, after_s = round(chance.uniform(*_PAUSE_S), 3), round(chance.uniform(*_AFTER_S), 3)
            others = [each for each in momentary if each != fault]
            beside = chance.choice(others) if others and chance.random() < _BESIDE else ""
            yield Planned(fault, pause_s, f"{seed}.{number}.{fault}", beside, after_s if beside else 0.0)
