"""A Redis server from the installed package, beside whatever else the machine runs."""

from __future__ import annotations

import shutil
import socket
import subprocess
import tempfile
import threading
from pathlib import Path

from pipeline.servers.process import NotInstalled, ServerFailed, end, free_ports, launch, wait_until


def server_binary() -> str:
    """The installed `redis-server`. Raises NotInstalled."""
    binary = shutil.which("redis-server")
    if binary is None:
        raise NotInstalled(
            "Redis is not installed", fix="Install it: `apt-get install redis-server`, or `brew install redis`"
        )
    return binary


class PrivateRedis:
    """One server. With `append_only` its data survive `stop` and `start`, killed or not.

    Args:
        parent: where its folder is made; the system's temporary one by default.
    """

    def __init__(self, *, append_only: bool = True, parent: Path | None = None) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="redis-", dir=parent))
        self.port = free_ports(1)[0]
        self._append_only = append_only
        self._closed = False
        self._lock = threading.Lock()
        self._server: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def start(self) -> None:
        """Start it; a second time with the data of the first. Raises ServerFailed."""
        command = [
            server_binary(),
            "--port",
            str(self.port),
            "--bind",
            "127.0.0.1",
            "--dir",
            str(self.folder),
            "--save",
            "",
        ]
        command += ["--appendonly", "yes" if self._append_only else "no", "--appendfsync", "always"]
        log = self.folder / "out.log"
        with self._lock:  # another thread may close it, and would miss what is started after that
            if self._closed:
                raise ServerFailed("Redis was ended while it started")
            self._server = launch(command, log=log)
        wait_until(self._ready, name="Redis", log=log, seconds=20)

    def stop(self, *, kill: bool = False) -> None:
        if self._server is not None:
            end(self._server.pid, kill=kill)
            self._server.wait(timeout=20)
            self._server = None

    def close(self, *, keep: bool = False) -> None:
        """End it and remove the data, unless they are to be kept."""
        with self._lock:
            self._closed = True
        self.stop(kill=True)
        if not keep:
            shutil.rmtree(self.folder, ignore_errors=True)

    def _ready(self) -> bool:
        if self._closed:
            raise ServerFailed("Redis was ended while it started")
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=1) as connection:
                connection.sendall(b"PING\r\n")
                return connection.recv(16).startswith(b"+PONG")
        except OSError:
            return False
