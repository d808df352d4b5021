"""Lets a delivery that may have ended a worker run alone, so that no other is counted as lost with it."""

from __future__ import annotations

import asyncio


class Isolation:
    """For one worker process: deliveries run beside each other, or one alone. Who asks to be alone goes first."""

    def __init__(self) -> None:
        self._beside = 0
        self._alone = False
        self._asking = 0
        self._changed: asyncio.Event | None = None

    async def enter(self) -> None:
        """Run beside others, as soon as none is or asks to be alone."""
        while self._alone or self._asking:
            await self._change()
        self._beside += 1

    async def withdraw(self) -> None:
        """From beside others to alone, when the others have left. Cancelled, it is beside others as before."""
        self._beside -= 1
        self._asking += 1
        self._wake()
        try:
            while self._alone or self._beside:
                await self._change()
            self._alone = True
        except asyncio.CancelledError:
            self._beside += 1
            raise
        finally:
            self._asking -= 1
            self._wake()

    def leave(self, *, alone: bool) -> None:
        """End the run, which was alone or beside others."""
        if alone:
            self._alone = False
        else:
            self._beside -= 1
        self._wake()

    async def _change(self) -> None:
        if self._changed is None:
            self._changed = asyncio.Event()
        await self._changed.wait()

    def _wake(self) -> None:
        if self._changed is not None:
            self._changed.set()
            self._changed = None
