"""A worker goes over to another revision of the topology while it works."""

from __future__ import annotations

import asyncio
import copy
from typing import Any

import pytest

from pipeline.errors import BrokerError, PipelineError
from pipeline.runtime import worker as worker_module
from pipeline.stage import Emit
from pipeline.topology.expand import definitions_of
from pipeline.topology.model import Topology
from tests.unit.runtime.conftest import TOPOLOGY, Answer, Order, Rig, eventually


def second(**stage: Any) -> dict[str, Any]:
    """The rig's file with another stage beside the first, on a queue of its own."""
    document = copy.deepcopy(TOPOLOGY)
    document["queues"]["more"] = {"bindings": [{"source": "in", "routing_key": "more"}]}
    document["stages"]["other"] = {"from": {"more": ["order"]}, "module": "steps", "run": ["step1"], **stage}
    return document


def declared(rig: Rig, document: dict[str, Any]) -> Topology:
    topology = Topology.model_validate(document)
    rig.broker.declare(definitions_of(topology))
    return topology


async def test_a_stage_that_did_not_change_goes_on_without_a_pause(rig: Rig) -> None:
    done: list[str] = []
    held = asyncio.Event()

    async def first(order: Order) -> None:
        await held.wait()
        done.append("first")

    def other(order: Order) -> None:
        done.append("other")

    worker = await rig.start(first, other)
    await rig.publish()
    await eventually(lambda: worker.held == 1)
    consumers = await rig.broker.depth("the.orders")
    changes = await worker.change(declared(rig, second()))
    assert (changes.added, changes.same) == (("other",), ("work",))
    assert worker.held == 1, "what it works on is not disturbed"
    assert (await rig.broker.depth("the.orders")).consumers == consumers.consumers == 1
    await rig.publish(id="id2", key="more")
    await eventually(lambda: done == ["other"])
    held.set()
    await eventually(lambda: done == ["other", "first"])
    assert await rig.stop() == 0


async def test_a_stage_that_changed_finishes_what_it_has_in_hand_and_begins_anew(rig: Rig) -> None:
    done: list[str] = []
    held = asyncio.Event()

    async def first(order: Order) -> None:
        await held.wait()
        done.append("first")

    def other(order: Order) -> None:
        done.append("other")

    worker = await rig.start(first, other)
    await rig.publish()
    await eventually(lambda: worker.held == 1)
    document = copy.deepcopy(TOPOLOGY)
    document["stages"]["work"]["run"] = ["step1"]
    changing = asyncio.ensure_future(worker.change(Topology.model_validate(document)))
    await eventually(lambda: _is_not_consumed(rig))
    await rig.publish(id="id2")
    assert done == []
    assert not changing.done()
    held.set()
    assert (await changing).changed == ("work",)
    await eventually(lambda: done == ["first", "other"])
    assert await rig.stop() == 0


async def test_a_stage_that_went_leaves_its_queue_as_it_is(rig: Rig) -> None:
    done: list[str] = []
    rig.topology = declared(rig, second())
    worker = await rig.start(lambda order: done.append("first"), lambda order: done.append("other"))
    changes = await worker.change(Topology.model_validate(TOPOLOGY))
    assert (changes.removed, worker.stages) == (("other",), ("work",))
    await rig.publish(key="more")
    await rig.publish(id="id2")
    await eventually(lambda: done == ["first"])
    assert await rig.depth("more") == 1
    assert await rig.stop() == 0


async def test_steps_that_do_not_fit_change_nothing(rig: Rig) -> None:
    done: list[str] = []

    def misfit(value: int) -> None:
        """Takes no Order."""

    worker = await rig.start(lambda order: done.append("first"), misfit)
    with pytest.raises(PipelineError, match="Order"):
        await worker.change(declared(rig, second()))
    assert worker.stages == ("work",)
    await rig.publish()
    await eventually(lambda: done == ["first"])


async def test_a_queue_that_is_not_there_yet_changes_nothing_and_is_told(rig: Rig) -> None:
    done: list[str] = []
    worker = await rig.start(lambda order: done.append("first"), lambda order: done.append("other"))
    with pytest.raises(PipelineError, match="'more' is not declared") as refused:
        await worker.change(Topology.model_validate(second()))
    assert "pipeline apply" in refused.value.fix
    assert worker.stages == ("work",)
    assert (await worker.change(declared(rig, second()))).added == ("other",)


async def test_what_others_need_anew_is_awaited_too(rig: Rig) -> None:
    """Where a stage that goes on publishes, and where its failures wait, must be there before it is changed."""
    worker = await rig.start(lambda order: Emit("answer", Answer(number=1)))
    document = copy.deepcopy(TOPOLOGY)
    document["exchanges"]["further"] = {"type": "topic"}
    document["queues"]["elsewhere"] = {"external": True, "bindings": [{"source": "further", "routing_key": "answer"}]}
    document["messages"]["answer"] |= {"exchange": "further", "routing_key": "answer"}
    with pytest.raises(PipelineError, match="Exchange 'further' is not declared") as refused:
        await worker.change(Topology.model_validate(document))
    assert "pipeline apply" in refused.value.fix
    for policy in document["retries"].values():
        policy["delays"] = ["77s"]
    rig.broker.declare(definitions_of(Topology.model_validate({**document, "retries": TOPOLOGY["retries"]})))
    with pytest.raises(PipelineError, match=r"retry.1m17s' is not declared"):
        await worker.change(Topology.model_validate(document))
    await worker.change(declared(rig, document))
    await rig.publish()
    assert (await rig.take("elsewhere")).body
    assert await rig.stop() == 0


async def test_a_queue_that_may_not_be_consumed_yet_holds_up_its_stage_alone(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`apply` makes queues before it gives permissions, and a broker tells of a queue to anybody."""
    done: list[str] = []
    monkeypatch.setattr(worker_module, "_BEGINNING_S", 0.05)
    worker = await rig.start(lambda order: done.append("first"), lambda order: done.append("other"))
    consume, permitted = rig.broker.consume, False

    async def consume_if_permitted(*arguments: Any, **options: Any) -> Any:
        if not permitted:
            raise BrokerError("no permission")
        return await consume(*arguments, **options)

    monkeypatch.setattr(type(rig.broker), "consume", lambda _, *args, **options: consume_if_permitted(*args, **options))
    assert (await worker.change(declared(rig, second()))).added == ("other",)
    await rig.publish()
    await rig.publish(id="id2", key="more")
    await eventually(lambda: done == ["first"])
    permitted = True
    await eventually(lambda: done == ["first", "other"])
    assert await rig.stop() == 0


async def test_where_messages_go_is_changed_without_disturbing_who_sends_them(rig: Rig) -> None:
    worker = await rig.start(lambda order: Emit("answer", Answer(number=1)))
    document = copy.deepcopy(TOPOLOGY)
    document["queues"]["elsewhere"] = {"external": True, "bindings": [{"source": "in", "routing_key": "elsewhere"}]}
    document["messages"]["answer"] |= {"exchange": "in", "routing_key": "elsewhere"}
    assert not await worker.change(declared(rig, document))
    await rig.publish()
    assert (await rig.take("elsewhere")).body


async def test_a_stop_that_is_asked_for_during_a_change_is_not_held_up(rig: Rig) -> None:
    async def first(order: Order) -> None:
        await asyncio.Event().wait()

    worker = await rig.start(first, lambda order: None)
    await rig.publish()
    await eventually(lambda: worker.held == 1)
    document = copy.deepcopy(TOPOLOGY)
    document["stages"]["work"]["run"] = ["step1"]
    changing = asyncio.ensure_future(worker.change(Topology.model_validate(document)))
    await eventually(lambda: _is_not_consumed(rig))
    await worker.stop(0.05)
    await changing
    assert await rig.depth("the.orders") == 1, "what was not finished is back in its queue"


async def _is_not_consumed(rig: Rig) -> bool:
    return not (await rig.broker.depth("the.orders")).consumers
