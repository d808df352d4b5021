"""Claims the deliveries of one stage: each message runs once, and a suspect one runs alone."""

from __future__ import annotations

from functools import partial

from pipeline.errors import StateUnavailable
from pipeline.runtime.attempt import Attempt
from pipeline.runtime.availability import Availability
from pipeline.runtime.isolation import Isolation
from pipeline.runtime.leases import Leases
from pipeline.state.port import Claim
from pipeline.topology.stages import Ledger


class Claims:
    """For one stage.

    Args:
        options: how long finished messages are remembered, and whether the stage goes on without a state store.
    """

    def __init__(
        self, stage: str, options: Ledger, leases: Leases, isolation: Isolation, state_up: Availability
    ) -> None:
        self._stage = stage
        self._retention_s = options.retention.total_seconds()
        self._goes_on = options.when_away == "continue"
        self._leases = leases
        self._isolation = isolation
        self._state_up = state_up

    async def begin(self, attempt: Attempt) -> Claim:
        """Claim what has an id; FRESH: run it, alone by now if it is suspect. Raises StateUnavailable."""
        if attempt.message_id is None or (self._goes_on and not self._state_up.up):
            return Claim.FRESH
        try:
            claim = await self._leases.begin(self._stage, attempt.message_id, attempt.owner)
            if claim is Claim.SUSPECT:
                await self._isolation.withdraw()
                attempt.alone = True
                claim = await self._leases.begin(self._stage, attempt.message_id, attempt.owner, alone=True)
        except StateUnavailable:
            if not self._goes_on or await self._state_up.answers():
                raise
            return Claim.FRESH
        attempt.claimed = claim in (Claim.FRESH, Claim.CRASHED)
        return claim

    async def finish(self, attempt: Attempt) -> None:
        """The message is done with, for good. Raises StateUnavailable."""
        if attempt.claimed:
            finish = partial(self._leases.finish, attempt.owner, self._retention_s)
            await self._state_up.insist(finish, or_go_on=self._goes_on)
