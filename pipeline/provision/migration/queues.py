"""A queue made anew, without losing a message, while producers publish and consumers run.

1. *prepare*: see that the broker takes the new attributes; make the two holding queues and the exchanges.
2. *bypass*: everything that leads to the queue leads to the entrance as well, which leads to the queue. A message that
   reaches a queue on two ways is put into it once, so nothing is there twice.
3. *divert*: the direct ways are removed, then the one from the entrance to the queue. With that one operation of the
   broker, what the entrance can't route any more goes to its alternate exchange, into the queue `arriving`: no
   message takes both ways, and none takes neither.
4. *set aside*: what is in the queue is moved to the queue `kept`, until nothing is left in it and nothing of it is
   held by a consumer. Should a consumer keep a message for too long, the migration is abandoned: the next step is
   left out, and everything goes back.
5. *remake*: delete and declare.
6. *bring back*: what was kept, then what has arrived; when that is nearly done, the entrance leads to the queue again,
   with one operation as before.
7. *rebind*, *clean*: the direct ways again; the entrance and all that was put beside the queue is removed.

Order: messages keep theirs, but for those that arrive just while the entrance is turned back, at most a fifth of a
window, which may overtake others of that fifth.

A message's age starts anew when it is moved: the time it may stay in the queue (its TTL) begins again, and nothing
expires by the queue's TTL in the holding queues. A message with a TTL of its own keeps it and may expire there; it is
then dead-lettered as it would have been in the queue.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from pipeline.errors import BrokerError, NoSuchQueue, PipelineError, Unreachable
from pipeline.provision.changes import Detail
from pipeline.provision.compare import queue_details
from pipeline.provision.definitions_json import definitions_from_json
from pipeline.provision.management import Refused
from pipeline.provision.migration.account import Account
from pipeline.provision.migration.mover import Outward, until_empty
from pipeline.provision.migration.names import Names
from pipeline.provision.migration.objects import DEAD_LETTER_EXCHANGE, DEAD_LETTER_KEY
from pipeline.provision.migration.pouring import Pouring
from pipeline.provision.migration.record import Record
from pipeline.provision.migration.workshop import Migration, Step, Workshop, until
from pipeline.topology.definitions import BindingDefinition, ExchangeDefinition, PolicyDefinition, QueueDefinition

_MOST_ON_THE_WAY = 1000
_BYTES_ON_THE_WAY = 32 * 1024 * 1024
_CONSUMER_S = 3.0
_QUORUM_STATISTICS_S = 6.0  # a quorum queue's count of unacknowledged messages is up to 5 s old
_POLICY_PRIORITY = 1_000_000  # above any other: one policy applies, and no other's TTL or limit must
_LEAVES_AS_IT_IS = {"max-length": 2_000_000_000}  # a policy has to say something
_DEAD_LETTERING = (DEAD_LETTER_EXCHANGE, DEAD_LETTER_KEY, "dead-letter-strategy")


class QueueMigration(Migration):
    """The steps, each of which may be done twice."""

    def __init__(self, workshop: Workshop, record: Record) -> None:
        super().__init__(workshop, record)
        assert isinstance(record.after, QueueDefinition)
        assert isinstance(record.before, QueueDefinition)
        self.before, self.after = record.before, record.after
        self.queue = record.name
        self.names = Names(record.prefix)
        self._objects, self._broker = workshop.objects, workshop.broker
        self._account = Account(self, self.names)
        self._pouring = Pouring(self, self.names, self._account)
        self._watch: asyncio.Task[None] | None = None

    async def prepare(self) -> None:
        """Raises Refused if the broker would not make the new queue: before anything has been touched."""
        objects, names = self._objects, self.names
        probe = QueueDefinition(names.probe, self.after.durable, False, False, self.after.arguments)
        await objects.make_queue(probe)
        await objects.remove("queue", names.probe)
        row = await objects.queue(self.queue)
        if row is None:
            raise PipelineError(f'The queue "{self.queue}" is gone', fix="Plan again")
        settings = await objects.settings(self.queue)
        await self.note(
            bindings=self.record.bound(await objects.bindings_to("queue", self.queue)),
            consumers=(await self._broker.depth(self.queue)).consumers,
            window=window_for(row),
            witnessed=await objects.nodes() == 1,
        )
        for name in (names.kept, names.arriving, names.back):
            await objects.make_exchange(ExchangeDefinition(name, "fanout"))
        entrance = ExchangeDefinition(names.entrance, "fanout", arguments={"alternate-exchange": names.arriving})
        await objects.make_exchange(entrance)
        dead_lettering = {key: settings[key] for key in _DEAD_LETTERING if settings.get(key) is not None}
        if "dead-letter-strategy" in dead_lettering:
            dead_lettering["overflow"] = "reject-publish"
        pattern = f"^{re.escape(names.prefix)}\\.(arriving|kept)$"
        definition = dead_lettering or _LEAVES_AS_IT_IS
        await objects.make_policy(PolicyDefinition(names.prefix, pattern, definition, "queues", _POLICY_PRIORITY))
        replicated = "quorum" in (self.before.arguments.get("x-queue-type"), self.after.arguments.get("x-queue-type"))
        for name in (names.kept, names.arriving):
            arguments = {"x-queue-type": "quorum"} if replicated else {}
            await objects.make_queue(QueueDefinition(name, arguments=arguments))
            await objects.bind([BindingDefinition(name, name, "queue", "")])

    async def bypass(self) -> None:
        objects, names = self._objects, self.names
        await objects.bind([self._way_in])
        await self.note(bindings=self.record.bound(await self._direct_ways()))
        missing = await objects.bind(detoured(binding, names.entrance) for binding in self.record.bindings)
        self.notes += [f'The exchange "{binding.source}" is gone: its binding is left out' for binding in missing]
        await self._redirect(names.entrance)

    async def divert(self) -> None:
        await self._objects.unbind(self.record.bindings)
        await self._objects.unbind([self._way_in])

    async def set_aside(self) -> None:
        """Until the queue is empty and nobody holds a message of it, or patience is at its end."""
        if self.record.abandoned or await self._is_remade():
            return
        objects, names, loop = self._objects, self.names, asyncio.get_running_loop()
        quorum = self.before.arguments.get("x-queue-type") == "quorum"
        deadline = loop.time() + self.workshop.patience_s
        reason = ""
        while loop.time() < deadline:
            mover = Outward(self._broker, window=self.record.window, ledger=await self._account.open())
            try:
                async with mover.moving(self.queue, names.kept) as transfer:
                    empty_since = loop.time()
                    before = -1
                    while loop.time() < deadline:
                        await until_empty(self._broker, transfer, self.queue)
                        held = await objects.messages(self.queue)
                        if held or transfer.moved != before:
                            before, empty_since = transfer.moved, loop.time()
                        if not held and (not quorum or loop.time() - empty_since > _QUORUM_STATISTICS_S):
                            reason = ""
                            break
                        reason = f"a consumer still holds {held or 'an unknown number of'} of its messages"
                        await asyncio.sleep(0.1)
                    await self.count(transfer.moved, transfer.dropped)
            except NoSuchQueue:
                return
            except BrokerError as error:
                reason = str(error)
                await asyncio.sleep(0.5)
            if not reason:
                return
        await self.note(abandoned=f"{reason} after {self.workshop.patience_s:g} s; everything flows as before")

    async def remake(self) -> None:
        """Delete and declare. What stands in between are some milliseconds."""
        objects = self._objects
        while not self.record.abandoned and not await self._is_remade():
            if strays := await self._direct_ways():  # somebody bound it meanwhile
                await self.note(bindings=self.record.bound(strays))
                await objects.bind(detoured(binding, self.names.entrance) for binding in strays)
                await self.divert()
                await self.set_aside()
                continue
            if self.record.deleted_at is None:
                await self.note(deleted_at=time.time())
            if await self._delete_if_empty():
                break
            await self.set_aside()
        await objects.make_queue(self.before if self.record.abandoned else self.after)
        await objects.bind([BindingDefinition(self.names.back, self.queue, "queue", "")])

    async def bring_back(self) -> None:
        """What was kept, in its order."""
        await self._pour(self.names.kept)

    async def catch_up(self) -> None:
        """What has arrived; when nearly all of it is back, new messages go straight to the queue again."""
        await self._pour(self.names.arriving, way_in=self._way_in)

    async def rebind(self) -> None:
        missing = await self._objects.bind(self.record.bindings)
        self.notes += [
            f'The exchange "{binding.source}" is gone: its binding was not made again' for binding in missing
        ]
        for policy in await self._objects.policies():
            if policy.definition.get(DEAD_LETTER_EXCHANGE) == self.names.entrance:
                await self._objects.set_in_policy(policy, DEAD_LETTER_EXCHANGE, "")
                await self._settle(policy)

    async def clean(self) -> None:
        """Remove what was put beside the queue, the holding queues only when they are empty."""
        objects, names = self._objects, self.names
        await objects.remove("exchange", names.entrance)
        for name in (names.arriving, names.kept):
            await objects.remove("exchange", name)
            while (row := await objects.queue(name)) is not None:
                await self._pour(name)
                if row.get("type") == "quorum":
                    await objects.remove("queue", name)
                    break
                with contextlib.suppress(Refused):  # something came at the last moment
                    await objects.remove("queue", name, **{"if-empty": "true"})
        for name in (names.notes, names.presence, names.witness):
            await objects.remove("queue", name)
        await objects.remove("exchange", names.back)
        await objects.remove_policy(names.prefix)
        if self.record.consumers and not self.record.abandoned:
            await self._wait_for_consumer(_CONSUMER_S)

    async def close(self) -> None:
        if self._watch is not None:
            self._watch.cancel()
            await asyncio.gather(self._watch, return_exceptions=True)
            self._watch = None

    @property
    def _way_in(self) -> BindingDefinition:
        return BindingDefinition(self.names.entrance, self.queue, "queue", "")

    async def _direct_ways(self) -> tuple[BindingDefinition, ...]:
        ours = {self.names.entrance, self.names.back}
        bindings = await self._objects.bindings_to("queue", self.queue)
        return tuple(binding for binding in bindings if binding.source not in ours)

    async def _is_remade(self) -> bool:
        """Whether what is there is the new one: it has been deleted before, or somebody else has made it."""
        row = await self._objects.queue(self.queue)
        return row is not None and not differences(row, self.after)

    async def _delete_if_empty(self) -> bool:
        if self.before.arguments.get("x-queue-type") == "quorum":  # for which the broker has no `if-empty`
            if (await self._broker.depth(self.queue)).messages:
                return False
            await self._objects.remove("queue", self.queue)
            return True
        try:
            await self._objects.remove("queue", self.queue, **{"if-empty": "true"})
        except (Refused, NoSuchQueue):
            return False
        return True

    async def _redirect(self, exchange: str) -> None:
        """Dead letters of other queues that are sent to this one by its name."""
        for policy in await self._objects.policies():
            definition = policy.definition
            if definition.get(DEAD_LETTER_EXCHANGE) == "" and definition.get(DEAD_LETTER_KEY) == self.queue:
                await self._objects.set_in_policy(policy, DEAD_LETTER_EXCHANGE, exchange)
                await self._settle(policy)

    async def _settle(self, policy: PolicyDefinition) -> None:
        """Until the queues of a policy know of its change: a question they answer after it."""
        name = policy.exact_name
        for queue in [name] if name is not None else await self._objects.queue_names():
            if name is not None or policy.matches(queue):
                with contextlib.suppress(NoSuchQueue):
                    await self._broker.depth(queue)

    async def _pour(self, source: str, *, way_in: BindingDefinition | None = None) -> None:
        self._start_watching()
        await self._pouring.pour(source, way_in=way_in)

    def _start_watching(self) -> None:
        if self._watch is None and self.record.consumers and self.record.back_at is None:
            self._watch = asyncio.get_running_loop().create_task(self._wait_for_consumer(float("inf")))

    async def _wait_for_consumer(self, patience_s: float) -> None:
        with contextlib.suppress(BrokerError, Unreachable):
            await until(self._is_consumed, patience_s)

    async def _is_consumed(self) -> bool:
        if self.record.back_at is None and (await self._broker.depth(self.queue)).consumers:
            self.record = replace(self.record, back_at=time.time())
        return self.record.back_at is not None


def detoured(binding: BindingDefinition, exchange: str) -> BindingDefinition:
    """The same, leading to an exchange."""
    return replace(binding, destination=exchange, destination_type="exchange")


def window_for(row: Mapping[str, Any]) -> int:
    """Messages on their way at a time: no more than fit into some memory, by their mean size so far."""
    messages, size = row.get("messages"), row.get("message_bytes")
    if not isinstance(messages, int) or not isinstance(size, int) or not messages or not size:
        return _MOST_ON_THE_WAY // 2
    return max(1, min(_MOST_ON_THE_WAY, _BYTES_ON_THE_WAY * messages // size))


def differences(row: Mapping[str, Any], definition: QueueDefinition) -> tuple[Detail, ...]:
    """Between what the management API says of a queue, and a definition."""
    (there,) = definitions_from_json({"queues": [row]}).queues
    return queue_details(there, definition)


QUEUE_STEPS: tuple[Step[QueueMigration], ...] = (
    Step("prepare", QueueMigration.prepare),
    Step("bypass", QueueMigration.bypass),
    Step("divert", QueueMigration.divert),
    Step("set aside", QueueMigration.set_aside),
    Step("remake", QueueMigration.remake),
    Step("bring back", QueueMigration.bring_back),
    Step("catch up", QueueMigration.catch_up),
    Step("rebind", QueueMigration.rebind),
    Step("clean", QueueMigration.clean),
)
