"""How long a worker that ended waits: exponential, full jitter, anew after a good run."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from pipeline.supervisor.restarts import Restarts


@given(
    st.lists(st.floats(0, 59.9), min_size=1, max_size=100),
    st.floats(0, 1),
    st.floats(60, 1e9),
)
def test_the_limit_doubles_with_each_end_up_to_the_cap_and_begins_anew_after_a_good_run(
    short_runs: list[float], share: float, good_run: float
) -> None:
    restarts = Restarts(base_s=0.5, cap_s=60, well_s=60, uniform=lambda low, high: low + share * (high - low))
    delays = [restarts.delay(ran_s) for ran_s in short_runs]
    assert delays == [share * min(60, 0.5 * 2**number) for number in range(len(short_runs))]
    assert restarts.delay(good_run) == share * 0.5
    assert restarts.delay(0) == share * 1.0


@given(st.integers(1, 200))
def test_every_delay_is_between_nothing_and_the_cap(ends: int) -> None:
    restarts = Restarts()
    assert all(0 <= restarts.delay(0) <= 60 for _ in range(ends))
