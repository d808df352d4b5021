"""Leases on messages while they are worked on: short, and renewed, so that a crash frees them soon."""

from __future__ import annotations

import asyncio
import itertools
import uuid

from pipeline.errors import StateUnavailable
from pipeline.state.port import Claim, Ledger


class Leases:
    """The leases one worker holds. Each delivery is an owner of its own, so a redelivery never shares one.

    Args:
        lease_s: how long a message of a crashed worker stays claimed; renewed every third of it.
    """

    def __init__(self, ledger: Ledger, *, lease_s: float = 30.0) -> None:
        self._ledger = ledger
        self._lease_s = lease_s
        self._worker = uuid.uuid4().hex[:12]
        self._counter = itertools.count(1)
        self._held: dict[str, tuple[str, str]] = {}

    def new_owner(self) -> str:
        return f"{self._worker}.{next(self._counter)}"

    async def begin(self, stage: str, message_id: str, owner: str, *, alone: bool = False) -> Claim:
        """Claim a message; FRESH, SUSPECT or CRASHED: it is ours until `finish` or `release`.

        A suspect one is begun once more, to run alone. Raises StateUnavailable.
        """
        claim = await self._ledger.begin(stage, message_id, owner, self._lease_s, alone=alone)
        if claim in (Claim.RUNNING, Claim.DONE):
            self._held.pop(owner, None)
        else:
            self._held[owner] = (stage, message_id)
        return claim

    async def finish(self, owner: str, retention_s: float) -> None:
        """The message is done with, for good. Raises StateUnavailable."""
        stage, message_id = self._held[owner]
        await self._ledger.finish(stage, message_id, owner, retention_s)
        self._held.pop(owner, None)

    async def release(self, owner: str) -> None:
        """Someone may run the message again. A store that does not answer lets the lease run out by itself."""
        held = self._held.pop(owner, None)
        if held is not None:
            try:
                await self._ledger.release(*held, owner)
            except StateUnavailable:
                return

    async def keep(self) -> None:
        """Renew what is held, for as long as this runs."""
        while True:
            await asyncio.sleep(self._lease_s / 3)
            for owner, (stage, message_id) in list(self._held.items()):
                if owner in self._held:
                    try:
                        await self._ledger.renew(stage, message_id, owner, self._lease_s)
                    except StateUnavailable:
                        break
