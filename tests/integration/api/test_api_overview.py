"""History and alerts over HTTP, on both engines."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from api.plane import Plane
from pipeline.app.flows import make_flows
from pipeline.broker.rabbitmq import RabbitMQBroker
from pipeline.messages.message import Message
from pipeline.provision.management import ManagementClient
from pipeline.settings import Settings
from tests.api_plane import RunningApi

QUEUE = "analysis_queue"


async def found(api: RunningApi, path: str) -> Any:
    async with api.http() as client:
        answer = await client.get(path)
    assert answer.status_code == 200
    return answer.json()


async def test_messages_that_come_and_go_are_in_the_history(api: RunningApi) -> None:
    plane: Plane = api.app.state.plane
    await plane.history.look()
    for number in range(10):
        await api.broker.publish("", QUEUE, Message(b"{}", message_id=str(number)))
    await asyncio.sleep(0.01)
    await plane.history.look()
    await api.broker.purge(QUEUE)
    await asyncio.sleep(0.01)
    await plane.history.look()
    answer = await found(api, "/v1/history")
    queue = answer["queues"][QUEUE]
    assert len(answer["times"]) == len(queue["messages"]) >= 3
    assert queue["messages"][-3:] == [0, 10, 0]
    assert queue["publish_rate"][-2] > 0
    assert queue["deliver_rate"][-2] == 0
    assert queue["publish_rate"][-1] == 0
    assert queue["deliver_rate"][-1] > 0
    assert f"{QUEUE}.dlq" in answer["queues"]


async def test_what_nobody_works_on_is_an_alert_until_it_is_gone(api: RunningApi) -> None:
    plane: Plane = api.app.state.plane
    await api.broker.publish("", QUEUE, Message(b"{}", message_id="1"))
    for _ in range(3):
        await plane.history.look()
    told = {each["code"]: each for each in (await found(api, "/v1/alerts"))["items"]}
    assert told.keys() == {"NO_WORKER", "NO_CONSUMER"}
    assert told["NO_CONSUMER"]["subject"] == QUEUE
    await api.broker.purge(QUEUE)
    await plane.history.look()
    assert {each["code"] for each in (await found(api, "/v1/alerts"))["items"]} == {"NO_WORKER"}


@pytest.mark.rabbitmq
async def test_rabbitmq_tells_depths_and_rates(rabbitmq_url: str, rabbitmq_management_url: str) -> None:
    settings = Settings(rabbitmq_url=rabbitmq_url, rabbitmq_management_url=rabbitmq_management_url)
    name = "overview-flows"
    broker = RabbitMQBroker(rabbitmq_url)
    await broker.connect()
    try:
        async with ManagementClient(settings.management_url, settings.vhost) as management:
            await management.put("queues", settings.vhost, name, body={"durable": True})
            try:
                flows, sent, rate = make_flows(broker, settings, [name]), 0, None
                async with asyncio.timeout(60):
                    # RabbitMQ tells rates of the last seconds, so there has to be something in them.
                    while not rate:
                        await broker.publish("", name, Message(b"{}", message_id=str(sent)))
                        sent += 1
                        await asyncio.sleep(0.2)
                        flow = (await flows())[name]
                        rate = flow.publish_rate
                assert flow.messages == sent
            finally:
                await management.delete("queues", settings.vhost, name)
    finally:
        await broker.close()
