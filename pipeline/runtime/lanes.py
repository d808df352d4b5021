"""The runners of a stage that keeps an order: deliveries of one key one after the other, of others side by side."""

from __future__ import annotations

import asyncio
import uuid
from collections import deque
from collections.abc import Callable
from dataclasses import replace
from typing import Protocol
from weakref import WeakKeyDictionary

from pipeline.broker.port import Delivery
from pipeline.errors import Permanent
from pipeline.messages.fields import field_of
from pipeline.runtime.attempt import Outcome, identity_of
from pipeline.runtime.contracts import Contracts
from pipeline.runtime.envelope import envelope_of
from pipeline.runtime.hold import Hold
from pipeline.runtime.order import Order, Turn


class Handles(Protocol):
    """Deals with a delivery: works on it, or passes it on to the partition of its key.

    What is to return is not settled: it returns together with what came after it.
    """

    async def handle(self, delivery: Delivery, hold: Hold, turn: Turn | None = None) -> Outcome: ...


class Keys:
    """Reads by which key a delivery is ordered.

    Args:
        field: of the messages' models.
    """

    def __init__(self, field: str, contracts: Contracts) -> None:
        self._field = field
        self._contracts = contracts

    def identify(self, delivery: Delivery, queue: str) -> str | None:
        """The key; None where the message has none or is not valid. A message without an id gets one."""
        message = delivery.message
        try:
            contract = self._contracts[envelope_of(delivery, queue).message]
            body = contract.decode(message.body, message.content_type, message.content_encoding)
        except Permanent:
            return None
        if message.message_id is None:
            delivery.message = replace(message, message_id=identity_of(message, body) or str(uuid.uuid4()))
        value = field_of(body, self._field)
        return None if value is None else str(value)


class _Lane:
    """What waits of one key, the first of it perhaps being worked on."""

    __slots__ = ("entries", "scheduled")

    def __init__(self) -> None:
        self.entries: deque[tuple[Hold, Delivery, Turn | None]] = deque()
        self.scheduled = False


class Lanes:
    """Takes the deliveries of all queues of a stage, in the order they come.

    Args:
        order: makes the order of a queue, anew for each time it is consumed; None where nothing waits for another
            attempt.
    """

    def __init__(self, handler: Handles, size: int, keys: Keys, order: Callable[[str], Order] | None = None) -> None:
        self._handler = handler
        self._size = size
        self._keys = keys
        self._order = order
        self._orders: WeakKeyDictionary[Hold, Order] = WeakKeyDictionary()
        self._lanes: dict[tuple[str, str], _Lane] = {}
        self._ready: asyncio.Queue[tuple[tuple[str, str] | None, _Lane]] = asyncio.Queue()

    def take(self, hold: Hold, delivery: Delivery) -> None:
        """Queue a delivery behind those of its key."""
        key = self._keys.identify(delivery, hold.queue)
        place = None if key is None else (delivery.queue, key)
        lane = _Lane() if place is None else self._lanes.setdefault(place, _Lane())
        lane.entries.append((hold, delivery, None if key is None else self._turn(hold, delivery, key)))
        if not lane.scheduled:
            lane.scheduled = True
            self._ready.put_nowait((place, lane))

    def leave(self, hold: Hold) -> None:
        """Leave what the hold has waiting here. What runs has been taken out of its lane."""
        for lane in self._lanes.values():
            for entry in [entry for entry in lane.entries if entry[0] is hold]:
                lane.entries.remove(entry)
                hold.leave(entry[1])

    async def run(self) -> None:
        """Work, for as long as this runs."""
        async with asyncio.TaskGroup() as group:
            for _ in range(self._size):
                group.create_task(self._runner())

    async def _runner(self) -> None:
        while True:
            place, lane = await self._ready.get()
            if lane.entries:
                await self._work(*lane.entries.popleft())
            if lane.entries:
                self._ready.put_nowait((place, lane))
            else:
                lane.scheduled = False
                if place is not None:
                    self._lanes.pop(place, None)

    async def _work(self, hold: Hold, delivery: Delivery, turn: Turn | None) -> None:
        if hold.returning or hold.void:
            hold.leave(delivery)
            return
        outcome = await self._handler.handle(delivery, hold, turn)
        order = self._orders.get(hold)
        if order is not None and delivery.message.message_id is not None:
            order.in_hand.discard(delivery.message.message_id)
        if outcome is Outcome.RETURNED and not hold.void:
            hold.return_all(delivery)
        else:
            hold.settled()

    def _turn(self, hold: Hold, delivery: Delivery, key: str) -> Turn | None:
        if self._order is None or delivery.message.message_id is None:
            return None
        order = self._orders.get(hold)
        if order is None:
            order = self._orders[hold] = self._order(delivery.queue)
        order.in_hand.add(delivery.message.message_id)
        return Turn(order, key, delivery.message.message_id)
