"""Workers under a supervisor: how they are started, and what each has to do for it."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Callable, Coroutine, Sequence
from contextlib import suppress
from typing import Any

import structlog

from pipeline.app.loading import Loaded
from pipeline.app.serve import Serving
from pipeline.supervisor.lifeline import Lifeline
from pipeline.supervisor.supervisor import Supervisor

_log = structlog.get_logger()


async def supervise(loaded: Loaded, workers: int, stages: Sequence[str], *, begins_within_s: float) -> int:
    """Run so many processes of `pipeline run`; the exit code."""
    topology = str(loaded.settings.pipeline_topology)
    chosen = [part for stage in stages for part in ("--stage", stage)]

    def command(descriptor: int) -> list[str]:
        # -P: what is imported is what is imported here, whichever folder this runs in.
        program = [sys.executable, "-P", "-m", "pipeline", "--topology", topology]
        return [*program, "run", *chosen, "--lifeline", str(descriptor)]

    # The pools for CPU work of all of them together have as many processes as one worker's would.
    processes = loaded.settings.pipeline_processes or max(1, (os.cpu_count() or 1) // workers)
    environment = {"PYTHONPATH": os.pathsep.join(sys.path), "PIPELINE_PROCESSES": str(processes)}
    return await Supervisor(workers, command, environment, begins_within_s=begins_within_s).run()


def supervised(descriptor: int) -> Callable[[Serving], Coroutine[Any, Any, None]]:
    """What a worker does beside its work: says when every queue is consumed; drains when the supervisor is gone."""
    lifeline = Lifeline(descriptor)

    async def beside(serving: Serving) -> None:
        loop = asyncio.get_running_loop()

        def drain() -> None:
            _log.error("the supervisor is gone: draining")
            serving.stop()

        def lost() -> None:
            with suppress(RuntimeError):  # the loop has ended
                loop.call_soon_threadsafe(drain)

        lifeline.watch(lost)
        assert serving.worker is not None
        await serving.worker.ready()
        lifeline.begun()

    return beside
