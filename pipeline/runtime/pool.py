"""Processes for CPU work: one task each at a time, on a socket each, so that ending one disturbs no other.

There is no lock that a killed process could hold, no thread, and no polling: the loop sees a process end when
its socket closes.
"""

from __future__ import annotations

import asyncio
import os
import pickle
import socket
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import ExitStack, asynccontextmanager, suppress

import structlog

from pipeline.errors import PipelineError
from pipeline.runtime.backoff import backoff_delay
from pipeline.runtime.child import ANSWER, FRACTION, HEADER, PROGRESS, READY, TASK, Configuration
from pipeline.runtime.failure import WorkerCrashed

_START_LIMIT_S = 60.0
_ONE_THREAD = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS", "BLIS_NUM_THREADS")
# `-c` rather than `-m`: the module is imported under its own name, as unpickling needs it.
_PROGRAM = "import sys; from pipeline.runtime.child import main; main(int(sys.argv[1]))"

Show = Callable[[float, str], None]

_log = structlog.get_logger()


class ProcessPool:
    """A fixed number of processes, started ahead, replaced when they end."""

    def __init__(self, processes: int, configuration: Configuration) -> None:
        self._configuration = pickle.dumps(configuration)
        self._children = [Child(self._configuration) for _ in range(processes)]
        self._idle: asyncio.LifoQueue[Child] = asyncio.LifoQueue()
        self._replacing: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Start all and wait until they have imported their stages. Raises PipelineError."""
        results = await asyncio.gather(*(child.start() for child in self._children), return_exceptions=True)
        for result in results:
            if result is not None:
                await self.close()
                raise PipelineError(
                    "A pool process does not start", fix="What it says itself is above this line"
                ) from result
        for child in self._children:
            self._idle.put_nowait(child)

    @asynccontextmanager
    async def child(self) -> AsyncIterator[Child]:
        """A free process, once there is one. Leaving by an exception ends that process, and no other."""
        child = await self._idle.get()
        while child.gone:
            self._replace(child)
            child = await self._idle.get()
        try:
            yield child
        except BaseException:
            child.kill()
            self._replace(child)
            raise
        self._idle.put_nowait(child)

    async def close(self) -> None:
        """End all processes, whatever they are doing. Idempotent."""
        for task in self._replacing:
            task.cancel()
        await asyncio.gather(*self._replacing, return_exceptions=True)
        await asyncio.gather(*(child.close() for child in self._children))

    def _replace(self, child: Child) -> None:
        task = asyncio.get_running_loop().create_task(self._restart(child))
        self._replacing.add(task)
        task.add_done_callback(self._replacing.discard)

    async def _restart(self, child: Child) -> None:
        attempt = 0
        while True:
            await child.close()
            try:
                await child.start()
            except WorkerCrashed:
                attempt += 1
                if attempt == 3:
                    _log.error("a pool process does not start; what it says itself is above this line")
                await asyncio.sleep(backoff_delay(attempt))
            else:
                self._idle.put_nowait(child)
                return


class Child:
    """One process and its socket; `start` after `close` makes a new one."""

    def __init__(self, configuration: bytes) -> None:
        self._configuration = configuration
        self._process: asyncio.subprocess.Process | None = None
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None

    @property
    def pid(self) -> int | None:
        """The process's id, while it runs."""
        return None if self._process is None else self._process.pid

    @property
    def gone(self) -> bool:
        """Whether the process has ended by itself."""
        return self._reader is None or self._reader.at_eof()

    async def start(self) -> None:
        """Raises WorkerCrashed if it ends, or is silent, before it is ready."""
        ours, theirs = socket.socketpair()
        with theirs, ExitStack() as unless_started:
            unless_started.callback(ours.close)
            self._process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-c", _PROGRAM, str(theirs.fileno())),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=2,  # standard output belongs to the command; what a step prints goes beside the log
                pass_fds=(theirs.fileno(),),
                env={**os.environ, **dict.fromkeys(_ONE_THREAD, "1"), "PYTHONPATH": os.pathsep.join(sys.path)},
            )
            unless_started.pop_all()
        self._reader, self._writer = await asyncio.open_unix_connection(sock=ours)
        try:
            async with asyncio.timeout(_START_LIMIT_S):
                self._send(self._configuration)
                kind, _ = await self._receive()
        except TimeoutError:
            raise WorkerCrashed from None
        if kind != READY:
            raise WorkerCrashed

    async def run(self, task: bytes, show: Show) -> bytes:
        """The answer to a pickled task; `show` is called with what it reports. Raises WorkerCrashed."""
        self._send(task)
        while True:
            kind, payload = await self._receive()
            if kind == ANSWER:
                return payload
            if kind == PROGRESS:
                show(FRACTION.unpack_from(payload)[0], payload[FRACTION.size :].decode())

    def kill(self) -> None:
        if self._process is not None:
            with suppress(ProcessLookupError):
                self._process.kill()

    async def close(self) -> None:
        """End the process and forget it. Idempotent."""
        self.kill()
        if self._writer is not None:
            self._writer.close()
            with suppress(OSError):
                await self._writer.wait_closed()
            self._writer = None
        if self._process is not None:
            await self._process.wait()
            self._process = None

    def _send(self, payload: bytes) -> None:
        if self._writer is None:
            raise WorkerCrashed
        self._writer.write(HEADER.pack(TASK, len(payload)) + payload)

    async def _receive(self) -> tuple[bytes, bytes]:
        if self._reader is None:
            raise WorkerCrashed
        try:
            kind, length = HEADER.unpack(await self._reader.readexactly(HEADER.size))
            return kind, await self._reader.readexactly(length)
        except (EOFError, OSError):
            raise WorkerCrashed from None
