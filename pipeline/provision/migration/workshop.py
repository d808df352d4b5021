"""What every migration works with, and the loop that carries out its steps."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Generic, TypeVar

from pipeline.broker.rabbitmq import RabbitMQBroker
from pipeline.provision.migration.objects import Objects
from pipeline.provision.migration.record import Record, Records


@dataclass(frozen=True, slots=True)
class Workshop:
    """Shared by the migrations of one run.

    Attributes:
        patience_s: how long to wait for messages that consumers hold, and for a queue that is full.
        report: called with the record at the beginning of each step.
    """

    objects: Objects
    broker: RabbitMQBroker
    records: Records
    patience_s: float
    report: Callable[[Record], None]


class Migration:
    """One object being made anew. Its record is the state; a subclass has the steps."""

    def __init__(self, workshop: Workshop, record: Record) -> None:
        self.workshop = workshop
        self.record = record
        self.notes: list[str] = []

    async def note(self, **changes: Any) -> None:
        """Change the record, here and on the broker."""
        self.record = replace(self.record, **changes)
        await self.workshop.records.write(self.record)

    async def count(self, moved: int, dropped: int) -> None:
        """Add to the record what a transfer has done."""
        if moved or dropped:
            await self.note(moved=self.record.moved + moved, dropped=self.record.dropped + dropped)

    async def close(self) -> None:
        """End what runs beside the steps."""


_M = TypeVar("_M", bound=Migration)


@dataclass(frozen=True, slots=True)
class Step(Generic[_M]):
    """Something that can be done twice, and that is begun again if it was interrupted.

    Attributes:
        name: in the record; what it does is in `status.DOING`.
    """

    name: str
    run: Callable[[_M], Awaitable[None]]


async def carry_out(migration: _M, steps: Sequence[Step[_M]]) -> None:
    """From the step that the record says. Raises what they raise; the record then says where to go on."""
    record = migration.record
    begun = next(index for index, step in enumerate(steps) if step.name == record.step)
    try:
        for index, step in enumerate(steps[begun:], begun):
            if index > begun:
                await migration.note(step=step.name)
            migration.workshop.report(migration.record)
            await step.run(migration)
    finally:
        await migration.close()
    await migration.workshop.records.forget(migration.record)


async def until(condition: Callable[[], Awaitable[bool]], patience_s: float, *, every_s: float = 0.02) -> bool:
    """Whether it came true in time."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + patience_s
    while not await condition():
        if loop.time() >= deadline:
            return False
        await asyncio.sleep(every_s)
    return True
