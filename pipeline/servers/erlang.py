"""What Erlang nodes find each other by: a port mapper of our own, and a cookie."""

from __future__ import annotations

import secrets
import shutil
import subprocess
from pathlib import Path

from pipeline.servers.process import NotInstalled, end, free_ports, launch


class PortMapper:
    """An `epmd`, started before the nodes that use it: the first of them would else leave a daemon of its own behind.

    Attributes:
        cookie: what its nodes have in common; nobody else may give them orders.
    """

    def __init__(self) -> None:
        self.port = free_ports(1)[0]
        self.cookie = secrets.token_hex(16)
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, log: Path) -> None:
        """Idempotent. Raises NotInstalled."""
        if self._process is None:
            epmd = shutil.which("epmd")
            if epmd is None:
                raise NotInstalled("Erlang's epmd is not installed", fix="It comes with the package of RabbitMQ")
            self._process = launch([epmd, "-port", str(self.port), "-address", "127.0.0.1"], log=log)

    def close(self) -> None:
        """End it. Idempotent."""
        if self._process is not None:
            end(self._process.pid)
            self._process.wait(timeout=10)
            self._process = None
