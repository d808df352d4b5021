"""Which worker has which partitions: each an equal part, as long as all of them answer.

The broker gives a queue to one consumer at a time, and to the next in line when that one goes. Every worker stands in
every line; one that is in front of a queue which is another's goes to its end, and so the others have their turn.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Sequence
from contextlib import suppress

from pipeline.errors import StateUnavailable
from pipeline.runtime.subscription import Subscription
from pipeline.state.port import StateStore

_EVERY_S = 3.0
_HEARD_FROM_S = 10.0
_LAST_WORD_S = 2.0


class Shares:
    """For one stage of one worker.

    Args:
        subscriptions: of the queues that are shared, in the same order in every worker.
    """

    def __init__(self, stage: str, state: StateStore, subscriptions: Sequence[Subscription]) -> None:
        self._group = f"stage.{stage}"
        self._member = uuid.uuid4().hex
        self._state = state
        self._subscriptions = tuple(subscriptions)

    async def keep(self) -> None:
        """Take part, for as long as this runs."""
        for subscription in self._subscriptions:
            await subscription.consuming.wait()
        known: list[str] = []
        try:
            while True:
                with suppress(StateUnavailable):
                    await self._state.announce(self._group, self._member, 1, _HEARD_FROM_S)
                    members = await self._state.members(self._group)
                    if members != known:
                        known = members
                        self._yield(members)
                await asyncio.sleep(_EVERY_S)
        finally:
            with suppress(StateUnavailable, TimeoutError):
                async with asyncio.timeout(_LAST_WORD_S):
                    await self._state.announce(self._group, self._member, 0, _HEARD_FROM_S)

    def _yield(self, members: Sequence[str]) -> None:
        for number, subscription in enumerate(self._subscriptions if members else ()):
            if members[number % len(members)] != self._member:
                subscription.yield_()
