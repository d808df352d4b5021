"""Waiting between tries."""

from __future__ import annotations

import random


def backoff_delay(attempt: int, base_s: float = 0.2, cap_s: float = 15.0) -> float:
    """Seconds to wait after a failed try, doubling up to a cap, with the upper half of it at random.

    Args:
        attempt: 1 after the first failure.
        base_s, cap_s: seconds; 0 < base_s <= cap_s.
    Returns: seconds in (0, cap_s], at least half of what the attempt's limit is, so a failing try is never hot.
    Raises: ValueError if attempt < 1.
    Source: AWS Architecture Blog, "Exponential Backoff and Jitter" ("equal jitter").
    """
    if attempt < 1:
        raise ValueError(f"attempt {attempt} is below 1")
    limit = min(cap_s, base_s * 2.0 ** min(attempt - 1, 60))
    return limit / 2 + random.uniform(0, limit / 2)
