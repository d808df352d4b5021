"""Whose turn it is: messages with one key run in the order they came, also where one of them has to be tried again.

While a message waits in the ladder, later ones of its key are put behind it, into the ladder too. In what order they
come back does not matter: their turns are kept in the state store, and one that comes too soon waits again.
"""

from __future__ import annotations

import asyncio

from pipeline.broker.port import Broker
from pipeline.errors import NoSuchQueue, Unreachable
from pipeline.state.port import Turns

# How long a message may be missing that should be back, and was looked for: first, with nothing left in the queue, then
# in any case. A tier whose node was lost gives back what it has when another node leads it.
_MISSING_S = 60.0
_GONE_S = 3600.0


class Order:
    """The turns of one queue for as long as this worker is the one that consumes it.

    Attributes:
        in_hand: ids of messages that are here, to be worked on or to be put back.
    """

    def __init__(self, queue: str, broker: Broker, turns: Turns) -> None:
        self._queue = queue
        self._broker = broker
        self._turns = turns
        self._back: dict[str, dict[str, float]] | None = None
        self._missed: dict[str, float] = {}
        self.in_hand: set[str] = set()

    async def ahead(self, key: str, message_id: str) -> float | None:
        """Seconds until the message is back that comes before this one; None if it is this one's turn.

        Raises: StateUnavailable.
        """
        turns = await self._all()
        while waiting := turns.get(key):
            first, back = next(iter(waiting.items()))
            if first == message_id:
                self._missed.pop(key, None)
                return None
            if first in self.in_hand or not await self._is_lost(key, back):
                return max(0.0, back - _now())
            await self.end(key, first)
        return None

    async def wait(self, key: str, message_id: str, delay_s: float) -> None:
        """The message will be put into the ladder: until it ends, later ones wait. Raises StateUnavailable."""
        turns = await self._all()
        await self._turns.wait(self._queue, key, message_id, delay_s)
        turns.setdefault(key, {})[message_id] = _now() + delay_s

    async def end(self, key: str, message_id: str) -> None:
        """The message is done with: it is the next one's turn. Raises StateUnavailable."""
        turns = await self._all()
        if message_id in turns.get(key, ()):
            await self._turns.end(self._queue, key, message_id)
            turns[key].pop(message_id, None)
            if not turns[key]:
                del turns[key]
                self._missed.pop(key, None)

    async def _all(self) -> dict[str, dict[str, float]]:
        if self._back is None:
            now = _now()
            found = await self._turns.waiting(self._queue)
            if self._back is None:
                self._back = {key: {each: now + left for each, left in turns.items()} for key, turns in found.items()}
        return self._back

    async def _is_lost(self, key: str, back: float) -> bool:
        """Whether the first of a key will not come that should be back by then.

        It expired in the queue, was purged, or taken by hand. Those behind it have been missed for as long as it: many
        that are lost hold up their key no longer than one.
        """
        now = _now()
        if now < back:
            return False
        late_s = now - max(back, self._missed.setdefault(key, now))
        if late_s < _MISSING_S:
            return False
        try:
            return late_s > _GONE_S or (await self._broker.depth(self._queue)).messages == 0
        except (NoSuchQueue, Unreachable):
            return False


class Turn:
    """One message's place in an order."""

    __slots__ = ("_key", "_message_id", "_order")

    def __init__(self, order: Order, key: str, message_id: str) -> None:
        self._order = order
        self._key = key
        self._message_id = message_id

    async def away(self) -> float | None:
        """Seconds until the one before it is back, or None: go on. Raises StateUnavailable."""
        return await self._order.ahead(self._key, self._message_id)

    async def wait(self, delay_s: float) -> None:
        """It will be put into the ladder. Raises StateUnavailable."""
        await self._order.wait(self._key, self._message_id, delay_s)

    async def end(self) -> None:
        """It is done with. Raises StateUnavailable."""
        await self._order.end(self._key, self._message_id)


def _now() -> float:
    return asyncio.get_running_loop().time()
