"""Which updates of a recording's progress are stored and which are refused."""

from __future__ import annotations

import json
from typing import Any

import pytest

from pipeline.state.port import Event, Status, Update
from pipeline.state.store import Store


def queued(run: str, recording: str = "rec") -> Update:
    return Update(recording, run, "", "progress", Status.QUEUED, data={"message": "Waiting"})


def begins(run: str, attempt: str, progress: float = 0.0) -> Update:
    return Update("rec", run, attempt, "progress", Status.ANALYZING, progress, {"message": "Started"}, begins=True)


def shows(run: str, attempt: str, progress: float) -> Update:
    return Update("rec", run, attempt, "progress", Status.ANALYZING, progress)


def completes(run: str, attempt: str) -> Update:
    return Update("rec", run, attempt, "analysis_complete", Status.COMPLETED, 1.0, {"results": {"bpm": 128.5}})


def fails(run: str, attempt: str) -> Update:
    return Update("rec", run, attempt, "error", Status.FAILED, data={"error": "Broken", "details": {}})


async def accepted(store: Store, *updates: Update) -> list[Event]:
    events = [await store.progress.record(update) for update in updates]
    assert None not in events
    return [event for event in events if event is not None]


async def refused(store: Store, *updates: Update) -> None:
    before = await store.progress.snapshot("rec")
    for update in updates:
        assert await store.progress.record(update) is None
    assert await store.progress.snapshot("rec") == before


def data_of(event: Event | None) -> dict[str, Any]:
    assert event is not None
    data: dict[str, Any] = json.loads(event.frame)["data"]
    return data


async def test_sequence_counts_from_one_without_gaps(store: Store) -> None:
    events = await accepted(store, queued("1"), begins("1", "a"), shows("1", "a", 0.5), completes("1", "a"))
    assert [event.sequence for event in events] == [1, 2, 3, 4]
    assert [json.loads(event.frame)["sequence"] for event in events] == [1, 2, 3, 4]
    assert [event.status for event in events] == ["queued", "analyzing", "analyzing", "completed"]


async def test_all_recordings_share_one_epoch_and_have_sequences_of_their_own(store: Store) -> None:
    one, other = await accepted(store, queued("1"), queued("1", "other"))
    assert (one.sequence, other.sequence) == (1, 1)
    assert one.epoch == other.epoch == json.loads(other.frame)["epoch"] != ""


async def test_refused_update_leaves_no_trace(store: Store) -> None:
    await accepted(store, begins("1", "a", 0.5))
    await refused(store, shows("1", "a", 0.25))
    (event,) = await accepted(store, shows("1", "a", 0.75))
    assert event.sequence == 2
    assert [each.sequence for each in await store.progress.since("rec", 0)] == [1, 2]


async def test_progress_never_goes_back_within_an_attempt(store: Store) -> None:
    await accepted(store, begins("1", "a"), shows("1", "a", 0.1), shows("1", "a", 0.1), shows("1", "a", 0.3))
    await refused(store, shows("1", "a", 0.1 + 0.2 - 0.01), begins("1", "a", 0.2))


async def test_progress_is_compared_exactly(store: Store) -> None:
    await accepted(store, begins("1", "a", 0.1 + 0.2))
    await refused(store, shows("1", "a", 0.3))
    assert data_of(await store.progress.snapshot("rec"))["progress"] == 0.1 + 0.2


@pytest.mark.parametrize("end", [completes, fails])
async def test_nothing_is_stored_after_the_end_of_a_run(store: Store, end: Any) -> None:
    await accepted(store, begins("1", "a"), end("1", "a"))
    await refused(store, shows("1", "a", 1.0), completes("1", "a"), fails("1", "a"), queued("1"), begins("1", "b"))
    assert await store.progress.cancel("rec", "late") is None


async def test_failure_is_stored_however_far_the_work_was(store: Store) -> None:
    await accepted(store, begins("1", "a", 0.9), fails("1", "a"))


async def test_event_that_shows_no_progress_leaves_it_as_it_is(store: Store) -> None:
    partial = Update("rec", "1", "a", "partial_result", Status.ANALYZING, data={"bpm": 120.0})
    await accepted(store, begins("1", "a", 0.5), partial)
    await refused(store, shows("1", "a", 0.4))


async def test_only_the_attempt_that_has_the_run_may_write(store: Store) -> None:
    await accepted(store, begins("1", "a"))
    await refused(store, shows("1", "b", 0.5), completes("1", "b"), fails("1", ""))


async def test_new_attempt_takes_the_run_over_and_may_start_lower(store: Store) -> None:
    await accepted(store, begins("1", "a", 0.8), begins("1", "b", 0.0), shows("1", "b", 0.1))
    await refused(store, shows("1", "a", 0.9), completes("1", "a"))


async def test_attempt_that_begins_without_showing_progress_starts_anew(store: Store) -> None:
    notice = Update("rec", "1", "b", "notice", Status.ANALYZING, data={"text": "Decoding"}, begins=True)
    await accepted(store, begins("1", "a", 0.8), notice, shows("1", "b", 0.1))


async def test_attempts_of_one_run_say_nothing_of_another(store: Store) -> None:
    await accepted(store, begins("1", "a"), begins("1", "b"), queued("2"), begins("2", "b"), begins("2", "a"))


async def test_replaced_attempt_cannot_take_the_run_back(store: Store) -> None:
    await accepted(store, begins("1", "a"), begins("1", "b"))
    await refused(store, begins("1", "a", 1.0))
    await accepted(store, begins("1", "c"), completes("1", "c"))


async def test_retry_goes_on_within_the_run(store: Store) -> None:
    retrying = Update("rec", "1", "a", "progress", Status.RETRYING, 0.5, {"message": "Again in 5 s"})
    events = await accepted(store, queued("1"), begins("1", "a", 0.5), retrying, begins("1", "b"), completes("1", "b"))
    assert [event.status for event in events] == ["queued", "analyzing", "retrying", "analyzing", "completed"]


async def test_queued_is_refused_for_a_run_that_was_seen(store: Store) -> None:
    await accepted(store, queued("1"), begins("1", "a"))
    await refused(store, queued("1"))


async def test_queued_run_replaces_one_that_has_ended(store: Store) -> None:
    await accepted(store, begins("1", "a"), completes("1", "a"), queued("2"))
    assert data_of(await store.progress.snapshot("rec"))["status"] == "queued"
    await refused(store, queued("1"), begins("1", "b"), shows("1", "a", 1.0))


async def test_queued_run_replaces_one_that_is_being_worked_on(store: Store) -> None:
    await accepted(store, begins("1", "a", 0.5), queued("2"))
    await refused(store, shows("1", "a", 0.6), completes("1", "a"))
    await accepted(store, begins("2", "b"), completes("2", "b"))


async def test_old_request_delivered_again_does_not_disturb_the_newer_one(store: Store) -> None:
    await accepted(store, queued("1"), queued("2"))
    await refused(store, begins("1", "a"), queued("1"))
    await accepted(store, begins("2", "b"))
    await refused(store, begins("1", "c"))
    await accepted(store, completes("2", "b"))
    await refused(store, begins("1", "d"))


async def test_unannounced_run_takes_over_by_beginning(store: Store) -> None:
    await accepted(store, begins("1", "a", 0.5), begins("2", "b"), shows("2", "b", 0.1))
    await refused(store, shows("1", "a", 0.6), begins("1", "c"), completes("1", "a"))


async def test_run_that_was_overtaken_while_queued_has_its_turn_later(store: Store) -> None:
    await accepted(store, queued("1"), begins("2", "a"), completes("2", "a"))
    await refused(store, queued("1"), shows("1", "b", 0.1))
    await accepted(store, begins("1", "b"), completes("1", "b"))
    await refused(store, begins("2", "c"))


async def test_overtaken_run_has_no_turn_once_a_newer_one_is_queued(store: Store) -> None:
    await accepted(store, queued("1"), begins("2", "a"), queued("3"))
    await refused(store, begins("1", "b"))
    await accepted(store, begins("3", "c"))


async def test_update_of_a_run_that_never_began_is_refused(store: Store) -> None:
    await accepted(store, queued("1"))
    await refused(store, shows("1", "a", 0.5), shows("2", "b", 0.5), completes("2", "b"))


async def test_update_is_accepted_where_nothing_is_known(store: Store) -> None:
    await accepted(store, shows("1", "a", 0.5), completes("1", "a"))


async def test_many_earlier_runs_are_remembered(store: Store) -> None:
    runs = [str(number) for number in range(60)]
    for run in runs:
        await accepted(store, queued(run))
    await refused(store, *(begins(run, "a") for run in runs[:-1]))
    await accepted(store, begins(runs[-1], "a"))


@pytest.mark.parametrize("progress", [-0.1, 1.1, float("nan"), float("inf")])
async def test_progress_outside_zero_to_one_is_an_error(store: Store, progress: float) -> None:
    with pytest.raises(ValueError, match="not within 0 and 1"):
        await store.progress.record(shows("1", "a", progress))
    assert await store.progress.snapshot("rec") is None


async def test_cancel_ends_the_run_and_says_why(store: Store) -> None:
    await accepted(store, begins("1", "a", 0.5))
    event = await store.progress.cancel("rec", "Cancelled by the user")
    assert event is not None
    assert (event.sequence, event.status) == (2, Status.CANCELLED)
    data = data_of(event)
    assert data.pop("timestamp") > 1e9
    assert data == {
        "type": "error",
        "error": "Cancelled by the user",
        "details": {"error_code": "CANCELLED"},
        "status": "cancelled",
    }
    await refused(store, shows("1", "a", 0.6), completes("1", "a"), begins("1", "b"))
    assert await store.progress.cancel("rec", "again") is None


async def test_cancel_of_an_unknown_recording_does_nothing(store: Store) -> None:
    assert await store.progress.cancel("rec", "nothing there") is None
    assert await store.progress.snapshot("rec") is None


async def test_ended_tells_how_a_run_ended(store: Store) -> None:
    assert await store.progress.ended("rec", "1") is None
    await accepted(store, queued("1"))
    assert await store.progress.ended("rec", "1") is None
    await accepted(store, begins("1", "a"), fails("1", "a"))
    assert await store.progress.ended("rec", "1") is Status.FAILED
    await accepted(store, queued("2"))
    assert await store.progress.ended("rec", "1") is Status.FAILED
    assert await store.progress.ended("rec", "2") is None
    assert await store.progress.ended("rec", "3") is None


async def test_cancel_reaches_requests_that_wait_or_were_replaced(store: Store) -> None:
    await accepted(store, queued("1"), begins("2", "a"), queued("3"), begins("4", "b"))
    assert [await store.progress.ended("rec", run) for run in "1234"] == [None] * 4
    assert await store.progress.cancel("rec", "stop") is not None
    assert [await store.progress.ended("rec", run) for run in "1234"] == [Status.CANCELLED] * 4
    await refused(store, begins("1", "c"), begins("2", "d"), begins("3", "e"), begins("4", "f"))
    await accepted(store, queued("5"), begins("5", "g"))
