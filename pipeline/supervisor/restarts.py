"""How long a process that ended waits before it is started again."""

from __future__ import annotations

import random
from collections.abc import Callable


class Restarts:
    """Exponential backoff with full jitter, for one process; begins anew once that has run well.

    Args:
        base_s, cap_s: seconds; 0 < base_s <= cap_s.
        well_s: what has run for so long had begun well: its end is a first one.
        uniform: a number between two, at random.
    Source: AWS Architecture Blog, "Exponential Backoff and Jitter" ("full jitter").
    """

    def __init__(
        self,
        *,
        base_s: float = 0.5,
        cap_s: float = 60.0,
        well_s: float = 60.0,
        uniform: Callable[[float, float], float] = random.uniform,
    ) -> None:
        self._base_s = base_s
        self._cap_s = cap_s
        self._well_s = well_s
        self._uniform = uniform
        self._in_a_row = 0

    def delay(self, ran_s: float) -> float:
        """Seconds to wait after one that ran for `ran_s`: in [0, min(cap_s, base_s * 2**(ends in a row - 1))]."""
        self._in_a_row = 1 if ran_s >= self._well_s else self._in_a_row + 1
        return self._uniform(0.0, min(self._cap_s, self._base_s * 2.0 ** min(self._in_a_row - 1, 60)))
