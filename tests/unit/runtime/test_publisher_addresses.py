"""Publishing by name: exchange, key, priority, identity, and the queued entry of tracked work."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import BaseModel, ConfigDict

from pipeline.errors import ErrorCode, NotConfirmed, Permanent, Unroutable
from pipeline.messages.message import MESSAGE_NAME
from tests.unit.runtime.conftest import Answer, Order, Rig


class Urgent(Order):
    model_config = ConfigDict(extra="forbid")

    priority: int | None = None


@pytest.mark.parametrize(
    ("explicit", "in_body", "published"),
    [(9, 5, 9), (None, 5, 5), (None, None, 3), (0, 5, 0), (999, None, 255), (-1, None, 0), (None, 0, 1)],
)
async def test_an_explicit_priority_comes_before_the_bodys_and_that_before_the_topologys(
    rig: Rig, explicit: int | None, in_body: int | None, published: int
) -> None:
    await rig.publisher().publish("order", Urgent(priority=in_body), message_id="1", priority=explicit)
    assert (await rig.take("the.orders")).priority == published


@pytest.mark.parametrize(
    ("in_body", "published"), [(1, 1), (10, 10), (0, 1), (-7, 1), (11, 10), (10**30, 10), ("7", 3), (True, 3), (7.5, 3)]
)
async def test_a_priority_that_the_model_does_not_know_is_taken_into_the_range_of_its_queue(
    rig: Rig, in_body: Any, published: int
) -> None:
    body = Order.model_validate({"priority": in_body})
    await rig.publisher().publish("order", body, message_id="1")
    assert (await rig.take("the.orders")).priority == published


async def test_a_message_carries_its_name_beside_what_it_is_given(rig: Rig) -> None:
    await rig.publisher().publish("order", Order(), message_id="1", headers={"mine": 1, MESSAGE_NAME: "fake"})
    assert dict((await rig.take("the.orders")).headers) == {"mine": 1, MESSAGE_NAME: "order"}


@pytest.mark.parametrize(
    ("given", "in_body", "published"),
    [("given", "body", "given"), (None, "body", "body"), (None, None, None), ("é" * 200, "body", None)],
)
async def test_the_correlation_id_comes_from_the_caller_or_the_body_where_amqp_can_carry_it(
    rig: Rig, given: str | None, in_body: str | None, published: str | None
) -> None:
    await rig.publisher().publish("order", Order(correlation_id=in_body), message_id="1", correlation_id=given)
    assert (await rig.take("the.orders")).correlation_id == published


@pytest.mark.parametrize(
    ("name", "body", "code"),
    [
        ("nothing", Order(), ErrorCode.UNKNOWN_MESSAGE),
        ("order", Answer(number=1), ErrorCode.INTERNAL_ERROR),
        ("order", Order(file_path="x" * 2000), ErrorCode.MESSAGE_TOO_LARGE),
    ],
)
async def test_what_no_consumer_would_take_is_refused(rig: Rig, name: str, body: BaseModel, code: str) -> None:
    with pytest.raises(Permanent) as refused:
        await rig.publisher().publish(name, body, message_id="1")
    assert refused.value.error_code == code


async def test_a_message_that_no_queue_gets_is_an_error(rig: Rig) -> None:
    with pytest.raises(Unroutable):
        await rig.publisher().publish("lost", Answer(number=1), message_id="1")


async def test_a_message_that_the_broker_does_not_confirm_is_an_error(rig: Rig) -> None:
    await rig.broker.close()
    with pytest.raises(NotConfirmed):
        await rig.publisher().publish("order", Order(), message_id="1")


async def test_tracked_work_is_shown_as_queued_before_it_can_begin(rig: Rig) -> None:
    seen: list[Any] = []
    rig.change(track="recording_id")
    publisher = rig.publisher()
    outgoing = publisher.prepare("order", Order(recording_id="rec"), message_id="1")
    await publisher.announce(outgoing)
    seen += [(frame["status"], frame["progress"]) for frame in await rig.frames()]
    assert seen == [("queued", 0.0)]
    assert await rig.depth("the.orders") == 0
