"""Inflicts one fault after the other, as scheduled, and notes when each began and ended."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable, Sequence

from pipeline.verify.account import Account
from pipeline.verify.faults import Fault
from pipeline.verify.recovery import Inflicted, recovery
from pipeline.verify.schedule import Planned, schedule
from pipeline.verify.site import Site

_FIRST_EFFECT_S = 60.0
_LOOK_S = 0.05


class Inflicting:
    """
    Attributes:
        planned, inflicted: what was done so far.
        all_sent: whether no more is to come but what is there.
    """

    def __init__(
        self, site: Site, account: Account, faults: Sequence[type[Fault]], tell: Callable[[str], None]
    ) -> None:
        self.planned: list[Planned] = []
        self.inflicted: list[Inflicted] = []
        self.all_sent = False
        self._site = site
        self._account = account
        self._faults = {fault.name: fault for fault in faults}
        self._tell = tell

    async def run(self, seed: int, until: float) -> None:
        """Begin no more at that time of the monotonic clock."""
        momentary = [name for name, fault in self._faults.items() if fault.momentary]
        for planned in schedule(seed, list(self._faults), momentary):
            await asyncio.sleep(planned.pause_s)
            if time.monotonic() >= until:
                return
            self.planned.append(planned)
            done = await asyncio.gather(
                self._inflict(planned.fault, planned.seed),
                *([self._inflict(planned.beside, f"{planned.seed} beside", planned.after_s)] if planned.beside else []),
            )
            ended = max(each.ended for each in done)  # of two, neither is over before the other
            for each in done:
                inflicted = Inflicted(each.fault, each.detail, each.began, ended)
                self.inflicted.append(inflicted)
            first = await self._first_effect(ended)
            after = "no effect" if first is None else f"first effect after {first:.1f} s"
            what = "; ".join(f"{each.fault}: {each.detail}" for each in done)
            self._tell(f"{what}; {after}, {self._account.open} parts open")

    async def _inflict(self, name: str, seed: str, after_s: float = 0.0) -> Inflicted:
        await asyncio.sleep(after_s)
        fault, began = self._faults[name](), time.monotonic()
        detail = await fault.inflict(self._site, random.Random(seed))
        return Inflicted(name, detail, began, began if fault.others_serve else time.monotonic())

    async def _first_effect(self, ended: float) -> float | None:
        """Seconds from then; None if there is none in a minute, or none to come."""
        account = self._account
        while time.monotonic() < ended + _FIRST_EFFECT_S and not (self.all_sent and account.open == 0):
            if account.last_effect is not None and account.last_effect > ended:
                return recovery(Inflicted("", "", ended, ended), account.settlements()).first
            await asyncio.sleep(_LOOK_S)
        return None
