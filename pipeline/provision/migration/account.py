"""Which copies in the holding queue have no original that was acked: told by a ledger, run after run.

A *run* is one transfer out of the queue. While it is open its ledger says how many of its deliveries are acked. When it
has ended, however it did, that number goes into the record: what the run put into the holding queue beyond it is
surplus. Nothing is left out on a mere guess: without a note of this very run, all its copies count.
"""

from __future__ import annotations

import uuid

from pipeline.broker.rabbitmq.ledgered import Ledger
from pipeline.errors import NoSuchQueue, PipelineError
from pipeline.messages.message import Message
from pipeline.provision.management import Refused
from pipeline.provision.migration.names import Names
from pipeline.provision.migration.workshop import Migration, until
from pipeline.topology.definitions import QueueDefinition

_END_OF_RUN_S = 60.0


class Account:
    """Of one migration, whose record it keeps up to date."""

    def __init__(self, migration: Migration, names: Names) -> None:
        self._migration = migration
        self._names = names
        self._objects, self._broker = migration.workshop.objects, migration.workshop.broker

    async def open(self) -> Ledger | None:
        """Settle what ran before, and begin a new run. None where no ledger can be trusted. Raises PipelineError."""
        await self.settle()
        if not self._migration.record.witnessed:
            return None
        ledger = Ledger(self._names.notes, self._names.presence, uuid.uuid4().hex)
        try:
            last = {"x-max-length": 1}
            await self._objects.make_queue(QueueDefinition(ledger.notes, durable=False, arguments=last))
            await self._objects.make_queue(QueueDefinition(ledger.presence, durable=False))
        except Refused:  # brokers may not allow queues that are not durable
            return None
        # Before the run is on record: a run without a note is one whose ledger is lost.
        await self._broker.publish("", ledger.notes, Message(ledger.note(0).encode()))
        await self._migration.note(run=ledger.run)
        return ledger

    async def settle(self) -> None:
        """Put into the record how far the run before came. Raises PipelineError, BrokerError, Unreachable."""
        record = self._migration.record
        if record.run:
            acked = await self._acked(record.run)
            known = {} if acked is None else {record.run: acked}
            await self._migration.note(run="", acked={**record.acked, **known})

    def is_surplus(self, stamp: str) -> bool:
        """Whether the copy with this stamp has an original that was not acked."""
        run, _, number = stamp.rpartition("-")
        acked = self._migration.record.acked.get(run)
        return acked is not None and number.isdecimal() and int(number) > acked

    async def _acked(self, run: str) -> int | None:
        try:
            # The channel of a process that was killed may still have a transaction before it.
            if not await until(self._is_over, _END_OF_RUN_S):
                raise PipelineError(
                    f'Another process still moves messages of "{self._migration.record.name}"',
                    fix="Wait until its connection is gone, and run `pipeline apply` again",
                )
            note = await self._broker.get(self._names.notes)
        except NoSuchQueue:
            return None
        if note is None:
            return None
        word, _, number = note.message.body.decode().rpartition("-")
        note.reject(requeue=True)
        return int(number) if word == run and number.isdecimal() else None

    async def _is_over(self) -> bool:
        return not (await self._broker.depth(self._names.presence)).consumers
