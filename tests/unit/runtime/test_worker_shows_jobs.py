"""Jobs: progress under an id of their own, beside the recording's."""

from __future__ import annotations

import json
from typing import Any

from pipeline.errors import Permanent
from pipeline.runtime.subject import Subject
from pipeline.stage import Completed, StageContext
from pipeline.state.port import Status
from tests.unit.runtime.conftest import Answer, Order, Rig, eventually


def finish(order: Order) -> Completed:
    return Completed("order_complete", {"number": order.number})


def refuse(order: Order) -> Answer:
    raise Permanent("broken file", "DECODE_ERROR")


async def last_frame(rig: Rig, key: str, status: Status) -> dict[str, Any]:
    async def reached() -> Any:
        event = await rig.state.progress.snapshot(key)
        return event if event is not None and event.status is status else None

    event = await eventually(reached)
    assert event.is_job
    frame: dict[str, Any] = json.loads(event.frame)
    return frame


async def test_a_jobs_progress_is_kept_under_its_id_and_names_the_recording(rig: Rig) -> None:
    rig.change(job="correlation_id")
    await rig.start(finish)
    await rig.publish({"correlation_id": "job-1", "number": 5})
    frame = await last_frame(rig, "job-1", Status.COMPLETED)
    assert (frame["recording_id"], frame["job_id"]) == ("rec", "job-1")
    assert frame["data"]["results"] == {"number": 5}
    assert await rig.state.progress.snapshot("rec") is None
    await rig.stop()


async def test_a_job_without_an_id_of_its_own_goes_by_the_messages(rig: Rig) -> None:
    rig.change(job="correlation_id")
    await rig.start(refuse)
    await rig.publish(id="message-1")
    frame = await last_frame(rig, "message-1", Status.FAILED)
    assert frame["data"]["details"]["error_code"] == "DECODE_ERROR"
    await rig.stop()


async def test_an_invalid_request_shows_as_a_failed_job(rig: Rig) -> None:
    rig.change(job="correlation_id")
    await rig.start(finish)
    await rig.publish({"correlation_id": "job-2", "number": "many"})
    frame = await last_frame(rig, "job-2", Status.FAILED)
    assert frame["data"]["details"]["error_code"] == "INVALID_MESSAGE"
    await rig.stop()


async def test_a_step_may_say_later_which_recording_the_job_is_about(rig: Rig) -> None:
    def found(order: Order, context: StageContext) -> Completed:
        context.track("found")
        return Completed("order_complete", {})

    rig.change(job="correlation_id")
    await rig.start(found)
    await rig.publish({"correlation_id": "job-3"})
    frame = await last_frame(rig, "job-3", Status.COMPLETED)
    assert (frame["recording_id"], frame["job_id"]) == ("found", "job-3")
    await rig.stop()


async def test_a_published_job_shows_as_queued(rig: Rig) -> None:
    rig.change(job="correlation_id")
    await rig.publisher().publish("order", Order(recording_id="rec", correlation_id="job-4"), message_id="m")
    frame = await last_frame(rig, "job-4", Status.QUEUED)
    assert (frame["recording_id"], frame["job_id"]) == ("rec", "job-4")


def test_a_job_goes_by_its_own_id_and_a_recording_by_its() -> None:
    assert (Subject("rec").key, Subject("rec", "job").key) == ("rec", "job")
