"""Exchanges made anew on a real RabbitMQ: their bindings, what is published meanwhile, broken off anywhere."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from pipeline.broker.rabbitmq import RabbitMQBroker
from pipeline.errors import ExitCode, NotConfirmed, Unroutable
from pipeline.messages.message import Message
from pipeline.provision.management import ManagementClient
from pipeline.provision.migration.migrator import Migrator
from pipeline.provision.migration.record import Record
from pipeline.provision.migration.status import DOING
from pipeline.topology.definitions import (
    BindingDefinition,
    Definitions,
    ExchangeDefinition,
    PolicyDefinition,
    QueueDefinition,
    exactly,
)
from tests.integration.migration.site import TOPOLOGY, Site, counted, eventually

pytestmark = pytest.mark.rabbitmq


def topology(middle: ExchangeDefinition) -> Definitions:
    """front → middle → work and behind → far; dead letters of `work` go to middle."""
    return Definitions(
        exchanges=(ExchangeDefinition("front", "topic"), middle, ExchangeDefinition("behind", "fanout")),
        queues=(QueueDefinition("work"), QueueDefinition("far"), QueueDefinition("dead")),
        bindings=(
            BindingDefinition("front", "middle", "exchange", "#"),
            BindingDefinition("middle", "work", "queue", "a.b"),
            BindingDefinition("middle", "behind", "exchange", "a.b"),
            BindingDefinition("middle", "dead", "queue", "a.dead"),
            BindingDefinition("behind", "far", "queue", ""),
        ),
        policies=(
            PolicyDefinition(
                "tracktion.work",
                exactly("work"),
                {"dead-letter-exchange": "middle", "dead-letter-routing-key": "a.dead"},
                priority=10,
            ),
        ),
    )


DIRECT, TOPIC = ExchangeDefinition("middle", "direct"), ExchangeDefinition("middle", "topic")


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (DIRECT, TOPIC),
        (TOPIC, DIRECT),
        (replace(DIRECT, durable=False), DIRECT),
        (DIRECT, replace(DIRECT, arguments={"alternate-exchange": "behind"})),
        (DIRECT, replace(DIRECT, internal=True)),
    ],
    ids=["to-topic", "to-direct", "to-durable", "to-alternate", "to-internal"],
)
async def test_an_exchange_made_anew_has_its_bindings_and_loses_nothing(
    site: Site, before: ExchangeDefinition, after: ExchangeDefinition
) -> None:
    await site.make(topology(before))
    async with Publishing(site, "front") as publishing:
        await eventually(lambda: publishing.confirmed > 100)
        applied = await site.migrate(topology(after))
        await eventually(lambda: publishing.confirmed > 300)
    assert applied.exit_code == ExitCode.DONE, applied
    assert "s away" in applied.notes[0]
    assert not (await site.planned(topology(after))).changes
    assert await site.leftovers() == set()
    assert publishing.failed == 0
    for queue in ("work", "far"):
        assert counted(await site.content(queue)) == {f"m-{number}": 1 for number in range(publishing.confirmed)}


async def test_dead_letters_and_direct_publishes_during_the_change_arrive_or_are_told(site: Site) -> None:
    await site.make(topology(DIRECT))
    rejecting = await site.connect("rejecting")
    await rejecting.consume("work", lambda delivery: delivery.reject(), prefetch=20)
    async with Publishing(site, "middle") as publishing:
        for wanted in (TOPIC, DIRECT, TOPIC, DIRECT):
            assert (await site.migrate(topology(wanted))).exit_code == ExitCode.DONE
    sent = {f"m-{number}": 1 for number in range(publishing.confirmed)}
    await eventually(lambda: _depth_is(site, "dead", publishing.confirmed))
    assert counted(await site.content("dead")) == sent
    assert set(counted(await site.content("far"))) == set(sent)


class Killed(BaseException):
    """Nothing catches it."""


@pytest.mark.parametrize("changes", [0, 1])
@pytest.mark.parametrize("step", list(DOING["exchange"]))
async def test_broken_off_at_any_step_it_is_gone_on_with(
    site: Site, step: str, changes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    await site.make(topology(DIRECT))
    real, left = ManagementClient._request, changes

    async def dying(self: ManagementClient, method: str, *arguments: Any, **options: Any) -> Any:
        nonlocal left
        if method != "GET":
            if not left:
                raise Killed
            left -= 1
        return await real(self, method, *arguments, **options)

    def report(record: Record) -> None:
        if record.step == step:
            monkeypatch.setattr(ManagementClient, "_request", dying)

    async with Publishing(site, "front") as publishing:
        broker = await site.connect("killed")
        migrator = Migrator(site.client, broker, TOPOLOGY, report=report)
        (change,) = (await site.planned(topology(TOPIC))).changes
        with pytest.raises(Killed):
            await migrator.replace(change)
        monkeypatch.setattr(ManagementClient, "_request", real)
        await broker.close()
        assert (await site.migrate(topology(TOPIC))).exit_code == ExitCode.DONE
        await eventually(lambda: publishing.confirmed > 100)
    assert not (await site.planned(topology(TOPIC))).changes
    assert await site.leftovers() == set()
    assert counted(await site.content("far")) == {f"m-{number}": 1 for number in range(publishing.confirmed)}


class Publishing:
    """Publishes one after the other, and again what was not confirmed, for as long as the context lasts."""

    def __init__(self, site: Site, exchange: str) -> None:
        self.confirmed = 0
        self.failed = 0
        self._site = site
        self._exchange = exchange
        self._stop = asyncio.Event()

    async def __aenter__(self) -> Publishing:
        self._task = asyncio.create_task(self._publish(await self._site.connect("producer")))
        return self

    async def __aexit__(self, *reason: object) -> None:
        self._stop.set()
        await self._task

    async def _publish(self, broker: RabbitMQBroker) -> None:
        while not self._stop.is_set():
            try:
                await broker.publish(self._exchange, "a.b", Message(b"{}", message_id=f"m-{self.confirmed}"))
            except (NotConfirmed, Unroutable):
                self.failed += 1
                await asyncio.sleep(0.01)
            else:
                self.confirmed += 1


async def _depth_is(site: Site, queue: str, messages: int) -> bool:
    return (await site.broker.depth(queue)).messages == messages
