"""Queues, exchanges, channels and permissions that go while a worker runs: it says so, loses nothing, and goes on."""

from __future__ import annotations

import asyncio
from functools import partial
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from pipeline.errors import ErrorCode, NotConfirmed, Unroutable
from pipeline.messages.message import ATTEMPT, ERROR_CODE, ERROR_MESSAGE, Message
from pipeline.servers.rabbitmq import PrivateRabbitMQ
from tests.integration.hostile.conftest import SECRET, User, at_rest, said, serves
from tests.shop import Shop, eventually

pytestmark = [pytest.mark.rabbitmq, pytest.mark.redis]

NEITHER_NOR = "a failed delivery can be put neither into a retry queue nor into the dead-letter queue"
# An ack of what was never delivered, as if the consumers of the queue had sent it.
CLOSE_CHANNELS = (
    '{{ok, Q}} = rabbit_amqqueue:lookup(rabbit_misc:r(<<"{vhost}">>, queue, <<"{queue}">>)), '
    "[rabbit_channel:do(element(1, C), {{'basic.ack', 999999999, false}}) || C <- rabbit_amqqueue:consumers(Q)]."
)
REFUSED, AGAIN = "a queue cannot be consumed; trying until it can", "a queue is consumed again"


async def test_a_deleted_queue_is_said_and_consumed_again_when_it_has_been_applied(shop: Shop) -> None:
    await shop.open("wait_for_file", concurrency=1)
    await shop.start()
    gate = shop.folder / "gate"
    await shop.publish({"number": 1, "path": str(gate)}, id="in hand")
    await eventually(Path(f"{gate}.reached").exists)
    with capture_logs() as logs:
        await shop.management.delete("queues", shop.vhost, "orders")
        await eventually(said(logs, "consumer_lost", "is the queue deleted?"))
        await eventually(said(logs, REFUSED, "There is no queue 'orders'"))
        with pytest.raises(Unroutable):
            await shop.publish({"number": 2}, id="nowhere")
        gate.touch()
        assert await shop.answers(1) == [1]  # what was in hand is finished
        await shop.apply()
        await eventually(said(logs, AGAIN))
    await shop.publish({"number": 2, "path": str(gate)}, id="now")
    assert await shop.answers(1) == [2]
    assert not any(task.done() for _, task, *_ in shop.workers)
    await at_rest(shop)
    assert await shop.depth("answers") == await shop.depth("orders.dlq") == 0


async def test_a_message_whose_output_has_no_exchange_is_a_dead_letter_that_says_so(shop: Shop) -> None:
    await shop.open("answer")
    await shop.start()
    await shop.management.delete("exchanges", shop.vhost, "out")
    await shop.publish({"number": 1}, id="one")
    letter = await shop.take("orders.dlq")
    assert (letter.headers[ERROR_CODE], letter.headers[ATTEMPT]) == (ErrorCode.DEPENDENCY_UNAVAILABLE, 3)
    assert "no exchange 'out'" in letter.headers[ERROR_MESSAGE]
    await shop.apply()
    await shop.publish(letter.body, id="one")
    assert await shop.answers(1) == [1]
    await serves(shop, 2)


async def test_a_publisher_is_told_at_once_that_its_exchange_is_missing(shop: Shop) -> None:
    await shop.open("answer")
    await shop.start()
    with pytest.raises(NotConfirmed, match="no exchange 'nowhere'"):
        await shop.broker.publish("nowhere", "order", Message(b"{}"))
    await serves(shop, 2)


async def test_a_message_whose_output_reaches_no_queue_is_a_dead_letter_that_says_so(shop: Shop) -> None:
    await shop.open("answer")
    await shop.start()
    await shop.management.delete("queues", shop.vhost, "answers")
    await shop.publish({"number": 1}, id="one")
    letter = await shop.take("orders.dlq")
    assert (letter.headers[ERROR_CODE], letter.headers[ATTEMPT]) == (ErrorCode.UNROUTABLE, 3)
    await shop.apply()
    await shop.publish(letter.body, id="one")
    assert await shop.answers(1) == [1]
    await serves(shop, 2)


@pytest.mark.parametrize(("kind", "name"), [("exchanges", "shop.dlx"), ("queues", "orders.dlq")])
async def test_a_message_that_can_not_be_buried_stays_in_its_queue_until_it_can(
    shop: Shop, kind: str, name: str
) -> None:
    await shop.open("answer", concurrency=2)
    await shop.start()
    await shop.management.delete(kind, shop.vhost, name)
    with capture_logs() as logs:
        await shop.publish(b"broken", id="broken")
        await eventually(said(logs, NEITHER_NOR))
        await shop.publish({"number": 1}, id="one")
        assert await shop.answers(1) == [1]
        await shop.apply()
        letter = await shop.take("orders.dlq")
    assert (letter.headers[ERROR_CODE], letter.body) == (ErrorCode.INVALID_MESSAGE, b"broken")
    await serves(shop, 2)


@pytest.mark.parametrize(("kind", "name"), [("exchanges", "shop.retry.100ms"), ("queues", "shop.retry.100ms")])
async def test_a_message_that_can_not_wait_stays_in_its_queue_until_it_can(shop: Shop, kind: str, name: str) -> None:
    await shop.open("transient_twice", concurrency=2)
    await shop.start()
    await shop.management.delete(kind, shop.vhost, name)
    with capture_logs() as logs:
        await shop.publish({"number": 1}, id="one")
        await eventually(said(logs, NEITHER_NOR))
        await shop.apply()
    assert await shop.answers(1) == [1]
    await serves(shop, 2)


async def test_channels_that_the_broker_closes_cost_no_message(
    own_rabbitmq: PrivateRabbitMQ, redis_url: str, folder: Path
) -> None:
    shop = Shop(own_rabbitmq.url, own_rabbitmq.management_url, redis_url, folder)
    program = CLOSE_CHANNELS.format(vhost=shop.vhost, queue="orders")
    try:
        await shop.open("slowly", concurrency=4, prefetch=16)
        await shop.start()
        with capture_logs() as logs:
            for number in range(200):
                await shop.publish({"number": number}, id=f"id{number}")
            for count in (20, 80):
                await eventually(partial(shop.has_answered, count))
                logs.clear()
                await asyncio.to_thread(own_rabbitmq.control, "eval", program)
                await eventually(said(logs, "consumer_lost", "unknown delivery tag"))
            await eventually(partial(shop.has_answered, 200))
        await at_rest(shop)
        assert shop.answered == set(range(200))
        assert len(shop.answer_ids) == 200
        await serves(shop, 200)
    finally:
        await shop.close()


async def test_messages_wait_in_their_queue_while_the_worker_may_not_publish(shop: Shop, user: User) -> None:
    await shop.open("answer", concurrency=2)
    await user.create()
    await shop.start(user.url)
    await user.permit(write="^$")
    with capture_logs() as logs:
        for number in range(5):
            await shop.publish({"number": number}, id=f"id{number}")
        await eventually(said(logs, NEITHER_NOR, "ACCESS_REFUSED"))
        assert await shop.depth("answers") == await shop.depth("orders.dlq") == 0
        await user.permit()
        assert sorted(await shop.answers(5)) == [0, 1, 2, 3, 4]
    await serves(shop, 5)


@pytest.mark.parametrize(
    ("read", "event", "reason"),
    [("^$", REFUSED, "ACCESS_REFUSED"), (None, "The broker does not answer", "refuses the vhost")],
    ids=["the queue", "the vhost"],
)
async def test_a_worker_that_may_not_consume_any_more_says_so_and_goes_on_when_it_may(
    shop: Shop, user: User, read: str | None, event: str, reason: str
) -> None:
    await shop.open("answer")
    await user.create()
    await shop.start(user.url)
    with capture_logs() as logs:
        if read is None:
            await shop.management.delete("permissions", shop.vhost, user.name)
        else:
            await user.permit(read=read)
            await shop.publish({"number": 1}, id="one")
            assert await shop.answers(1) == [1]  # who consumes already goes on, as far as RabbitMQ is concerned
        await user.cut()
        await eventually(said(logs, event, reason))
        await shop.publish({"number": 2}, id="two")
        await user.permit()
        assert await shop.answers(1) == [2]
    await serves(shop, 3)
    assert not any(SECRET in str(each) for each in logs)
