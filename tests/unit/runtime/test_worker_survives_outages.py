"""A worker from its start to its end: what is missing, what goes away and comes back, and how it stops."""

from __future__ import annotations

import asyncio
import json
import threading
from typing import Any

import pytest
from structlog.testing import capture_logs

from pipeline.errors import PipelineError, StateUnavailable, Unreachable
from pipeline.messages.message import ATTEMPT
from pipeline.runtime.worker import Worker
from pipeline.state.embedded import EmbeddedStore
from pipeline.topology.definitions import BindingDefinition
from tests.unit.runtime.conftest import Answer, Order, Rig, eventually


class Gate:
    """A step that says when it is reached and waits until it is let go."""

    def __init__(self) -> None:
        self.reached = asyncio.Event()
        self.open = asyncio.Event()
        self.runs = 0
        self.ended = 0

    async def __call__(self, order: Order) -> Answer:
        self.runs += 1
        self.reached.set()
        try:
            await self.open.wait()
        finally:
            self.ended += 1
        return Answer(number=order.number)


def answer(order: Order) -> Answer:
    return Answer(number=order.number)


class FlakyStore(EmbeddedStore):
    """A store whose server can be unplugged."""

    refused = 0

    def unplug(self) -> None:
        link: Any = self.link
        link.read = link.write = link.ask = link.ask_many = self._refuse

    def plug_in(self) -> None:
        for name in ("read", "write", "ask", "ask_many"):
            delattr(self.link, name)

    async def _refuse(self, *_: Any) -> Any:
        self.refused += 1
        raise StateUnavailable("unplugged")


@pytest.fixture
async def state() -> FlakyStore:
    return FlakyStore(None)


async def test_a_queue_that_is_not_declared_is_an_error_that_says_what_to_do(rig: Rig) -> None:
    rig.broker.model.delete_queue("the.orders")
    with pytest.raises(PipelineError, match=r"Queue 'the.orders' is not declared .* Run `pipeline apply`"):
        await rig.start(answer)


def test_a_stage_that_does_not_exist_is_an_error_that_names_those_that_do(rig: Rig) -> None:
    with pytest.raises(PipelineError, match=r"No stage is called 'wrok'.* There are: work"):
        Worker(rig.topology, rig.broker, rig.state, rig.resolve, stages=["wrok"])


def test_steps_that_do_not_fit_the_messages_are_an_error_before_anything_starts(rig: Rig) -> None:
    def takes_text(text: str) -> Answer:
        return Answer(number=len(text))

    with pytest.raises(PipelineError, match="takes str, but message order is Order"):
        rig.worker(takes_text)


def test_a_last_step_that_gives_what_the_stage_does_not_emit_is_an_error_before_anything_starts(rig: Rig) -> None:
    def gives_order(order: Order) -> Order:
        return order

    with pytest.raises(
        PipelineError, match="step0 is the last one and gives Order, which is not a message it may emit"
    ):
        rig.worker(gives_order)


def test_a_tracked_field_that_the_messages_do_not_have_is_an_error_before_anything_starts(rig: Rig) -> None:
    rig.change(track="recordingid")
    with pytest.raises(PipelineError, match=r"order has no field 'recordingid' \(stages\.work\.track\)"):
        rig.worker(answer)


async def test_messages_that_were_taken_but_not_settled_run_once_after_the_broker_comes_back(rig: Rig) -> None:
    gate = Gate()
    rig.change(concurrency=2, prefetch=4)
    await rig.start(gate)
    for number in range(4):
        await rig.publish({"number": number}, id=f"id{number}")
    await eventually(lambda: gate.runs == 2)
    await rig.broker.close()  # all four are back in the queue
    gate.open.set()
    await eventually(lambda: _ready(rig))
    numbers = set()
    for _ in range(4):
        while not await rig.depth("answers"):
            if await rig.depth("test.retry.5s"):
                rig.clock.advance(5)
            await asyncio.sleep(0.01)
        numbers.add(json.loads((await rig.take("answers")).body)["number"])
    assert numbers == {0, 1, 2, 3}
    assert await rig.stop() == 0
    assert await rig.depth("answers") == 0


async def _ready(rig: Rig) -> bool:
    try:
        await rig.broker.ping()
    except Unreachable:
        return False
    return True


async def test_a_failure_after_the_connection_was_lost_is_left_to_the_redelivery(rig: Rig) -> None:
    reached, go_on = asyncio.Event(), asyncio.Event()
    attempts: list[int] = []

    async def steps(order: Order, context: Any) -> Answer:
        attempts.append(context.envelope.attempt)
        if len(attempts) == 1:
            reached.set()
            await go_on.wait()
            raise ConnectionError
        return Answer(number=order.number)

    await rig.start(steps)
    await rig.publish({"number": 1})
    await reached.wait()
    await rig.broker.close()
    await eventually(lambda: _waits_elsewhere(rig))
    go_on.set()
    while not await rig.depth("answers"):
        rig.clock.advance(5)
        await asyncio.sleep(0.01)
    assert attempts == [1, 1]
    assert await rig.stop() == 0


async def _waits_elsewhere(rig: Rig) -> bool:
    """The copy that was delivered again waits until the first one's lease is given back."""
    return await _ready(rig) and await rig.depth("test.retry.5s") > 0


async def test_an_outage_is_logged_once_and_so_is_its_end(rig: Rig) -> None:
    store: Any = rig.state
    with capture_logs() as logs:
        await rig.start(answer)
        store.unplug()
        for number in range(5):
            await rig.publish({"number": number}, id=f"id{number}")
        await eventually(lambda: _consumers_are(rig, 0))
        asked = store.refused
        await eventually(lambda: store.refused >= asked + 3)
        store.plug_in()
        for _ in range(5):
            await rig.take("answers")
    told = [entry for entry in logs if entry["log_level"] in ("error", "warning")]
    assert [entry["event"] for entry in told] == [
        "The state store does not answer; trying again until it does",
        "The state store answers again",
    ]
    assert "unplugged" in told[0]["reason"]


async def _consumers_are(rig: Rig, count: int) -> bool:
    return (await rig.broker.depth("the.orders")).consumers == count


async def test_a_queue_that_vanishes_and_comes_back_is_consumed_again(rig: Rig) -> None:
    await rig.start(answer)
    definitions = rig.broker.definitions()
    rig.broker.model.delete_queue("the.orders")
    rig.broker.declare(definitions)
    await rig.publish({"number": 3})
    assert json.loads((await rig.take("answers")).body) == {"number": 3}


async def test_while_the_state_store_is_away_messages_stay_in_the_queue_uncounted(rig: Rig) -> None:
    store: Any = rig.state
    attempts: list[int] = []

    def steps(order: Order, context: Any) -> Answer:
        attempts.append(context.envelope.attempt)
        return Answer(number=order.number)

    await rig.start(steps)
    store.unplug()
    for number in range(20):
        await rig.publish({"number": number}, id=f"id{number}")
    await eventually(lambda: _all_back(rig))
    assert await rig.depth("test.retry.5s") == 0
    store.plug_in()
    for _ in range(20):
        await rig.take("answers")
    assert attempts == [1] * 20
    assert await rig.depth("the.orders.dlq") == 0


async def _all_back(rig: Rig) -> bool:
    depth = await rig.broker.depth("the.orders")
    return (depth.messages, depth.consumers) == (20, 0)


async def test_work_that_ends_during_an_outage_of_the_state_store_is_not_repeated(rig: Rig) -> None:
    store: Any = rig.state
    gate = Gate()
    rig.change(concurrency=2, prefetch=2)
    await rig.start(gate)
    await rig.publish({"number": 1}, id="long")
    await gate.reached.wait()
    store.unplug()
    await rig.publish({"number": 2}, id="short")
    await eventually(lambda: _back(rig))
    gate.open.set()
    await eventually(lambda: rig.depth("answers"))  # the result is there, and waits to be marked as done
    store.plug_in()
    numbers = sorted([json.loads((await rig.take("answers")).body)["number"] for _ in range(2)])
    assert numbers == [1, 2]
    assert await rig.stop() == 0
    assert gate.runs == 2


async def _back(rig: Rig) -> bool:
    depth = await rig.broker.depth("the.orders")
    return (depth.messages, depth.consumers) == (1, 0)


async def test_a_step_that_finds_the_state_store_unavailable_while_it_answers_is_tried_again_later(rig: Rig) -> None:
    def steps(order: Order) -> None:
        raise StateUnavailable("only here")

    await rig.start(steps)
    await rig.publish()
    assert (await rig.take("test.retry.5s")).headers[ATTEMPT] == 2


async def test_a_failed_message_goes_nowhere_while_the_retry_ladder_is_missing(rig: Rig) -> None:
    runs: list[int] = []

    def fails(order: Order, context: Any) -> None:
        runs.append(context.envelope.attempt)
        raise ConnectionError

    binding = BindingDefinition("test.retry.5s", "test.retry.5s", "queue", "#")
    rig.broker.model.unbind(binding)
    await rig.start(fails)
    await rig.publish()
    await eventually(lambda: len(runs) >= 2)
    assert set(runs) == {1}
    rig.broker.model.declare(rig.broker.definitions())
    await rig.stop()
    assert await rig.depth("the.orders") + await rig.depth("test.retry.5s") == 1


async def test_stopping_lets_running_work_finish_and_returns_the_rest_unstarted(rig: Rig) -> None:
    gate = Gate()
    rig.change(concurrency=1, prefetch=5)
    worker = await rig.start(gate)
    for number in range(5):
        await rig.publish({"number": number}, id=f"id{number}")
    await gate.reached.wait()
    stopping = asyncio.ensure_future(worker.stop(10))
    await eventually(lambda: _depth_is(rig, 4))
    await rig.publish({"number": 9}, id="late")
    gate.open.set()
    await stopping
    assert gate.runs == 1
    assert await rig.depth("answers") == 1
    assert await rig.depth("the.orders") == 5


async def _depth_is(rig: Rig, count: int) -> bool:
    return await rig.depth("the.orders") == count


async def test_work_that_does_not_finish_within_the_deadline_is_ended_and_can_run_at_once_elsewhere(rig: Rig) -> None:
    gate = Gate()
    worker = await rig.start(gate)
    await rig.publish({"number": 5})
    await gate.reached.wait()
    await worker.stop(0.05)
    assert gate.ended == 1
    assert await rig.depth("the.orders") == 1
    await rig.start(answer)
    assert json.loads((await rig.take("answers")).body) == {"number": 5}


async def test_stopping_while_the_broker_is_away_ends(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    worker = await rig.start(answer)

    async def refuse() -> None:
        raise Unreachable("away")

    monkeypatch.setattr(rig.broker, "connect", refuse)
    await rig.broker.close()
    await asyncio.wait_for(worker.stop(5), 10)


async def test_a_thread_is_told_that_its_work_is_not_wanted_any_more(rig: Rig) -> None:
    reached, told = threading.Event(), threading.Event()

    def steps(order: Order, context: Any) -> None:
        reached.set()
        while not context.cancelled:
            pass
        told.set()

    rig.change(executor="thread")
    worker = await rig.start(steps)
    await rig.publish()
    await eventually(reached.is_set)
    await worker.stop(0.05)
    await eventually(told.is_set)
