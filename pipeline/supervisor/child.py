"""One process: started with a lifeline, seen to begin, to end, and made to end."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress

WORKER = "PIPELINE_WORKER"


class Child:
    """A process that runs, or has run.

    Attributes:
        begun: is set when it says so.
        asked: whether it was told to end.
    """

    def __init__(self, process: asyncio.subprocess.Process, reader: asyncio.StreamReader, writer: asyncio.StreamWriter):
        self.begun = asyncio.Event()
        self.asked = False
        self._process = process
        self._writer = writer
        self._started = time.monotonic()
        self._listening = asyncio.ensure_future(self._listen(reader))

    @classmethod
    async def start(cls, number: int, command: Callable[[int], Sequence[str]], environment: Mapping[str, str]) -> Child:
        """Start it. Raises OSError.

        Args:
            number: it finds this in its environment.
            command: of the descriptor of its end of the lifeline.
        """
        ours, theirs = socket.socketpair()
        with theirs:
            try:
                process = await asyncio.create_subprocess_exec(
                    *command(theirs.fileno()),
                    stdin=asyncio.subprocess.DEVNULL,
                    pass_fds=(theirs.fileno(),),
                    env={**os.environ, **environment, WORKER: str(number)},
                    start_new_session=True,  # what is typed at the terminal goes to the supervisor alone
                )
            except BaseException:
                ours.close()
                raise
        return cls(process, *await asyncio.open_unix_connection(sock=ours))

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def ran_s(self) -> float:
        """Seconds since it was started."""
        return time.monotonic() - self._started

    @property
    def running(self) -> bool:
        return self._process.returncode is None

    async def ended(self) -> int:
        """Its exit code, once it has ended; below 0: the signal that ended it."""
        status = await self._process.wait()
        self._listening.cancel()
        self._writer.close()
        return status

    def signal(self, number: signal.Signals) -> None:
        """Ask it to end, or make it."""
        self.asked = True
        if self.running:
            with suppress(ProcessLookupError):
                self._process.send_signal(number)

    async def end(self, within_s: float) -> bool:
        """TERM, then KILL what is still there after so many seconds; whether that was not needed."""
        self.signal(signal.SIGTERM)
        try:
            async with asyncio.timeout(within_s):
                await self.ended()
        except TimeoutError:
            self.signal(signal.SIGKILL)
            await self.ended()
            return False
        return True

    async def _listen(self, reader: asyncio.StreamReader) -> None:
        with suppress(OSError):
            if await reader.read(1):
                self.begun.set()
