"""`pipeline apply` killed while it makes a queue anew under load, and run again until it is through."""

from __future__ import annotations

import asyncio
import random
import subprocess
import time

from pipeline.provision.migration.status import DOING
from pipeline.verify.faults import Fault
from pipeline.verify.site import Site

_QUEUE = "  verify.work:\n"
_VARIANTS = ("", "    max_priority: 5\n", "    max_priority: 10\n", "    type: quorum\n")
_BEGUN_S = 60.0
_LOOK_S = 0.02


class KillApply(Fault):
    """KILL to `pipeline apply`, once to three times, at steps and moments of the migration left to chance."""

    name = "apply-kill"

    async def inflict(self, site: Site, chance: random.Random) -> str:
        change = _change(site, chance)
        steps = []
        for _ in range(chance.randint(1, 3)):
            step, after_s = chance.randint(1, len(DOING["queue"])), chance.uniform(0.0, 0.3)
            if await _killed_in(site, step, after_s):
                steps.append(str(step))
        await site.apply()
        return f"{change}, killed in step {', '.join(steps) or 'none'}"


async def _killed_in(site: Site, step: int, after_s: float) -> bool:
    """Whether it was killed some time after it said that it is at this step; else it was through before."""
    process = site.begin_apply()
    deadline = time.monotonic() + _BEGUN_S
    while process.poll() is None and time.monotonic() < deadline:
        if f"step {step} of" in site.told():
            break
        await asyncio.sleep(_LOOK_S)
    try:
        await asyncio.to_thread(process.wait, after_s)
    except subprocess.TimeoutExpired:
        return True
    finally:
        site.end_apply()
    return False


def _change(site: Site, chance: random.Random) -> str:
    """Write another variant of the queue into the topology; what it is."""
    text = site.topology.read_text()
    now = next(each for each in reversed(_VARIANTS) if _QUEUE + each in text)
    new = chance.choice([each for each in _VARIANTS if each != now])
    fresh = site.topology.with_suffix(".new")
    fresh.write_text(text.replace(_QUEUE + now, _QUEUE + new))
    fresh.replace(site.topology)
    return f"{now.strip() or 'as at first'} → {new.strip() or 'as at first'}"
