"""Carries out migrations: those that were begun before, and those of a plan's replacements."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from pipeline.broker.rabbitmq import RabbitMQBroker
from pipeline.errors import BrokerError, PipelineError
from pipeline.provision.changes import Change, Kind
from pipeline.provision.definitions_json import definitions_from_json
from pipeline.provision.management import ManagementClient, Refused
from pipeline.provision.migration.detour import Detour
from pipeline.provision.migration.exchanges import EXCHANGE_STEPS, ExchangeMigration
from pipeline.provision.migration.names import lock_name, prefix_for
from pipeline.provision.migration.objects import Objects
from pipeline.provision.migration.queues import QUEUE_STEPS, QueueMigration
from pipeline.provision.migration.record import PATIENCE_S, Record, Records
from pipeline.provision.migration.workshop import Migration, Workshop, carry_out, until
from pipeline.topology.definitions import ExchangeDefinition, QueueDefinition

_LOCK_S = 10.0
_NAMES = re.compile(r"[a-zA-Z0-9\-_.:@#,/+ ]+")  # pamqp's
_GO_ON = "Nothing is lost: run `pipeline apply` again, and it goes on where it stopped"


@dataclass(frozen=True, slots=True)
class Migrated:
    """What became of one migration.

    Attributes:
        moved: how often a message was put from one queue into another: twice for each, out and back.
        dropped: copies that an interrupted run had left, and that were removed.
        away_s: seconds from the old one's deletion to the new queue's first consumer, or to the new exchange; None
            where the queue had no consumer, or none has come back yet.
        abandoned: why it was left as it was; empty if it was made anew.
        unconsumed: whether it had consumers before, and has none now.
    """

    kind: Kind
    name: str
    moved: int
    dropped: int
    away_s: float | None
    abandoned: str = ""
    unconsumed: bool = False
    notes: tuple[str, ...] = ()

    def __str__(self) -> str:
        """One sentence for people."""
        if self.abandoned:
            return f'The {self.kind.value} "{self.name}" was left as it was: {self.abandoned}'
        parts = [f'The {self.kind.value} "{self.name}" was made anew']
        if self.kind is Kind.QUEUE:
            parts.append(f"{self.moved:,} moves of messages, out and back")
        if self.dropped:
            parts.append(f"{self.dropped:,} copies removed")
        if self.away_s is not None:
            what = "without a consumer" if self.kind is Kind.QUEUE else "away"
            parts.append(f"{self.away_s:.2f} s {what}")
        elif self.unconsumed:
            parts.append("no consumer has come back to it yet")
        return "; ".join([*parts, *self.notes])


class Migrator:
    """`close` it when all is done: only then dead letters go their way again.

    One at a time migrates in a topology and a vhost: the others are told so.

    Args:
        broker: connected, to the client's vhost.
        patience_s: how long to wait for messages that consumers hold, before a queue is left as it is.
        report: called with the record at the beginning of each step.
    """

    def __init__(
        self,
        client: ManagementClient,
        broker: RabbitMQBroker,
        topology: str,
        *,
        patience_s: float = PATIENCE_S,
        report: Callable[[Record], None] = lambda record: None,
    ) -> None:
        self._topology = topology
        self._broker = broker
        self._records = Records(client, topology)
        objects = Objects(client)
        self._workshop = Workshop(objects, broker, self._records, patience_s, report)
        self._detour = Detour(topology, objects, broker, self._records)
        self._locked = False
        self._led = False

    async def finish(self) -> list[Migrated]:
        """Go on with what was begun, to its end. Raises PipelineError, Unreachable."""
        records = await self._records.read()
        done = [await self._run(record) for record in records]
        if records or await self._records.detour_open():
            await self.close()
        return done

    async def replace(self, change: Change) -> Migrated:
        """Make a queue or an exchange anew as the change says. Raises PipelineError, Unreachable."""
        after = change.definition
        assert isinstance(after, QueueDefinition | ExchangeDefinition)
        steps = QUEUE_STEPS if change.kind is Kind.QUEUE else EXCHANGE_STEPS
        before = await self._before(after)
        prefix = prefix_for(self._topology, after.name)
        return await self._run(Record(change.kind, after.name, before, after, prefix, steps[0].name))

    async def close(self) -> None:
        """Let dead letters go their way again, if all that was begun is done. Raises PipelineError, Unreachable."""
        if await self._records.detour_open() and not await self._records.read():
            await self._make_ready()
            await self._detour.close()

    async def _run(self, record: Record) -> Migrated:
        await self._make_ready()
        migration: QueueMigration | ExchangeMigration
        try:
            if record.kind is Kind.QUEUE:
                if not self._led:
                    await self._detour.open()
                    self._led = True
                migration = QueueMigration(self._workshop, record)
                await self._begin(record, QUEUE_STEPS[0].name)
                await carry_out(migration, QUEUE_STEPS)
            else:
                migration = ExchangeMigration(self._workshop, record)
                await self._begin(record, EXCHANGE_STEPS[0].name)
                await carry_out(migration, EXCHANGE_STEPS)
        except Refused:
            if migration.record.step in (QUEUE_STEPS[0].name, EXCHANGE_STEPS[0].name):
                await self._records.forget(record)  # nothing has been touched
            raise
        except BrokerError as error:
            raise PipelineError(
                f'The migration of the {record.kind.value} "{record.name}" was interrupted: {error}', fix=_GO_ON
            ) from error
        return _migrated(migration)

    async def _begin(self, record: Record, first: str) -> None:
        """A refusal in the first step leaves nothing begun."""
        if record.step == first:
            await self._records.write(record)

    async def _make_ready(self) -> None:
        """Be the only one. Raises PipelineError."""
        if self._locked:
            return
        name = lock_name(self._topology)
        if not await until(lambda: self._broker.lock(name), _LOCK_S, every_s=0.1):
            raise PipelineError(
                "Another `pipeline apply` or `pipeline migrate` is at work on this topology",
                fix="Wait until it is done; should it hang, end it: another one goes on where it stopped",
            )
        self._locked = True

    async def _before(self, after: QueueDefinition | ExchangeDefinition) -> QueueDefinition | ExchangeDefinition:
        """What is there. Raises PipelineError where it can't be made anew without loss."""
        objects = self._workshop.objects
        if isinstance(after, ExchangeDefinition):
            row = await objects.exchange(after.name)
            section = "exchanges"
        else:
            row = await objects.queue(after.name)
            section = "queues"
        if row is None:
            raise PipelineError(f'"{after.name}" is gone', fix="Plan again")
        (before,) = getattr(definitions_from_json({section: [row]}), section)
        if isinstance(before, QueueDefinition):
            types = {before.arguments.get("x-queue-type"), after.arguments.get("x-queue-type")}
            if "stream" in types:
                raise PipelineError(
                    f'The queue "{after.name}" is or becomes a stream, whose messages stay when they are read',
                    fix="Declare the stream under another name, and change the bindings",
                )
            if not _NAMES.fullmatch(after.name):
                raise PipelineError(
                    f'Messages of the queue "{after.name}" can\'t be moved: the AMQP client takes only ASCII letters, '
                    "digits, spaces and -_.:@#,/+ in the name of a queue",
                    fix="Declare the queue under another name, and bind that",
                )
            if before.exclusive:
                raise PipelineError(
                    f'The queue "{after.name}" belongs to one connection alone', fix="It goes away with that connection"
                )
        assert isinstance(before, QueueDefinition | ExchangeDefinition)
        return before


def migrated_to_json(migrated: Migrated) -> dict[str, Any]:
    """For `--output json`."""
    return {
        "kind": migrated.kind.value,
        "name": migrated.name,
        "moved": migrated.moved,
        "copies_removed": migrated.dropped,
        "away_s": migrated.away_s,
        "abandoned": migrated.abandoned or None,
        "notes": list(migrated.notes),
    }


def _migrated(migration: Migration) -> Migrated:
    record = migration.record
    away = None if record.deleted_at is None or record.back_at is None else record.back_at - record.deleted_at
    return Migrated(
        record.kind,
        record.name,
        record.moved,
        record.dropped,
        away,
        record.abandoned,
        bool(record.consumers) and record.kind is Kind.QUEUE and record.back_at is None,
        tuple(migration.notes),
    )
