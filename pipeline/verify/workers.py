"""The workers that are killed: processes of `pipeline run`, as anybody runs them."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pipeline
from pipeline.servers.process import launch

_SETTINGS = ("RABBITMQ_", "REDIS_", "API_", "PIPELINE_", "LIBRARY_")
_DRAIN_S = 45.0
_LOOK_S = 0.2


def environment(**settings: str) -> dict[str, str]:
    """This process's, with no other settings of the pipeline than those given; the same code is found in it."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(_SETTINGS)}
    path = os.pathsep.join([str(Path(pipeline.__file__).parents[1]), *filter(None, [inherited.get("PYTHONPATH")])])
    return {**inherited, "PYTHONPATH": path, **settings}


class Workers:
    """As many as `count`; whoever ends is replaced.

    Attributes:
        command: what runs `pipeline`.
        complaints: what workers did that nobody asked of them: they ended by themselves, did not drain, or had
            errors that nobody has thought of.
    """

    def __init__(self, count: int, environment: Mapping[str, str], folder: Path) -> None:
        self.command = [sys.executable, "-m", "pipeline"]
        self.complaints: list[str] = []
        self._count = count
        self._environment = dict(environment)
        self._folder = folder
        self._log = folder / "workers.log"
        self._running: list[subprocess.Popen[bytes]] = []

    def start(self) -> None:
        """Start those that are missing."""
        while len(self._running) < self._count:
            command = [*self.command, "run"]
            self._running.append(
                launch(command, log=self._log, environment=self._environment, inherit=False, folder=self._folder)
            )

    def kill(self, count: int) -> list[int]:
        """KILL some and start others at once; the process ids of those."""
        killed = [self._running.pop(0) for _ in range(min(count, len(self._running)))]
        for process in killed:
            process.kill()
            process.wait()
        self.start()
        return [process.pid for process in killed]

    async def drain(self, count: int) -> list[int]:
        """TERM some and start others at once; returns when those have ended."""
        drained = [self._running.pop(0) for _ in range(min(count, len(self._running)))]
        for process in drained:
            process.send_signal(signal.SIGTERM)
        self.start()
        await asyncio.gather(*(self._ended(process) for process in drained))
        return [process.pid for process in drained]

    async def watch(self) -> None:
        """Replace those that end by themselves, for as long as this runs."""
        while True:
            await asyncio.sleep(_LOOK_S)
            for process in list(self._running):
                if process.poll() is not None:
                    self.complaints.append(f"a worker ended by itself with exit code {process.returncode}")
                    self._running.remove(process)
            self.start()

    async def stop(self) -> None:
        """TERM all, for good, and look through what they have all written."""
        self._count = 0
        await self.drain(len(self._running))
        with self._log.open(errors="replace") as lines:
            tracebacks = sum("Traceback (most recent call last)" in line for line in lines)
        if tracebacks:
            self.complaints.append(f"workers have written {tracebacks} tracebacks")

    def close(self) -> None:
        """KILL what is left."""
        self._count = 0
        self.kill(len(self._running))

    async def _ended(self, process: subprocess.Popen[bytes]) -> None:
        try:
            await asyncio.to_thread(process.wait, _DRAIN_S)
        except subprocess.TimeoutExpired:
            self.complaints.append(f"a worker did not end within {_DRAIN_S:.0f} s of SIGTERM")
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()
        if process.returncode > 0:
            self.complaints.append(f"a worker ended with exit code {process.returncode} after SIGTERM")
