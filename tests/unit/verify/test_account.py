"""That the account notices what it is there for."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from pipeline.verify.account import Account, Problem
from pipeline.verify.steps import ORDER, PARTS, Job, Kind, Part

ALL = PARTS + 1


def job(kind: Kind = Kind.STEADY, name: str = "job-1", *, number: int = 0, key: str = "key") -> Job:
    return Job(job=name, key=key, number=number, kind=kind)


def part(of: Job, number: int) -> Part:
    return Part(**of.model_dump(), part=number)


def passed(account: Account, of: Job) -> None:
    """It went through as it should."""
    account.send(of)
    account.confirm(of, 1.0)
    if of.kind is Kind.BAD:
        account.letter(of, ORDER, of.job, "ANALYSIS_ERROR", 2.0)
    else:
        account.effect(of, of.job, 2.0)
    for number in range(PARTS):
        if of.kind is Kind.BAD:
            account.letter(part(of, number), "verify.work", f"{of.job}.{number}", "ANALYSIS_ERROR", 2.0)
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
    assert account.sent == ALL


@pytest.mark.parametrize("kind", list(Kind))
def test_a_confirmed_job_that_never_came_out_is_lost_in_all_its_parts(kind: Kind) -> None:
    account = Account()
    passed(account, job(kind))
    account.send(job(kind, "gone"))
    account.confirm(job(kind, "gone"), 1.0)
    assert problems(account) == [(Problem.LOST, f"gone/{part}") for part in (0, 1, "ordered")]
    assert account.open == ALL


def test_one_part_of_a_job_can_be_lost() -> None:
    account = Account()
    account.send(job())
    account.confirm(job(), 1.0)
    account.effect(part(job(), 0), "a", 2.0)
    account.document("job-1/0", "a")
    account.effect(job(), "b", 2.0)
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
        lambda account: account.letter(part(job(), 0), "verify.work", "job-1.0", "TIMEOUT", 3.0),
    ],
    ids=["two outputs", "two documents", "an output and a dead letter"],
)
def test_two_outcomes_of_one_part_are_a_duplicate(doubled: Callable[[Account], None]) -> None:
    account = Account()
    passed(account, job())
    doubled(account)
    assert (Problem.DUPLICATED, "job-1/0") in problems(account)


def test_the_same_outcome_delivered_again_is_counted_apart() -> None:
    account = Account()
    passed(account, job())
    passed_bad = job(Kind.BAD, "bad")
    passed(account, passed_bad)
    account.effect(part(job(), 0), "job-1.0", 3.0)
    account.letter(part(passed_bad, 0), "verify.work", "bad.0", "ANALYSIS_ERROR", 3.0)
    assert problems(account) == []
    assert account.delivered_again == 2


def test_what_is_still_in_a_queue_is_stuck_and_not_lost() -> None:
    account = Account()
    passed(account, job())
    waiting = job(name="waiting")
    account.send(waiting)
    account.confirm(waiting, 1.0)
    account.remain(waiting, "verify.enter", "verify.enter")
    account.remain(waiting, "verify.order.2", "verify.retry.500ms")
    assert problems(account) == [(Problem.STUCK, f"waiting/{part}") for part in (0, 1, "ordered")]


def test_a_copy_left_behind_of_what_came_out_is_stuck() -> None:
    account = Account()
    passed(account, job())
    account.remain(part(job(), 1), "verify.work", "verify.retry.500ms")
    assert problems(account) == [(Problem.STUCK, "job-1/1")]


def test_an_output_whose_document_is_gone_is_lost() -> None:
    account = Account()
    account.send(job())
    account.confirm(job(), 1.0)
    account.effect(job(), "job-1", 2.0)
    for number in range(PARTS):
        account.effect(part(job(), number), f"{number}", 2.0)
    account.document("job-1/1", "1")
    assert problems(account) == [(Problem.LOST, "job-1/0")]


def test_a_good_message_among_the_dead_letters_is_misjudged() -> None:
    account = Account()
    account.send(job())
    account.confirm(job(), 1.0)
    account.letter(job(), "verify.enter", "job-1", "TIMEOUT", 2.0)
    account.effect(job(), "job-1", 2.0)
    assert problems(account) == [(Problem.MISJUDGED, "job-1/0"), (Problem.MISJUDGED, "job-1/1")]


def test_one_that_came_out_and_was_given_up_on_since_its_workers_were_lost_is_no_duplicate() -> None:
    account = Account()
    passed(account, job())
    account.letter(part(job(), 0), "verify.work", "job-1.0", "WORKER_CRASHED", 3.0)
    assert problems(account) == []
    assert account.given_up == 1


def test_a_good_message_given_up_after_its_workers_were_lost_is_counted_apart() -> None:
    account = Account()
    account.send(job())
    account.confirm(job(), 1.0)
    account.letter(job(), "verify.enter", "job-1", "WORKER_CRASHED", 2.0)
    account.letter(job(), ORDER, "job-1", "WORKER_CRASHED", 2.0)
    assert problems(account) == []
    assert account.given_up == ALL


def test_a_bad_message_that_came_out_is_misjudged() -> None:
    account = Account()
    bad = job(Kind.BAD)
    account.send(bad)
    account.confirm(bad, 1.0)
    account.letter(bad, ORDER, "job-1", "ANALYSIS_ERROR", 2.0)
    for number in range(PARTS):
        account.effect(part(bad, number), f"{number}", 2.0)
        account.document(part(bad, number).name, f"{number}")
    assert problems(account) == [(Problem.MISJUDGED, "job-1/0"), (Problem.MISJUDGED, "job-1/1")]


def test_what_nobody_has_sent_is_a_finding() -> None:
    account = Account()
    account.effect(part(job(), 0), "a", 1.0)
    assert problems(account) == [(Problem.MISJUDGED, "job-1/0")]


def test_a_worker_that_failed_is_a_finding_of_its_own() -> None:
    account = Account()
    passed(account, job())
    account.complain(Problem.WORKER_FAILED, "worker", "a worker ended by itself with exit code 1")
    assert problems(account) == [(Problem.WORKER_FAILED, "worker")]


def test_a_job_that_came_after_a_later_one_of_its_key_is_out_of_order() -> None:
    account = Account()
    first, second, third = (job(name=f"job-{number}", number=number) for number in range(3))
    for each in (first, third, second):
        passed(account, each)
    assert problems(account) == [(Problem.OUT_OF_ORDER, "job-1/ordered")]


def test_the_order_is_that_of_a_key_and_of_first_arrivals() -> None:
    account = Account()
    for number in (0, 2, 5):  # between them, those that are dead letters
        passed(account, job(name=f"a-{number}", number=number, key="a"))
    passed(account, job(name="b-1", number=1, key="b"))
    account.effect(job(name="a-0", number=0, key="a"), "a-0", 3.0)
    assert problems(account) == []
    assert account.delivered_again == 1
