"""Waiting between tries."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.runtime.backoff import backoff_delay


@given(st.integers(1, 10_000), st.floats(0.01, 1), st.floats(1, 100))
def test_a_delay_is_between_half_of_its_limit_and_the_limit(attempt: int, base_s: float, cap_s: float) -> None:
    limit = min(cap_s, base_s * 2.0 ** min(attempt - 1, 100))
    assert limit / 2 <= backoff_delay(attempt, base_s, cap_s) <= limit


def test_the_first_failure_is_attempt_one() -> None:
    with pytest.raises(ValueError, match="below 1"):
        backoff_delay(0)
