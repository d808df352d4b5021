"""Faults from a seed, and the time it took to recover from each."""

from __future__ import annotations

from itertools import islice

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import PipelineError
from pipeline.verify.account import Settlement
from pipeline.verify.recovery import Inflicted, Recovery, recovery, summarise
from pipeline.verify.scenarios import SCENARIOS, scenarios_of
from pipeline.verify.schedule import schedule

FAULTS = ["cut", "kill", "silence"]


@given(st.integers(0, 1_000_000))
def test_a_seed_has_one_schedule(seed: int) -> None:
    assert list(islice(schedule(seed, FAULTS), 20)) == list(islice(schedule(seed, FAULTS), 20))


def test_another_seed_has_another_schedule() -> None:
    assert list(islice(schedule(1, FAULTS), 20)) != list(islice(schedule(2, FAULTS), 20))


@given(st.integers(0, 1_000_000), st.integers(1, 5))
def test_each_fault_comes_once_before_any_comes_again(seed: int, rounds: int) -> None:
    planned = [each.fault for each in islice(schedule(seed, FAULTS), rounds * len(FAULTS))]
    for start in range(0, len(planned), len(FAULTS)):
        assert sorted(planned[start : start + len(FAULTS)]) == FAULTS


def test_some_faults_have_a_momentary_one_beside_them_and_never_themselves() -> None:
    planned = list(islice(schedule(1, FAULTS, ["cut", "kill"]), 200))
    pairs = {(each.fault, each.beside) for each in planned}
    assert pairs == {(fault, beside) for fault in FAULTS for beside in ("", "cut", "kill") if fault != beside}
    assert all(each.beside or not each.after_s for each in planned)


def test_no_two_faults_of_a_schedule_decide_alike() -> None:
    seeds = [each.seed for each in islice(schedule(1, FAULTS), 30)]
    assert len(set(seeds)) == len(seeds)


def test_recovery_is_from_the_end_of_the_fault_to_the_first_effect_and_to_the_last_of_what_waited() -> None:
    inflicted = Inflicted("cut", "", began=9.0, ended=10.0)
    settlements = [
        Settlement(confirmed=8.0, settled=9.5, is_effect=True),
        Settlement(confirmed=9.0, settled=10.25, is_effect=False),
        Settlement(confirmed=9.0, settled=11.0, is_effect=True),
        Settlement(confirmed=9.5, settled=14.0, is_effect=True),
        Settlement(confirmed=10.5, settled=20.0, is_effect=True),
    ]
    assert recovery(inflicted, settlements) == Recovery(first=1.0, backlog=4.0)


def test_a_backlog_that_was_never_worked_off_has_no_end() -> None:
    inflicted = Inflicted("cut", "", began=9.0, ended=10.0)
    assert recovery(inflicted, [], complete=False) == Recovery(first=None, backlog=None)


def test_faults_of_a_kind_are_summed_up_by_median_and_worst() -> None:
    times = [(1.0, 5.0), (2.0, 4.0), (9.0, 30.0)]
    of_cuts = [(Inflicted("cut", "", 0.0, 0.0), Recovery(*each)) for each in times]
    of_kills = [(Inflicted("kill", "", 0.0, 0.0), Recovery(None, 1.0))]
    cut, kill = summarise([*of_cuts, *of_kills])
    assert (cut.times, cut.first_median, cut.first_worst, cut.backlog_median, cut.backlog_worst) == (3, 2, 9, 5, 30)
    assert (kill.times, kill.first_median, kill.first_worst) == (1, None, None)


def test_a_misspelt_fault_is_refused_with_what_was_meant() -> None:
    with pytest.raises(PipelineError, match=r'"worker-kil".*Did you mean "worker-kill"') as refused:
        scenarios_of(list(SCENARIOS), ["worker-kil"], seed=1, minutes=1, jobs=1)
    assert "silence" in refused.value.fix


def test_only_scenarios_that_have_a_chosen_fault_are_played() -> None:
    chosen = scenarios_of(list(SCENARIOS), ["node-kill"], seed=1, minutes=1, jobs=1)
    assert [(each.name, [fault.name for fault in each.faults]) for each in chosen] == [("cluster", ["node-kill"])]
