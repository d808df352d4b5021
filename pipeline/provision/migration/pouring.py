"""Putting into a queue, beside its consumers, what waits for it in a holding queue."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

from pipeline.broker.rabbitmq.transfer import Transfer
from pipeline.errors import BrokerError, NoSuchQueue, PipelineError
from pipeline.provision.management import Refused
from pipeline.provision.migration.account import Account
from pipeline.provision.migration.mover import Homeward, until_empty
from pipeline.provision.migration.names import Names
from pipeline.provision.migration.workshop import Migration
from pipeline.topology.definitions import BindingDefinition, QueueDefinition

_WITNESSED_WINDOWS = 4
_LOOK_EVERY_S = 0.05
_NEARLY_DONE = 5  # of a window: what may be left when the entrance is turned back
_TURN_BACK_AFTER_S = 60.0  # if producers are so fast that it is never nearly done


class Pouring:
    """Of one migration."""

    def __init__(self, migration: Migration, names: Names, account: Account) -> None:
        self._migration = migration
        self._names = names
        self._account = account
        self._queue = migration.record.name
        self._objects, self._broker = migration.workshop.objects, migration.workshop.broker

    async def pour(self, source: str, *, way_in: BindingDefinition | None = None) -> None:
        """A holding queue into the queue; again and again where that is full.

        Args:
            way_in: made when nearly all is back: from then on new messages go straight to the queue.
        Raises: PipelineError.
        """
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._migration.workshop.patience_s
        while True:
            mover = await self._homeward()
            try:
                async with mover.moving(source, self._names.back) as transfer:
                    try:
                        await self._while_queue_is_there(self._emptied(transfer, source, way_in))
                    finally:
                        await self._migration.count(transfer.moved, transfer.dropped)
                        if transfer.moved:
                            deadline = loop.time() + self._migration.workshop.patience_s
                return
            except NoSuchQueue as gone:
                if await self._objects.queue(source) is None:
                    return
                raise self._stuck(gone) from gone
            except BrokerError as error:
                if loop.time() > deadline:
                    raise self._stuck(error) from error
                await asyncio.sleep(0.2)

    async def _emptied(self, transfer: Transfer, source: str, way_in: BindingDefinition | None) -> None:
        if way_in is not None:
            loop = asyncio.get_running_loop()
            turn_at = loop.time() + _TURN_BACK_AFTER_S
            few = max(1, self._migration.record.window // _NEARLY_DONE)
            while loop.time() < turn_at and (await self._broker.depth(source)).messages > few:
                transfer.check()
                await asyncio.sleep(0.01)
            await self._objects.bind([way_in])
        await until_empty(self._broker, transfer, source)

    async def _while_queue_is_there(self, work: Coroutine[Any, Any, None]) -> None:
        """Its witness would go on taking messages for a queue that somebody deleted. Raises NoSuchQueue."""
        working = asyncio.ensure_future(work)
        try:
            while not working.done():
                await self._broker.depth(self._queue)
                await asyncio.wait({working}, timeout=_LOOK_EVERY_S)
            await working
        finally:
            working.cancel()
            await asyncio.gather(working, return_exceptions=True)

    def _stuck(self, error: BrokerError) -> PipelineError:
        return PipelineError(
            f'The messages of "{self._queue}" can\'t be put back into it: {error}',
            fix="They wait in holding queues: make room in the queue if it is full, and run `pipeline apply` again",
        )

    async def _homeward(self) -> Homeward:
        """With the witness in place, where there can be one."""
        witness: str | None = self._names.witness if await self._may_be_witnessed() else None
        if witness is not None:
            arguments = {"x-max-length": self._migration.record.window * _WITNESSED_WINDOWS}
            try:
                await self._objects.make_queue(QueueDefinition(witness, durable=False, arguments=arguments))
                await self._objects.bind([BindingDefinition(self._names.back, witness, "queue", "")])
            except Refused:  # brokers may not allow queues that are not durable
                witness = None
        await self._account.settle()
        surplus = self._account.is_surplus
        return Homeward(self._broker, window=self._migration.record.window, witness=witness, surplus=surplus)

    async def _may_be_witnessed(self) -> bool:
        """Not where the queue may refuse what its witness takes."""
        settings = await self._objects.settings(self._queue)
        refuses = str(settings.get("overflow", "")).startswith("reject")
        return self._migration.record.witnessed and not (
            refuses and {"max-length", "max-length-bytes"} & settings.keys()
        )
