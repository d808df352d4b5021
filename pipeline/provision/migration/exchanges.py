"""An exchange made anew with its bindings, while producers publish.

A *twin* with the new attributes and all the bindings is put beside it: what reaches the exchange from other exchanges
reaches the twin as well, and a message that reaches a queue on two ways is put into it once. Dead letters and
unroutable messages of others that are sent to the exchange are sent to the twin. Then the exchange is deleted and
declared, with a policy that makes the twin its alternate exchange, and each binding is made twice: to the twin first.
So from its declaration on, whatever it takes is routed as it will be: what no binding of it matches yet goes to its
alternate exchange, and what one matches goes to the twin, which has them all.

A program that publishes to it in the milliseconds between delete and declare gets its channel closed (404): it
knows, if it waits for confirms.
"""

from __future__ import annotations

import time
from dataclasses import replace

from pipeline.provision.compare import exchange_details
from pipeline.provision.definitions_json import definitions_from_json
from pipeline.provision.migration.names import Names
from pipeline.provision.migration.objects import DEAD_LETTER_EXCHANGE
from pipeline.provision.migration.record import Record
from pipeline.provision.migration.workshop import Migration, Step, Workshop
from pipeline.topology.definitions import BindingDefinition, ExchangeDefinition, PolicyDefinition, exactly

_ALTERNATE = "alternate-exchange"
_POLICY_PRIORITY = 1_000_000


class ExchangeMigration(Migration):
    """The steps, each of which may be done twice."""

    def __init__(self, workshop: Workshop, record: Record) -> None:
        super().__init__(workshop, record)
        assert isinstance(record.after, ExchangeDefinition)
        self.after = record.after
        self.exchange = record.name
        self._objects = workshop.objects
        self._twin = Names(record.prefix).entrance

    async def prepare(self) -> None:
        """Raises Refused if the broker would not make it, before anything has been touched."""
        objects = self._objects
        policies = {policy.name: policy for policy in await objects.policies()}
        row = await objects.exchange(self.exchange) or {}
        policy = policies.get(str(row.get("policy")))
        arguments = dict(self.after.arguments)
        if policy is not None and policy.name != self._policy.name and _ALTERNATE in policy.definition:
            arguments.setdefault(_ALTERNATE, policy.definition[_ALTERNATE])
        twin = ExchangeDefinition(self._twin, self.after.type, arguments=arguments)
        await objects.make_exchange(twin)
        outgoing = await objects.bindings_from(self.exchange)
        incoming = await objects.bindings_to("exchange", self.exchange)
        await self.note(bindings=self.record.bound((*outgoing, *incoming)))

    async def pass_by(self) -> None:
        objects = self._objects
        await objects.bind(replace(binding, source=self._twin) for binding in self._outgoing)
        await objects.bind(replace(binding, destination=self._twin) for binding in self._incoming)
        await self._send(self.exchange, self._twin)
        await objects.make_policy(self._policy)

    async def remake(self) -> None:
        objects = self._objects
        row = await objects.exchange(self.exchange)
        if row is not None:
            (there,) = definitions_from_json({"exchanges": [row]}).exchanges
            if exchange_details(there, self.after):
                await self.note(deleted_at=time.time())
                await objects.remove("exchange", self.exchange)
        await objects.make_exchange(self.after)
        if self.record.back_at is None:
            await self.note(back_at=time.time())

    async def rebind(self) -> None:
        objects = self._objects
        await objects.bind(
            replace(binding, destination=self._twin, destination_type="exchange") for binding in self._outgoing
        )
        missing = await objects.bind(self.record.bindings)
        self.notes += [f'A binding of "{binding.source}" to "{binding.destination}" is gone' for binding in missing]
        await self._send(self._twin, self.exchange)

    async def clean(self) -> None:
        await self._objects.remove_policy(self._policy.name)
        await self._objects.remove("exchange", self._twin)

    @property
    def _policy(self) -> PolicyDefinition:
        definition = {_ALTERNATE: self._twin}
        return PolicyDefinition(self._twin, exactly(self.exchange), definition, "exchanges", _POLICY_PRIORITY)

    @property
    def _outgoing(self) -> list[BindingDefinition]:
        return [binding for binding in self.record.bindings if binding.source == self.exchange]

    @property
    def _incoming(self) -> list[BindingDefinition]:
        return [binding for binding in self.record.bindings if binding.source != self.exchange]

    async def _send(self, before: str, after: str) -> None:
        """What policies send to one exchange, to the other."""
        for policy in await self._objects.policies():
            for key in (DEAD_LETTER_EXCHANGE, _ALTERNATE):
                if policy.definition.get(key) == before and policy.name != self._policy.name:
                    await self._objects.set_in_policy(policy, key, after)


EXCHANGE_STEPS: tuple[Step[ExchangeMigration], ...] = (
    Step("prepare", ExchangeMigration.prepare),
    Step("pass by", ExchangeMigration.pass_by),
    Step("remake", ExchangeMigration.remake),
    Step("rebind", ExchangeMigration.rebind),
    Step("clean", ExchangeMigration.clean),
)
