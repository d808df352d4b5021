"""The runners of one stage: as many deliveries are worked on at once as there are runners."""

from __future__ import annotations

import asyncio

from pipeline.broker.port import Delivery
from pipeline.runtime.handling import Handler
from pipeline.runtime.hold import Hold


class Crew:
    """Takes the deliveries of all queues of a stage, in the order they come. No task is made per delivery."""

    def __init__(self, handler: Handler, size: int) -> None:
        self._handler = handler
        self._size = size
        self._waiting: asyncio.Queue[tuple[Hold, Delivery]] = asyncio.Queue()

    def take(self, hold: Hold, delivery: Delivery) -> None:
        """Queue a delivery for the next free runner."""
        self._waiting.put_nowait((hold, delivery))

    def leave(self, hold: Hold) -> None:
        """Leave what the hold has waiting here; others keep their order."""
        for _ in range(self._waiting.qsize()):
            entry = self._waiting.get_nowait()
            if entry[0] is hold:
                hold.leave(entry[1])
            else:
                self._waiting.put_nowait(entry)

    async def run(self) -> None:
        """Work, for as long as this runs."""
        async with asyncio.TaskGroup() as group:
            for _ in range(self._size):
                group.create_task(self._runner())

    async def _runner(self) -> None:
        while True:
            hold, delivery = await self._waiting.get()
            if hold.returning or hold.void:
                hold.leave(delivery)
            else:
                await self._handler.handle(delivery, hold)
                hold.settled()
