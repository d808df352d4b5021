"""Keeps one queue of a stage consumed, through outages, and hands its deliveries to the stage's runners."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Protocol
from weakref import WeakSet

import structlog

from pipeline.broker.port import Broker, Consumer, Delivery
from pipeline.errors import BrokerError, NoSuchQueue, PipelineError, Unreachable
from pipeline.runtime.availability import Availability
from pipeline.runtime.backoff import backoff_delay
from pipeline.runtime.hold import Hold

_log = structlog.get_logger()


Take = Callable[[Hold, Delivery], None]


class Gate(Protocol):
    """Something without which nothing is consumed."""

    @property
    def trying(self) -> bool:
        """Whether it is not known yet that it is back for good."""
        ...

    def on_lost(self, listener: Callable[[], None]) -> None: ...
    def forget(self, listener: Callable[[], None]) -> None: ...
    async def wait(self) -> None: ...


class Subscription:
    """Consumes a queue whenever broker and state store are there.

    Args:
        queue, name: its key in the topology, and what the broker calls it.
        take: called with each delivery.
        leave: called to have all of a hold's deliveries left that have not been started.
        broker_up, gates: what has to be there for the queue to be consumed; while one of the gates is half open, one
            delivery is taken at a time.
        in_order: before somebody else consumes the queue, what runs here has to end.
        connection: name of a connection of its own.
    """

    def __init__(
        self,
        queue: str,
        name: str,
        *,
        broker: Broker,
        prefetch: int,
        take: Take,
        leave: Callable[[Hold], None],
        broker_up: Availability,
        gates: Sequence[Gate],
        in_order: bool = False,
        connection: str | None = None,
    ) -> None:
        self._queue = queue
        self._name = name
        self._broker = broker
        self._prefetch = prefetch
        self._take = take
        self._leave = leave
        self._broker_up = broker_up
        self._gates = tuple(gates)
        self._in_order = in_order
        self._connection = connection
        self._disturbed = asyncio.Event()
        self._holds: WeakSet[Hold] = WeakSet()
        self._open: dict[Consumer, Hold] = {}
        self.consuming = asyncio.Event()
        broker_up.on_lost(self._lose_all)
        for gate in self._gates:
            gate.on_lost(self._disturbed.set)

    @property
    def held(self) -> int:
        """Deliveries that are not settled yet."""
        return sum(hold.count for hold in self._open.values())

    async def keep(self, *, patient: bool = False) -> None:
        """Consume, for as long as this runs.

        Args:
            patient: try again where the queue can't be consumed at first.
        Raises: PipelineError if the queue can't be consumed at first.
        """
        async with asyncio.TaskGroup() as retiring:
            while True:
                consumer, hold = await self._consume(patient)
                self.consuming.set()
                await self._disturbed.wait()
                await self._end(consumer, hold)
                # Work that goes on in spite of an outage of the state store can still be settled.
                retiring.create_task(self._retire(consumer, hold))

    async def drain(self) -> None:
        """Consume no more, return what has not been started, and wait for the rest. After `keep` has been ended."""
        for hold in self._holds:
            hold.returning = True
        await asyncio.gather(*(self._end(consumer, hold) for consumer, hold in list(self._open.items())))
        await asyncio.gather(*(hold.empty() for hold in self._open.values()))

    def yield_(self) -> None:
        """Consume anew: of several that wait for a single active consumer's place, the one that came first gets it."""
        self._disturbed.set()

    async def close(self) -> None:
        """Return to the queue what is not settled."""
        self._broker_up.forget(self._lose_all)
        for gate in self._gates:
            gate.forget(self._disturbed.set)
        for consumer in list(self._open):
            await consumer.close()
        self._open.clear()

    async def _end(self, consumer: Consumer, hold: Hold) -> None:
        """Consume no more, and return what has not been started."""
        hold.returning = True
        if self._in_order and not hold.void:
            # Nobody else is given anything before what runs here has ended and what waits is back in its place.
            self._leave(hold)
            await hold.idle()
            await consumer.close()
        else:
            await consumer.cancel()
        self._leave(hold)
        hold.give_back()

    async def _consume(self, patient: bool) -> tuple[Consumer, Hold]:
        attempt, refused = 0, ""
        while True:
            await self._broker_up.wait()
            for gate in self._gates:
                await gate.wait()
            self._disturbed.clear()
            hold = Hold(self._queue, self._disturbed.set)
            self._holds.add(hold)
            try:
                consumer = await self._subscribe(hold)
            except BrokerError as error:
                if not (patient or self.consuming.is_set()):
                    raise self._refused(error) from error
                attempt += 1
                if str(error) != refused:
                    refused = str(error)
                    _log.error("a queue cannot be consumed; trying until it can", queue=self._name, reason=refused)
                await asyncio.sleep(backoff_delay(attempt))
            except Unreachable:
                attempt += 1
                await asyncio.sleep(backoff_delay(attempt))
            else:
                if refused:
                    _log.warning("a queue is consumed again", queue=self._name, tries=attempt + 1)
                self._open[consumer] = hold
                return consumer, hold

    def _refused(self, error: BrokerError) -> PipelineError:
        if isinstance(error, NoSuchQueue):
            return PipelineError(f"Queue {self._name!r} is not declared on the broker", fix="Run `pipeline apply`")
        return PipelineError(f"Queue {self._name!r} cannot be consumed: {error}")

    async def _subscribe(self, hold: Hold) -> Consumer:
        def on_delivery(delivery: Delivery) -> None:
            hold.take()
            self._take(hold, delivery)

        def on_lost() -> None:
            hold.void = True
            self._disturbed.set()

        prefetch = 1 if any(gate.trying for gate in self._gates) else self._prefetch
        return await self._broker.consume(
            self._name, on_delivery, prefetch=prefetch, on_lost=on_lost, connection=self._connection
        )

    def _lose_all(self) -> None:
        for hold in self._holds:
            hold.void = True
        self._disturbed.set()

    async def _retire(self, consumer: Consumer, hold: Hold) -> None:
        await hold.empty()
        await consumer.close()
        self._open.pop(consumer, None)
