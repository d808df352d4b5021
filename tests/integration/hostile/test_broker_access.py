"""Who may log in, and where: passwords that change, brokers that are not there, and one that takes no messages."""

from __future__ import annotations

import asyncio
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from prometheus_client import REGISTRY
from structlog.testing import capture_logs

from pipeline.servers.process import free_ports
from pipeline.servers.rabbitmq import PrivateRabbitMQ
from tests.integration.hostile.conftest import SECRET, User, at_rest, said, serves
from tests.shop import Shop, eventually

pytestmark = [pytest.mark.rabbitmq, pytest.mark.redis]

AWAY, BACK = "The broker does not answer; trying again until it does", "The broker answers again"


async def test_a_changed_password_is_said_with_the_user_and_the_worker_goes_on_when_it_is_known_again(
    shop: Shop, user: User
) -> None:
    await shop.open("slowly", concurrency=2)
    await user.create()
    await shop.start(user.url)
    for number in range(100):
        await shop.publish({"number": number}, id=f"id{number}")
    await eventually(lambda: shop.has_answered(5))
    with capture_logs() as logs:
        await user.change_password("another")
        await user.cut()
        await eventually(said(logs, AWAY, f"refuses the login of user {user.name}"))
        assert said(logs, AWAY, "Check user and password")()
        await user.change_password(SECRET)
        await eventually(said(logs, BACK))
    assert SECRET not in str(logs)
    await eventually(lambda: shop.has_answered(100))
    await at_rest(shop)
    assert len(shop.answer_ids) == 100
    await serves(shop, 100)


async def test_a_login_refused_after_an_outage_is_said_too(shop: Shop, user: User) -> None:
    await shop.open("answer")
    await user.create()
    dead = free_ports(1)[0]
    parts = urlsplit(user.url)
    nobody = parts._replace(netloc=f"{user.name}:{SECRET}@127.0.0.1:{dead}").geturl()
    with capture_logs() as logs:
        starting = asyncio.ensure_future(shop.start(nobody))
        await eventually(said(logs, AWAY, "does not answer"))
        broker = shop.workers[0][2]
        broker._urls = [type(broker._urls[0])(user.url.replace(SECRET, "wrong"))]
        await eventually(said(logs, AWAY, "refuses the login"))
        broker._urls = [type(broker._urls[0])(user.url)]
        await starting
    assert SECRET not in str(logs)
    await serves(shop, 1)


@pytest.mark.parametrize("first", ["a dead one", "a wrong password", "a vhost that is not there"])
async def test_the_next_url_serves_where_the_first_does_not_and_why_is_said(shop: Shop, user: User, first: str) -> None:
    await shop.open("answer")
    await user.create()
    parts = urlsplit(user.url)
    urls = {
        "a dead one": (parts._replace(netloc=f"{user.name}:{SECRET}@127.0.0.1:{free_ports(1)[0]}"), "does not answer"),
        "a wrong password": (
            parts._replace(netloc=f"{user.name}:{SECRET}x@{parts.hostname}:{parts.port}"),
            "refuses the login",
        ),
        "a vhost that is not there": (parts._replace(path="/nowhere"), "refuses the vhost"),
    }
    url, reason = urls[first]
    with capture_logs() as logs:
        await shop.start(f"{url.geturl()},{user.url}")
    assert said(logs, "a RabbitMQ could not be used; the next one is", reason)()
    assert not said(logs, AWAY)()
    assert SECRET not in str(logs)
    await serves(shop, 1)


async def test_a_worker_goes_over_to_the_next_url_when_the_first_one_dies(
    own_rabbitmq: PrivateRabbitMQ, shop: Shop
) -> None:
    first = Shop(own_rabbitmq.url, own_rabbitmq.management_url, shop.redis_url, shop.folder)
    await first.open("answer")
    await shop.open("answer")
    await shop.start(f"{first.amqp_url},{shop.amqp_url}")
    await first.publish({"number": 1}, id="at the first")
    assert await first.answers(1) == [1]
    for each in (first.broker, first.state, first.management):
        await each.close()
    await asyncio.to_thread(own_rabbitmq.stop, kill=True)
    await serves(shop, 2)


async def test_a_broker_short_of_memory_holds_publishers_up_and_nothing_is_lost(
    own_rabbitmq: PrivateRabbitMQ, redis_url: str, folder: Path
) -> None:
    shop = Shop(own_rabbitmq.url, own_rabbitmq.management_url, redis_url, folder)
    try:
        await shop.open("slowly", concurrency=4)
        await shop.start()
        for number in range(100):
            await shop.publish({"number": number}, id=f"id{number}")
        await eventually(lambda: shop.has_answered(10))
        broker = shop.workers[0][2]
        with capture_logs() as logs:
            await asyncio.to_thread(own_rabbitmq.control, "set_vm_memory_high_watermark", "0")
            waiting = asyncio.ensure_future(shop.publish({"number": 100}, id="id100"))
            await eventually(lambda: shop.broker.blocked)
            await eventually(lambda: broker.blocked or shop.workers[0][0].held == 0)
            assert said(logs, "broker_blocks_publishers")()
            assert (REGISTRY.get_sample_value("pipeline_broker_blocked") or 0) >= 1
            assert not waiting.done()
            await asyncio.to_thread(own_rabbitmq.control, "set_vm_memory_high_watermark", "0.4")
            await waiting
            assert said(logs, "broker_takes_messages_again")()
        await eventually(lambda: shop.has_answered(101))
        await at_rest(shop)
        assert len(shop.answer_ids) == 101
        assert REGISTRY.get_sample_value("pipeline_broker_blocked") == 0
        await serves(shop, 101)
    finally:
        await shop.close()


async def test_a_worker_held_up_by_a_memory_alarm_stops_when_it_is_told_and_its_work_is_done_by_the_next(
    own_rabbitmq: PrivateRabbitMQ, redis_url: str, folder: Path
) -> None:
    shop = Shop(own_rabbitmq.url, own_rabbitmq.management_url, redis_url, folder)
    try:
        await shop.open("slowly", concurrency=4)
        for number in range(50):
            await shop.publish({"number": number}, id=f"id{number}")
        await asyncio.to_thread(own_rabbitmq.control, "set_vm_memory_high_watermark", "0")
        await shop.start()
        await eventually(lambda: shop.workers[0][2].blocked)
        await shop.stop(0.5)
        assert REGISTRY.get_sample_value("pipeline_broker_blocked") == 0
        await asyncio.to_thread(own_rabbitmq.control, "set_vm_memory_high_watermark", "0.4")
        await shop.start()
        await eventually(lambda: shop.has_answered(50))
        await at_rest(shop)
        assert len(shop.answer_ids) == 50
    finally:
        await shop.close()
