"""Server processes of ours: a free port, waiting until ready, and an end that leaves nothing behind."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from pipeline.errors import ExitCode, PipelineError

_PORTS = 10_000, 32_768
_CHANCE = random.SystemRandom()  # others, in other processes, look for ports too


class ServerFailed(PipelineError):
    """A server did not come up; the message ends with the last lines it wrote."""


class NotInstalled(ServerFailed):
    """There is no such server on this machine."""

    exit_code = ExitCode.UNREACHABLE


def free_ports(count: int) -> list[int]:
    """Ports of 127.0.0.1 that nobody has just now.

    They are none of those that systems give to outgoing connections (Linux: from 32768, others: from 49152): such a one
    could be taken before the server that it is for has begun to listen.
    """
    found: list[int] = []
    with contextlib.ExitStack() as stack:
        while len(found) < count:
            each, port = stack.enter_context(socket.socket()), _CHANCE.randrange(*_PORTS)
            with contextlib.suppress(OSError):
                each.bind(("127.0.0.1", port))
                found.append(port)
    return found


def launch(
    command: Sequence[str],
    *,
    log: Path,
    environment: Mapping[str, str] | None = None,
    inherit: bool = True,
    folder: Path | None = None,
) -> subprocess.Popen[bytes]:
    """Start a server in a session of its own, its output in `log`.

    Args:
        inherit: whether its environment is this process's too.
        folder: where it runs; here by default.
    """
    with log.open("ab") as output:
        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env={**(os.environ if inherit else {}), **(environment or {})},
            cwd=folder,
            start_new_session=True,
        )


def wait_until(ready: Callable[[], bool], *, name: str, log: Path, seconds: float = 90) -> None:
    """Poll until `ready`; raises ServerFailed with the end of the log."""
    deadline = time.monotonic() + seconds
    while not ready():
        if time.monotonic() > deadline:
            tail = log.read_text(errors="replace")[-2000:] if log.exists() else "(no output)"
            raise ServerFailed(f"{name} was not ready after {seconds:.0f} s; its log ends:\n{tail}")
        time.sleep(0.1)


def alive(pid: int) -> bool:
    """Whether a process runs (a zombie does not)."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def end(pid: int, *, seconds: float = 20, kill: bool = False) -> None:
    """TERM (or KILL at once), then KILL what is still there after `seconds`."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL if kill else signal.SIGTERM)
    deadline = time.monotonic() + seconds
    while alive(pid) and time.monotonic() < deadline:
        time.sleep(0.05)
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
