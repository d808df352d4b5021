"""Dead letters on RabbitMQ, which is all that is needed for them."""

from __future__ import annotations

import getpass
import os
import socket
from collections.abc import Callable, Sequence
from typing import Any

from pipeline.app.models import acceptance_of
from pipeline.broker.port import Broker
from pipeline.dlq.edit import edit, find_one
from pipeline.dlq.inspect import find, group, largest_first
from pipeline.dlq.letter import DeadLetter
from pipeline.dlq.letters_json import (
    depths_to_json,
    edited_to_json,
    exported,
    groups_to_json,
    letters_to_json,
    purged_to_json,
    replayed_to_json,
    trail_to_json,
)
from pipeline.dlq.purge import purge
from pipeline.dlq.queues import DeadLetterQueue, depths
from pipeline.dlq.replay import replay
from pipeline.dlq.selection import Selection
from pipeline.dlq.trail import Actor, Trail, read_trail
from pipeline.errors import PipelineError
from pipeline.messages.message import Message
from pipeline.topology.model import Topology


class LettersOnBroker:
    """See `Letters`. What is done is recorded as the doing of the operating system's user."""

    def __init__(self, broker: Broker, topology: Topology) -> None:
        self._broker = broker
        self._topology = topology
        self._trail = Trail(broker, topology, _who())

    async def depths(self) -> dict[str, Any]:
        return depths_to_json(await depths(self._broker, self._topology))

    async def show(self, queue: DeadLetterQueue, selection: Selection, *, bodies: bool) -> dict[str, Any]:
        return letters_to_json(queue, await find(self._broker, queue, selection), bodies=bodies)

    async def groups(self, queue: DeadLetterQueue | None, selection: Selection) -> dict[str, Any]:
        queues = (
            [queue] if queue else [each.queue for each in await depths(self._broker, self._topology) if each.messages]
        )
        found = [each for one in queues for each in await group(self._broker, one, selection)]
        return groups_to_json(largest_first(found))

    async def replay(
        self,
        queue: DeadLetterQueue,
        selection: Selection,
        *,
        rate_per_s: float | None,
        dry_run: bool,
        validate: bool,
    ) -> dict[str, Any]:
        done = await replay(
            self._broker,
            queue,
            selection,
            validate=acceptance_of(self._topology) if validate else None,
            trail=self._trail,
            rate_per_s=rate_per_s,
            dry_run=dry_run,
        )
        return replayed_to_json(done)

    async def purge(
        self,
        queue: DeadLetterQueue,
        selection: Selection,
        *,
        dry_run: bool,
        save: Callable[[Sequence[dict[str, Any]]], None] | None,
    ) -> dict[str, Any]:
        def keep(batch: Sequence[tuple[DeadLetter, Message]]) -> None:
            if save is not None:
                save([exported(*each) for each in batch])

        done = await purge(self._broker, queue, selection, trail=self._trail, save=keep, dry_run=dry_run)
        return purged_to_json(done)

    async def body(self, queue: DeadLetterQueue, message_id: str) -> bytes:
        _, message = await find_one(self._broker, queue, message_id)
        return message.body

    async def edit(
        self, queue: DeadLetterQueue, message_id: str, body: bytes, *, expected: str, dry_run: bool
    ) -> dict[str, Any]:
        done = await edit(
            self._broker,
            queue,
            message_id,
            body,
            expected=expected,
            validate=acceptance_of(self._topology),
            trail=self._trail,
            dry_run=dry_run,
        )
        if done.refusal is not None:
            raise PipelineError(done.refusal.reason, where=queue.name, fix="Nothing was changed")
        return edited_to_json(done)

    async def trail(self, limit: int) -> dict[str, Any]:
        return trail_to_json(await read_trail(self._broker, self._topology, limit))


def _who() -> Actor:
    try:
        name = getpass.getuser()
    except (OSError, KeyError):  # a user without a name, as in containers
        name = str(os.getuid())
    return Actor(name=name, address=socket.gethostname(), via="cli")
