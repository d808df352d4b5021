"""One message at a time through a worker on the embedded engines: what is published, recorded, retried, buried."""

from __future__ import annotations

import asyncio
import json
import threading
import uuid
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from pipeline.errors import ErrorCode, Permanent, Transient
from pipeline.messages.message import (
    ATTEMPT,
    ERROR_CLASS,
    ERROR_CODE,
    ERROR_MESSAGE,
    ERROR_STAGE,
    FAILED_AT,
    LAST_ERROR_CODE,
    MESSAGE_NAME,
    ORIGINAL_EXCHANGE,
    ORIGINAL_ROUTING_KEY,
    TRACEPARENT,
    derive_message_id,
)
from pipeline.stage import Cancel, Completed, Emit, StageContext
from pipeline.state.port import Status, Update
from tests.unit.runtime.conftest import Answer, Order, Other, Rig, eventually


def answer(order: Order) -> Answer:
    return Answer(number=order.number + 1)


async def test_an_output_is_published_as_the_topology_says_and_then_the_input_is_acked(rig: Rig) -> None:
    await rig.start(answer)
    trace = {TRACEPARENT: "00-trace"}
    await rig.publish({"number": 41, "correlation_id": "c1"}, headers=trace)
    message = await rig.take("answers")
    assert json.loads(message.body) == {"number": 42}
    assert message.message_id == derive_message_id("id1", "work", 0)
    assert message.priority == 4
    assert message.correlation_id == "c1"
    assert message.headers == {MESSAGE_NAME: "answer", TRACEPARENT: "00-trace"}
    assert message.content_type == "application/json"
    assert await rig.stop() == 0


async def test_a_duplicate_is_acked_without_being_run(rig: Rig) -> None:
    seen: list[int] = []
    await rig.start(lambda order: seen.append(order.number))
    for number in (1, 2):
        await rig.publish({"number": number}, id="same")
    await rig.publish({"number": 3}, id="another")
    await eventually(lambda: 3 in seen)
    assert await rig.stop() == 0
    assert seen == [1, 3]


async def test_messages_without_an_id_run_each_time(rig: Rig) -> None:
    await rig.start(answer)
    for _ in range(2):
        await rig.publish(id=None)
    first, second = [await rig.take("answers"), await rig.take("answers")]
    assert uuid.UUID(first.message_id) != uuid.UUID(second.message_id)


async def test_the_bodys_message_id_serves_where_the_property_is_missing(rig: Rig) -> None:
    await rig.start(answer)
    for _ in range(2):
        await rig.publish({"message_id": "in the body"}, id=None)
    assert (await rig.take("answers")).message_id == derive_message_id("in the body", "work", 0)
    assert await rig.stop() == 0
    assert await rig.depth("answers") == 0


async def test_a_foreign_message_is_known_by_its_routing_key(rig: Rig) -> None:
    await rig.start(lambda order, context: Answer(number=len(context.envelope.message)))
    await rig.publish(name=None, key="order.big")
    assert json.loads((await rig.take("answers")).body) == {"number": len("order.big")}


async def test_several_outputs_are_published_in_order(rig: Rig) -> None:
    async def count(order: Order) -> AsyncIterator[Answer | Emit]:
        for number in range(3):
            yield Answer(number=number)
        yield Emit("left", Other(text="x"), priority=9)

    await rig.start(count)
    await rig.publish()
    published = [await rig.take("answers") for _ in range(4)]
    assert [json.loads(message.body).get("number") for message in published] == [0, 1, 2, None]
    assert len({message.message_id for message in published}) == 4
    assert published[3].priority == 9


async def test_an_identity_makes_the_same_output_the_same_message(rig: Rig) -> None:
    await rig.start(lambda order: Emit("answer", Answer(number=1), identity="one"))
    await rig.publish(id="a")
    await rig.publish(id="b")
    ids = [(await rig.take("answers")).message_id for _ in range(2)]
    assert ids == [derive_message_id("answer", "one")] * 2


async def test_a_filtered_message_is_acked_and_gives_nothing(rig: Rig) -> None:
    await rig.start(lambda order: None)
    await rig.publish()
    assert await rig.stop() == 0
    assert await rig.depth("answers") == 0


@pytest.mark.parametrize(
    ("body", "properties", "code"),
    [
        (b"{", {}, ErrorCode.INVALID_MESSAGE),
        (b'{"number": "secret"}', {}, ErrorCode.INVALID_MESSAGE),
        (b"{}", {"content_type": "text/plain"}, ErrorCode.INVALID_MESSAGE),
        (b" " * 1001, {}, ErrorCode.MESSAGE_TOO_LARGE),
        (b"{}", {"name": "stranger"}, ErrorCode.UNKNOWN_MESSAGE),
        (b"{}", {"name": "answer"}, ErrorCode.UNKNOWN_MESSAGE),
    ],
)
async def test_a_message_that_cannot_be_read_is_dead_lettered_with_its_reason(
    rig: Rig, body: bytes, properties: dict[str, Any], code: str
) -> None:
    await rig.start(answer)
    await rig.publish(body, **properties)
    await rig.publish({"number": 1}, id="next")
    buried = await rig.take("the.orders.dlq")
    assert buried.body == body
    assert buried.message_id == "id1"
    assert buried.headers[ERROR_CODE] == code
    assert buried.headers[ERROR_STAGE] == "work"
    assert buried.headers[ATTEMPT] == 1
    assert "secret" not in str(buried.headers)
    await rig.take("answers")  # the next message is not held up


async def test_an_unreadable_message_of_a_tracked_stage_shows_as_failed_where_its_recording_can_be_told(
    rig: Rig,
) -> None:
    rig.change(track="recording_id")
    await rig.start(answer)
    await rig.publish(b'{"recording_id": "rec", "number": [], "file_path": "/music/a.flac"}')
    await rig.take("the.orders.dlq")
    await rig.stop()
    [error] = await rig.frames()
    assert error["type"] == "error"
    assert error["details"] == {
        "error_code": "INVALID_MESSAGE",
        "stage": "work",
        "attempt": 1,
        "file_path": "/music/a.flac",
    }


async def test_a_transient_failure_is_tried_again_after_each_delay_and_then_succeeds(rig: Rig) -> None:
    attempts: list[int] = []

    def flaky(order: Order, context: StageContext) -> Answer:
        attempts.append(context.envelope.attempt)
        if context.envelope.attempt < 3:
            raise Transient("not yet")
        assert (context.envelope.exchange, context.envelope.routing_key) == ("the.in", "order")
        return Answer(number=order.number)

    rig.change(track="recording_id")
    await rig.start(flaky)
    await rig.publish({"number": 5}, priority=7, expiration_ms=60_000, headers={"foreign": "kept", "x-death": []})
    await rig.wait_for_retry("5s")
    await rig.wait_for_retry("30s")
    assert json.loads((await rig.take("answers")).body) == {"number": 5}
    assert attempts == [1, 2, 3]
    assert await rig.stop() == 0
    retrying = [frame for frame in await rig.frames() if frame.get("status") == "retrying"]
    assert [frame["message"] for frame in retrying] == [
        "not yet. Next attempt in 5s",
        "not yet. Next attempt in 30s",
    ]


async def test_a_retry_keeps_identity_priority_and_headers_and_drops_what_is_the_brokers(rig: Rig) -> None:
    def fails(order: Order) -> None:
        raise Transient("not yet", "MY_CODE")

    await rig.start(fails)
    headers = {"foreign": 1, "x-death": [], "CC": ["other"], "BCC": ["another"]}
    await rig.publish({"number": 5}, priority=7, expiration_ms=60_000, correlation_id="c", headers=headers)
    waiting = await rig.take("test.retry.5s")
    assert waiting.message_id == "id1"
    assert (waiting.priority, waiting.correlation_id, waiting.expiration_ms) == (7, "c", None)
    assert dict(waiting.headers) == {
        "foreign": 1,
        MESSAGE_NAME: "order",
        ATTEMPT: 2,
        ORIGINAL_EXCHANGE: "the.in",
        ORIGINAL_ROUTING_KEY: "order",
        LAST_ERROR_CODE: "MY_CODE",
    }


async def test_an_unknown_failure_is_dead_lettered_after_its_last_attempt_without_quoting_the_payload(
    rig: Rig,
) -> None:
    def fails(order: Order) -> Answer:
        raise ValueError(f"{order.file_path} is secret")

    rig.change(track="recording_id")
    await rig.start(fails)
    await rig.publish({"file_path": "/music/a.flac"})
    await rig.wait_for_retry("5s")
    await rig.wait_for_retry("30s")
    buried = await rig.take("the.orders.dlq")
    assert buried.headers[ATTEMPT] == 3
    assert buried.headers[ERROR_CODE] == ErrorCode.INTERNAL_ERROR
    assert buried.headers[ERROR_CLASS] == "ValueError"
    assert buried.headers[ERROR_MESSAGE].startswith(f"ValueError at {__name__}:")
    assert buried.headers[FAILED_AT]
    assert (buried.headers[ORIGINAL_EXCHANGE], buried.headers[ORIGINAL_ROUTING_KEY]) == ("the.in", "order")
    await rig.stop()
    last = (await rig.frames())[-1]
    assert (last["type"], last["status"]) == ("error", "failed")
    assert last["details"] == {
        "error_code": "INTERNAL_ERROR",
        "stage": "work",
        "attempt": 3,
        "file_path": "/music/a.flac",
    }


async def test_a_permanent_failure_is_dead_lettered_at_once(rig: Rig) -> None:
    def refuses(order: Order) -> None:
        raise Permanent("no such file", ErrorCode.FILE_NOT_FOUND, looked_in="/music")

    rig.change(track="recording_id")
    await rig.start(refuses)
    await rig.publish()
    buried = await rig.take("the.orders.dlq")
    assert buried.headers[ERROR_CODE] == "FILE_NOT_FOUND"
    assert buried.headers[ERROR_MESSAGE] == "no such file"
    await rig.stop()
    last = (await rig.frames())[-1]
    assert last["error"] == "no such file"
    assert last["details"]["looked_in"] == "/music"


async def test_a_message_that_was_dead_lettered_can_come_back_and_run(rig: Rig) -> None:
    broken = [True]

    def fails_once(order: Order) -> Completed:
        if broken.pop() if broken else False:
            raise Permanent("broken")
        return Completed("done", {"number": 1})

    rig.change(track="recording_id")
    await rig.start(fails_once)
    await rig.publish()
    buried = await rig.take("the.orders.dlq")
    await rig.broker.publish("", "the.orders", buried)
    await rig.stop()
    await rig.start(fails_once)
    await eventually(lambda: _status(rig, Status.COMPLETED))


async def _status(rig: Rig, status: Status) -> bool:
    event = await rig.state.progress.snapshot("rec")
    return event is not None and event.status is status


@pytest.mark.parametrize("ending", [SystemExit, asyncio.CancelledError, RecursionError, MemoryError])
async def test_no_exception_of_a_step_ends_the_worker(rig: Rig, ending: type[BaseException]) -> None:
    async def ends(order: Order) -> Answer:
        if order.number == 0:
            raise ending
        return Answer(number=order.number)

    await rig.start(ends)
    await rig.publish({"number": 0})
    await rig.publish({"number": 1}, id="next")
    await rig.take("answers")
    assert (await rig.take("test.retry.5s")).headers[LAST_ERROR_CODE] == ErrorCode.INTERNAL_ERROR


async def test_steps_that_take_too_long_are_tried_again_as_timed_out(rig: Rig) -> None:
    async def forever(order: Order) -> None:
        await asyncio.Event().wait()

    rig.change(timeout="50ms")
    await rig.start(forever)
    await rig.publish()
    assert (await rig.take("test.retry.5s")).headers[LAST_ERROR_CODE] == ErrorCode.TIMEOUT


@pytest.mark.parametrize(
    ("output", "named"),
    [
        (Emit("lost", Answer(number=1)), "emits 'lost', which the topology does not list"),
        (Emit("answer", Other()), "answer takes Answer, not Other"),
        (Other(), "may be left or right: say which one by Emit"),
        (Order(), "gives Order, which is no message"),
        ({"number": 1}, "gives dict, which is not a message"),
    ],
)
async def test_an_output_that_cannot_be_published_is_the_stages_failure_and_nothing_is_published(
    rig: Rig, output: Any, named: str
) -> None:
    await rig.start(lambda order: [Answer(number=1), output])
    await rig.publish()
    buried = await rig.take("the.orders.dlq")
    assert buried.headers[ERROR_CODE] == ErrorCode.INTERNAL_ERROR
    assert named in buried.headers[ERROR_MESSAGE]
    assert await rig.depth("answers") == 0


async def test_an_output_that_reaches_no_queue_is_tried_again(rig: Rig) -> None:
    rig.change(emits=["lost"])
    await rig.start(answer)
    await rig.publish()
    assert (await rig.take("test.retry.5s")).headers[LAST_ERROR_CODE] == ErrorCode.UNROUTABLE


async def test_without_a_dead_letter_queue_of_ours_a_failed_message_is_rejected(rig: Rig) -> None:
    rig.set_queue(dead_letter={"exchange": "out", "routing_key": "left"})

    def refuses(order: Order) -> None:
        raise Permanent("no")

    await rig.start(refuses)
    await rig.publish()
    rejected = await rig.take("answers")  # the queue's own dead-letter exchange has it
    assert rejected.message_id == "id1"
    assert rejected.headers["x-first-death-reason"] == "rejected"
    assert await rig.stop() == 0


async def test_a_message_that_runs_elsewhere_waits_without_counting_an_attempt(rig: Rig) -> None:
    await rig.state.ledger.begin("work", "id1", "another worker", 30)
    ran: list[int] = []
    await rig.start(lambda order, context: ran.append(context.envelope.attempt))
    await rig.publish(headers={ATTEMPT: 2})
    await rig.wait_for_retry("5s")
    await eventually(lambda: _waits(rig))
    assert ran == []
    await rig.state.ledger.release("work", "id1", "another worker")
    await rig.wait_for_retry("5s")
    await eventually(lambda: ran)
    assert ran == [2]


async def _waits(rig: Rig) -> bool:
    return await rig.depth("test.retry.5s") > 0


async def test_progress_completion_and_results_are_recorded_in_order(rig: Rig) -> None:
    async def steps(order: Order, context: StageContext) -> Iterator[Any]:
        context.progress(0.25, "a quarter")
        await asyncio.sleep(0)
        return [Answer(number=1), Completed("analysis_complete", {"bpm": 128.5}, {"file_path": "/a"})]

    rig.change(track="recording_id")
    await rig.start(steps)
    await rig.publish()
    await rig.take("answers")
    await eventually(lambda: _status(rig, Status.COMPLETED))
    frames = await rig.frames()
    assert [frame["type"] for frame in frames[:1]] == ["progress"]
    assert (frames[0]["status"], frames[0]["progress"]) == ("analyzing", 0.0)
    assert frames[-1]["type"] == "analysis_complete"
    assert frames[-1]["results"] == {"bpm": 128.5}
    assert frames[-1]["file_path"] == "/a"


async def test_a_stage_may_name_the_recording_itself(rig: Rig) -> None:
    async def steps(order: Order, context: StageContext) -> Completed:
        context.track("found later")
        context.progress(0.5, "half")
        return Completed("done", {})

    await rig.start(steps)
    await rig.publish()
    await rig.stop()
    frames = await rig.frames("found later")
    assert frames[-1]["type"] == "done"


async def test_queued_work_that_was_cancelled_is_not_started(rig: Rig) -> None:
    ran: list[Order] = []
    rig.change(track="recording_id")
    await rig.publisher().publish("order", Order(), message_id="id1")
    assert [frame["status"] for frame in await rig.frames()] == ["queued"]
    await rig.state.progress.cancel("rec", "not wanted")
    await rig.start(ran.append)
    assert await rig.stop() == 0
    assert ran == []


async def test_running_work_is_stopped_when_its_recording_is_cancelled(rig: Rig) -> None:
    started, ended = asyncio.Event(), asyncio.Event()

    async def forever(order: Order) -> Answer:
        started.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()
        return Answer(number=1)

    rig.change(track="recording_id")
    await rig.start(forever)
    await rig.publish()
    await asyncio.wait_for(started.wait(), 10)
    await rig.state.progress.cancel("rec", "not wanted")
    await asyncio.wait_for(ended.wait(), 10)
    assert await rig.stop() == 0
    assert await rig.depth("answers") == 0
    assert (await rig.frames())[-1]["status"] == "cancelled"


async def test_a_stage_can_cancel_the_work_on_a_recording(rig: Rig) -> None:
    await rig.state.progress.record(Update("rec", "run1", "", "progress", Status.QUEUED))
    await rig.start(lambda order: Cancel("rec", "deleted"))
    await rig.publish()
    await eventually(lambda: _status(rig, Status.CANCELLED))


async def test_steps_may_use_documents_roots_options_and_the_log(rig: Rig, tmp_path: Path) -> None:
    async def steps(order: Order, context: Any) -> Answer:
        await context.state.put("note", "1", {"roots": [str(root) for root in context.roots], **context.options})
        context.log.info("seen", number=order.number)
        return Answer(number=1)

    rig.change(options={"colour": "red"})
    await rig.start(steps, roots=(tmp_path,))
    await rig.publish()
    await rig.take("answers")
    assert await rig.state.documents.get("note", "1") == {"roots": [str(tmp_path)], "colour": "red"}


async def test_steps_in_threads_leave_the_loop_free_and_may_use_the_state_store(rig: Rig) -> None:
    loop = asyncio.get_running_loop()
    reached = threading.Event()

    async def steps(order: Order, context: Any) -> Answer:
        loop.call_soon_threadsafe(reached.set)
        assert reached.wait(10)  # in vain, if this were the worker's loop
        await context.state.put("note", "1", {"number": order.number})
        context.progress(0.5, "half")
        return Answer(number=1)

    rig.change(executor="thread", track="recording_id")
    await rig.start(steps)
    await rig.publish({"number": 7})
    await rig.take("answers")
    assert await rig.state.documents.get("note", "1") == {"number": 7}


@pytest.mark.parametrize("executor", ["loop", "thread"])
async def test_steps_may_ask_how_work_on_a_recording_has_ended(rig: Rig, executor: str) -> None:
    requests = {identity: Emit("answer", Answer(number=1), identity=identity) for identity in ("a", "b", "c")}
    runs = {identity: derive_message_id("answer", identity) for identity in requests}

    async def steps(order: Order, context: Any) -> Answer:
        ended = [await context.ended("other", request) for request in requests.values()]
        await context.state.put("note", "1", {"ended": ended})
        return Answer(number=1)

    await rig.state.progress.record(Update("other", runs["a"], "1", "error", Status.FAILED, begins=True))
    await rig.state.progress.record(Update("other", runs["b"], "", "progress", Status.QUEUED))
    rig.change(executor=executor)
    await rig.start(steps)
    await rig.publish()
    await rig.take("answers")
    assert await rig.state.documents.get("note", "1") == {"ended": ["failed", None, None]}


async def test_no_more_deliveries_are_worked_on_at_once_than_the_stage_allows(rig: Rig) -> None:
    running, most, gate = [0], [0], asyncio.Event()

    async def steps(order: Order) -> Answer:
        running[0] += 1
        most[0] = max(most[0], running[0])
        await gate.wait()
        running[0] -= 1
        return Answer(number=1)

    rig.change(concurrency=2, prefetch=10)
    await rig.start(steps)
    for number in range(6):
        await rig.publish(id=f"id{number}")
    await eventually(lambda: running[0] == 2)
    gate.set()
    for _ in range(6):
        await rig.take("answers")
    assert most == [2]
