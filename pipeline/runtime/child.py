"""A process of the pool: runs the steps of one delivery at a time, from its first message until its socket closes.

Frames are a kind (one byte), a length (four) and that many bytes. To the child: the configuration, then tasks.
From it: READY, PROGRESS while a task runs, ANSWER at its end.
"""

from __future__ import annotations

import ctypes
import io
import os
import pickle
import signal
import socket
import struct
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from pipeline.messages.message import Envelope
from pipeline.runtime.compose import References, Steps, compose, import_reference
from pipeline.runtime.failure import Failure, failure_of
from pipeline.runtime.work import ProcessContext, Surroundings
from pipeline.telemetry import configure_logging

HEADER = struct.Struct("!cI")
READY, PROGRESS, ANSWER, TASK = b"R", b"P", b"A", b"T"
FRACTION = struct.Struct("!d")
_PROGRESS_INTERVAL_S = 0.02
_PR_SET_PDEATHSIG = 1


@dataclass(frozen=True, slots=True)
class Configuration:
    """What a child needs to know once.

    Attributes:
        path: goes first on sys.path.
        runs: the steps of each stage that runs in the pool, or of its process group at that place.
        surroundings: of each stage.
    """

    path: str | None
    runs: Mapping[tuple[str, int | None], References]
    surroundings: Mapping[str, Surroundings]
    log_level: str


@dataclass(frozen=True, slots=True)
class Task:
    """One delivery, or what a process group is given of it.

    Attributes:
        group: the process group's place in the run; None for the whole stage.
        value: the message's body, or what the step before the group gave.
    """

    stage: str
    group: int | None
    envelope: Envelope
    value: Any


class _Channel:
    def __init__(self, stream: socket.socket) -> None:
        self._stream = stream
        self._shown = 0.0

    def receive(self) -> bytes:
        """The next frame's payload. Raises EOFError when the worker has gone."""
        _, length = HEADER.unpack(self._read(HEADER.size))
        return self._read(length)

    def send(self, kind: bytes, payload: bytes) -> None:
        self._stream.sendall(HEADER.pack(kind, len(payload)) + payload)

    def show(self, fraction: float, message: str = "") -> None:
        now = time.monotonic()
        if now - self._shown >= _PROGRESS_INTERVAL_S:
            self._shown = now
            self.send(PROGRESS, FRACTION.pack(fraction) + message[:200].encode())

    def _read(self, count: int) -> bytes:
        buffer = io.BytesIO()
        while (missing := count - buffer.tell()) > 0:
            part = self._stream.recv(min(missing, 1 << 20))
            if not part:
                raise EOFError
            buffer.write(part)
        return buffer.getvalue()


def main(descriptor: int) -> None:
    """Serve until the worker closes its end. The worker alone decides when this process ends, hence no signals."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    _end_with_parent()
    channel = _Channel(socket.socket(fileno=descriptor))
    try:
        configuration: Configuration = pickle.loads(channel.receive())
        if configuration.path is not None:
            sys.path.insert(0, configuration.path)
        configure_logging(configuration.log_level)
        runs = {place: compose(place[0], run, import_reference) for place, run in configuration.runs.items()}
        channel.send(READY, b"")
        while True:
            channel.send(ANSWER, _answer(pickle.loads(channel.receive()), runs, configuration, channel))
    except (EOFError, ConnectionError):
        return


def _answer(
    task: Task, runs: Mapping[tuple[str, int | None], Steps], configuration: Configuration, channel: _Channel
) -> bytes:
    """A pickled list of outputs, or a pickled Failure. Exceptions stay here: not all survive pickling."""
    steps = runs[task.stage, task.group]
    context = ProcessContext(task.stage, task.envelope, configuration.surroundings[task.stage], channel.show)
    try:
        return pickle.dumps(steps.run_anywhere(task.value, context))
    except (Exception, SystemExit) as error:
        return _pickled(failure_of(error))


def _pickled(failure: Failure) -> bytes:
    try:
        return pickle.dumps(failure)
    except Exception:  # details that cannot leave this process are left out
        return pickle.dumps(replace(failure, details={}))


def _end_with_parent() -> None:
    """Die with the worker, even in the middle of a long computation. Elsewhere than on Linux: at the task's end."""
    if sys.platform == "linux":
        parent = os.getppid()
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:
            os._exit(1)
