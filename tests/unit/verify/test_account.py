"""That the account notices what it is there for."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from pipeline.verify.account import Account, Problem
from pipeline.verify.steps import PARTS, Job, Kind, Part


def job(kind: Kind = Kind.STEADY, name: str = "job-1") -> Job:
    return Job(job=name, key="key", number=0, kind=kind)


def part(of: Job, number: int) -> Part:
    return Part(**of.model_dump(), part=number)


def passed(account: Account, of: Job) -> None:
    """It went through as it should."""
    account.send(of)
    account.confirm(of, 1.0)
    for number in range(PARTS):
        if of.kind is Kind.BAD:
            account.letter(part(of, number), f"{of.job}.{number}", "ANALYSIS_ERROR", 2.0)
        else:
            account.effect(part(of, number), f"{of.job}.{number}", 2.0)
            account.document(part(of, number).name, f"{of.job}.{number}")


def problems(account: Account) -> list[tuple[Problem, str]]:
    return [(finding.problem, finding.subject) for finding in account.findings()]


@pytest.mark.parametrize("kind", list(Kind))
def test_what_went_as_it_should_is_no_finding(kind: Kind) -> None:
    account = Account()
    passed(account, job(kind))
    assert problems(account) == []
    assert account.open == 0
    assert account.sent == PARTS


@pytest.mark.parametrize("kind", list(Kind))
def test_a_confirmed_job_that_never_came_out_is_lost_in_all_its_parts(kind: Kind) -> None:
    account = Account()
    passed(account, job(kind))
    account.send(job(kind, "gone"))
    account.confirm(job(kind, "gone"), 1.0)
    assert problems(account) == [(Problem.LOST, "gone/0"), (Problem.LOST, "gone/1")]
    assert account.open == PARTS


def test_one_part_of_a_job_can_be_lost() -> None:
    account = Account()
    account.send(job())
    account.confirm(job(), 1.0)
    account.effect(part(job(), 0), "a", 2.0)
    account.document("job-1/0", "a")
    assert problems(account) == [(Problem.LOST, "job-1/1")]


def test_what_was_never_confirmed_may_be_gone() -> None:
    account = Account()
    account.send(job())
    assert problems(account) == []


@pytest.mark.parametrize(
    "doubled",
    [
        lambda account: account.effect(part(job(), 0), "another id", 3.0),
        lambda account: account.document("job-1/0", "another id"),
        lambda account: account.letter(part(job(), 0), "job-1.0", "WORKER_CRASHED", 3.0),
    ],
    ids=["two outputs", "two documents", "an output and a dead letter"],
)
def test_two_outcomes_of_one_part_are_a_duplicate(doubled: Callable[[Account], None]) -> None:
    account = Account()
    passed(account, job())
    doubled(account)
    assert problems(account) == [(Problem.DUPLICATED, "job-1/0")]


def test_the_same_outcome_delivered_again_is_counted_apart() -> None:
    account = Account()
    passed(account, job())
    passed_bad = job(Kind.BAD, "bad")
    passed(account, passed_bad)
    account.effect(part(job(), 0), "job-1.0", 3.0)
    account.letter(part(passed_bad, 0), "bad.0", "ANALYSIS_ERROR", 3.0)
    assert problems(account) == []
    assert account.delivered_again == 2


def test_what_is_still_in_a_queue_is_stuck_and_not_lost() -> None:
    account = Account()
    passed(account, job())
    waiting = job(name="waiting")
    account.send(waiting)
    account.confirm(waiting, 1.0)
    account.remain(waiting, "verify.enter")
    assert problems(account) == [(Problem.STUCK, "waiting/0"), (Problem.STUCK, "waiting/1")]


def test_a_copy_left_behind_of_what_came_out_is_stuck() -> None:
    account = Account()
    passed(account, job())
    account.remain(part(job(), 1), "verify.retry.500ms")
    assert problems(account) == [(Problem.STUCK, "job-1/1")]


def test_an_output_whose_document_is_gone_is_lost() -> None:
    account = Account()
    account.send(job())
    account.confirm(job(), 1.0)
    for number in range(PARTS):
        account.effect(part(job(), number), f"{number}", 2.0)
    account.document("job-1/1", "1")
    assert problems(account) == [(Problem.LOST, "job-1/0")]


def test_a_good_message_among_the_dead_letters_is_misjudged() -> None:
    account = Account()
    account.send(job())
    account.confirm(job(), 1.0)
    account.letter(job(), "job-1", "TIMEOUT", 2.0)
    assert problems(account) == [(Problem.MISJUDGED, "job-1/0"), (Problem.MISJUDGED, "job-1/1")]


def test_a_good_message_given_up_after_its_workers_were_lost_is_counted_apart() -> None:
    account = Account()
    account.send(job())
    account.confirm(job(), 1.0)
    account.letter(job(), "job-1", "WORKER_CRASHED", 2.0)
    assert problems(account) == []
    assert account.given_up == PARTS


def test_a_bad_message_that_came_out_is_misjudged() -> None:
    account = Account()
    bad = job(Kind.BAD)
    account.send(bad)
    account.confirm(bad, 1.0)
    for number in range(PARTS):
        account.effect(part(bad, number), f"{number}", 2.0)
        account.document(part(bad, number).name, f"{number}")
    assert problems(account) == [(Problem.MISJUDGED, "job-1/0"), (Problem.MISJUDGED, "job-1/1")]


def test_what_nobody_has_sent_is_a_finding() -> None:
    account = Account()
    account.effect(part(job(), 0), "a", 1.0)
    assert problems(account) == [(Problem.MISJUDGED, "job-1/0")]
