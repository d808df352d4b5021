"""A vhost of each test's own, with a broker and a management client that see it."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from pipeline.broker.port import Delivery
from pipeline.broker.rabbitmq import RabbitMQBroker
from pipeline.messages.message import Message
from pipeline.provision.apply import apply
from pipeline.provision.changes import Plan
from pipeline.provision.management import ManagementClient
from pipeline.provision.migration.migrator import Migrator
from pipeline.provision.observe import observe
from pipeline.provision.outcomes import Applied
from pipeline.provision.ownership import read_ownership
from pipeline.provision.plan import plan
from pipeline.topology.definitions import Definitions

TOPOLOGY = "tracktion"


@dataclass
class Site:
    """One vhost."""

    client: ManagementClient
    broker: RabbitMQBroker
    url: str
    management_url: str
    connections: list[RabbitMQBroker] = field(default_factory=list)

    async def connect(self, name: str = "test") -> RabbitMQBroker:
        """Another connection, closed at the end of the test."""
        broker = RabbitMQBroker(self.url, name=name)
        await broker.connect()
        self.connections.append(broker)
        return broker

    async def planned(self, desired: Definitions) -> Plan:
        return plan(desired, await observe(self.client), await read_ownership(self.client, TOPOLOGY))

    async def make(self, desired: Definitions) -> Applied:
        """Apply without migrating."""
        return await apply(await self.planned(desired), self.client)

    async def migrate(self, desired: Definitions, **options: Any) -> Applied:
        """Finish what was begun, and apply, with migrations; over a connection of its own, as the command does."""
        broker = RabbitMQBroker(self.url, name="apply")
        await broker.connect()
        try:
            migrator = Migrator(self.client, broker, TOPOLOGY, **options)
            await migrator.finish()
            return await apply(await self.planned(desired), self.client, migrator=migrator)
        finally:
            await broker.close()

    async def names(self, collection: str) -> set[str]:
        return {row["name"] for row in await self.client.list(collection, self.client.vhost) if row["name"]}

    async def leftovers(self) -> set[str]:
        """What a migration put there and did not remove."""
        found: set[str] = set()
        for collection in ("queues", "exchanges", "policies"):
            found |= {name for name in await self.names(collection) if "migrating" in name}
        parameters = {row["name"] for row in await self.client.list("global-parameters")}
        return found | {name for name in parameters if name.startswith("migration:") and self.client.vhost in name}

    async def content(self, queue: str) -> list[Delivery]:
        """All that is ready, in order; acked."""
        taken: list[Delivery] = []
        while (delivery := await self.broker.get(queue)) is not None:
            delivery.ack()
            taken.append(delivery)
        return taken


async def eventually(condition: Callable[[], Awaitable[bool]] | Callable[[], bool], timeout_s: float = 30.0) -> None:
    """Until it holds."""
    async with asyncio.timeout(timeout_s):
        while True:
            held = condition()
            if held if isinstance(held, bool) else await held:
                return
            await asyncio.sleep(0.02)


async def publish_numbered(
    broker: RabbitMQBroker, exchange: str, key: str, numbers: Sequence[int], *, priorities: int = 0, prefix: str = "m"
) -> None:
    """Messages with ids and headers, confirmed."""
    batch = 500
    for start in range(0, len(numbers), batch):
        await asyncio.gather(
            *(
                broker.publish(
                    exchange,
                    key,
                    Message(
                        f'{{"n": {number}}}'.encode(),
                        message_id=f"{prefix}-{number}",
                        priority=number % priorities if priorities else None,
                        headers={"x-number": number, "x-text": "é", "x-list": [1, "two"]},
                    ),
                )
                for number in numbers[start : start + batch]
            )
        )


def counted(deliveries: Sequence[Delivery]) -> Counter[str | None]:
    return Counter(delivery.message.message_id for delivery in deliveries)
