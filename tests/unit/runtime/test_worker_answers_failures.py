"""What has failed for good is answered once, and then dead-lettered as ever."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from pipeline.errors import Permanent, PipelineError, Transient
from pipeline.messages.message import ERROR_CODE, FAILED_AT
from pipeline.stage import Emit, Failed, StageContext
from tests.unit.runtime.conftest import Answer, Order, Other, Rig, eventually


def refuse(order: Order) -> Answer:
    raise Permanent("broken file", "DECODE_ERROR", line=3)


def fail_twice(order: Order) -> Answer:
    raise Transient("not yet")


def regret(order: Order, failed: Failed, context: StageContext) -> Emit:
    told = [failed.reason, failed.error_code, failed.attempt, dict(failed.details), failed.elapsed_ms > 0]
    return Emit("left", Other(text=json.dumps([order.number, context.envelope.message_id, *told])))


async def start(rig: Rig, step: Callable[..., Any], answer: Callable[..., Any], **stage: Any) -> None:
    rig.change(on_failure="step1", **stage)
    await rig.start(step, answer)


async def test_a_permanent_failure_is_answered_and_dead_lettered(rig: Rig) -> None:
    await start(rig, refuse, regret)
    await rig.publish({"number": 7})
    answer = await rig.take("answers")
    text = json.loads(json.loads(answer.body)["text"])
    assert text == [7, "id1", "broken file", "DECODE_ERROR", 1, {"line": 3}, True]
    letter = await rig.take("the.orders.dlq")
    assert letter.headers[ERROR_CODE] == "DECODE_ERROR"
    assert await rig.stop() == 0


async def test_a_transient_failure_is_answered_after_its_last_attempt_only(rig: Rig) -> None:
    await start(rig, fail_twice, regret)
    await rig.publish({"number": 7})
    for delay in ("5s", "30s"):
        await rig.wait_for_retry(delay)
        assert await rig.depth("answers") == 0
    answer = await rig.take("answers")
    assert json.loads(json.loads(answer.body)["text"])[4] == 3
    assert await rig.take("the.orders.dlq")
    assert await rig.stop() == 0
    assert await rig.depth("answers") == 0


async def test_an_invalid_message_is_dead_lettered_without_an_answer(rig: Rig) -> None:
    await start(rig, refuse, regret)
    await rig.publish({"number": "many"})
    assert await rig.take("the.orders.dlq")
    assert await rig.stop() == 0
    assert await rig.depth("answers") == 0


@pytest.mark.parametrize("again", [None, "2026-01-01T00:00:00Z"])
async def test_the_same_failure_has_the_same_answer_and_a_replayed_one_another(rig: Rig, again: str | None) -> None:
    await start(rig, refuse, regret)
    await rig.publish({"number": 7})
    first = await rig.take("answers")
    await rig.publish({"number": 7}, headers={} if again is None else {FAILED_AT: again})
    second = await rig.take("answers")
    assert (first.message_id == second.message_id) is (again is None)
    await rig.stop()


async def test_an_answer_that_cannot_be_made_does_not_keep_the_message_from_its_dead_letters(rig: Rig) -> None:
    def broken(order: Order, failed: Failed, context: StageContext) -> Answer:
        raise KeyError(order.number)

    await start(rig, refuse, broken)
    await rig.publish()
    assert await rig.take("the.orders.dlq")
    assert await rig.stop() == 0


async def test_an_answer_that_the_stage_may_not_give_is_left_out(rig: Rig) -> None:
    await start(rig, refuse, lambda order, failed, context: Emit("lost", Answer(number=1)))
    await rig.publish()
    assert await rig.take("the.orders.dlq")
    assert await rig.stop() == 0


async def test_an_async_answer_may_ask_the_state_store_and_give_several_messages(rig: Rig) -> None:
    async def answer(order: Order, failed: Failed, context: StageContext) -> list[Emit]:
        await context.state.put("seen", "x", {"number": order.number})
        return [Emit("left", Other(text="1")), Emit("right", Other(text="2"))]

    await start(rig, refuse, answer)
    await rig.publish({"number": 5})
    texts = [json.loads((await rig.take("answers")).body)["text"] for _ in range(2)]
    assert texts == ["1", "2"]
    assert await rig.state.documents.get("seen", "x") == {"number": 5}
    await eventually(lambda: rig.depth("the.orders.dlq"))
    await rig.stop()


def test_what_takes_no_failure_is_refused_at_start(rig: Rig) -> None:
    rig.change(on_failure="step1")
    with pytest.raises(PipelineError, match="cannot answer a failure"):
        rig.worker(refuse, lambda order: None)
