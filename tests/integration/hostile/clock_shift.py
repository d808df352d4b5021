"""A worker in a process of its own, whose wall clock goes where a file says, and leaps when the file changes."""

from __future__ import annotations

import asyncio
import json
import os
import sys
import textwrap
from pathlib import Path

from tests.shop import Shop

_PROGRAM = """
    import datetime, sys, time

    def offset():
        return float(open({clock!r}).read() or 0)

    true_time, true_time_ns, true_datetime = time.time, time.time_ns, datetime.datetime

    class Kind(type):
        def __instancecheck__(cls, instance):
            return isinstance(instance, true_datetime)

    class Shifted(true_datetime, metaclass=Kind):
        @classmethod
        def now(cls, tz=None):
            return true_datetime.fromtimestamp(time.time(), tz)

    time.time = lambda: true_time() + offset()
    time.time_ns = lambda: true_time_ns() + int(offset() * 1e9)
    datetime.datetime = Shifted

    import asyncio, json
    sys.path[:0] = [{folder!r}, {project!r}]
    from pathlib import Path
    from pipeline.broker.rabbitmq import RabbitMQBroker
    from pipeline.runtime.audit import Audit
    from pipeline.runtime.compose import import_reference
    from pipeline.runtime.assembly import WorkerOptions
    from pipeline.runtime.worker import Worker
    from pipeline.state.store import RedisStore
    from pipeline.topology.model import Topology

    async def main():
        topology = Topology.model_validate(json.loads(Path({folder!r}, "topology.json").read_text()))
        state = RedisStore({redis!r}, {prefix!r})
        broker, options = RabbitMQBroker({amqp!r}), WorkerOptions(lease_s=1.0, hold_s=0.2)
        await Worker(topology, broker, state, import_reference, options, audit=Audit(Path({audit!r}))).run()

    asyncio.run(main())
"""


class ShiftedWorker:
    """Its clock is `offset` seconds ahead of the others'. Use as an async context manager."""

    def __init__(self, shop: Shop, name: str, offset: float) -> None:
        self._shop = shop
        self._clock = shop.folder / f"clock-{name}"
        self._audit = shop.folder / f"audit-{name}"
        self.leap_to(offset)
        self._process: asyncio.subprocess.Process | None = None

    def leap_to(self, offset: float) -> None:
        """Set the clock; from the next look at it on."""
        new = Path(f"{self._clock}.new")
        new.write_text(json.dumps(offset))
        new.rename(self._clock)

    def outcomes(self, outcome: str) -> int:
        """How many of its deliveries ended so, by its audit log."""
        lines = self._audit.read_text().splitlines() if self._audit.exists() else []
        return sum(json.loads(line)["outcome"] == outcome for line in lines)

    @property
    def ended(self) -> bool:
        return self._process is None or self._process.returncode is not None

    async def __aenter__(self) -> ShiftedWorker:
        program = _PROGRAM.format(
            clock=str(self._clock),
            audit=str(self._audit),
            folder=str(self._shop.folder),
            project=os.getcwd(),
            redis=self._shop.redis_url,
            prefix=self._shop.prefix,
            amqp=self._shop.amqp_url,
        )
        self._process = await asyncio.create_subprocess_exec(sys.executable, "-c", textwrap.dedent(program))
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._process is not None and self._process.returncode is None:
            self._process.kill()
        if self._process is not None:
            await self._process.wait()
