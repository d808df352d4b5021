"""Dead letters that reach a queue by its name, without a binding, led through an exchange that can be bound.

The default exchange routes by the names of queues, and drops dead letters for one that is not there. The tiers of the
retry ladder return messages that way, each by the routing key it came with. For as long as queues are made anew, the
policies that dead-letter so name a direct exchange instead, to which every queue is bound by its name; a migration
then treats these bindings as it does any other.

What can't be led: arguments of a queue (`x-dead-letter-exchange`) can't be changed, and what programs publish to the
default exchange is theirs. Both find no queue for the milliseconds between delete and declare.
"""

from __future__ import annotations

import contextlib

from pipeline.broker.rabbitmq import RabbitMQBroker
from pipeline.errors import NoSuchQueue
from pipeline.provision.migration.names import detour_name
from pipeline.provision.migration.objects import DEAD_LETTER_EXCHANGE, DEAD_LETTER_KEY, Objects
from pipeline.provision.migration.record import Records
from pipeline.topology.definitions import BindingDefinition, ExchangeDefinition, PolicyDefinition


class Detour:
    """Opened before the first queue is touched, closed when the last one is done."""

    def __init__(self, topology: str, objects: Objects, broker: RabbitMQBroker, records: Records) -> None:
        self._name = detour_name(topology)
        self._objects = objects
        self._broker = broker
        self._records = records

    async def open(self) -> None:
        """Nothing is made where nothing dead-letters so. Raises PipelineError, Unreachable."""
        policies = [policy for policy in await self._objects.policies() if self._returns_by_key(policy, "")]
        if not policies and not await self._records.detour_open():
            return
        await self._records.write_detour()
        await self._objects.make_exchange(ExchangeDefinition(self._name, "direct"))
        queues = await self._objects.queue_names()
        await self._objects.bind(BindingDefinition(self._name, queue, "queue", queue) for queue in queues)
        await self._lead(policies, self._name, queues)

    async def close(self) -> None:
        """Raises PipelineError, Unreachable."""
        if not await self._records.detour_open():
            return
        policies = [policy for policy in await self._objects.policies() if self._returns_by_key(policy, self._name)]
        await self._lead(policies, "", await self._objects.queue_names())
        await self._objects.remove("exchange", self._name)
        await self._records.forget_detour()

    def _returns_by_key(self, policy: PolicyDefinition, exchange: str) -> bool:
        definition = policy.definition
        return definition.get(DEAD_LETTER_EXCHANGE) == exchange and DEAD_LETTER_KEY not in definition

    async def _lead(self, policies: list[PolicyDefinition], exchange: str, queues: list[str]) -> None:
        for policy in policies:
            await self._objects.set_in_policy(policy, DEAD_LETTER_EXCHANGE, exchange)
        for queue in queues:
            if any(policy.matches(queue) for policy in policies):
                with contextlib.suppress(NoSuchQueue):
                    await self._broker.depth(queue)  # answered after the queue knows of its policy
