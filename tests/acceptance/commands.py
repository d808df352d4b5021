"""The command `pipeline` as a user runs it: a process of its own, an environment of its own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import httpx
import pytest

from pipeline.servers.process import free_ports

ROOT = Path(__file__).parents[2]
T = TypeVar("T")
_SETTINGS = ("RABBITMQ_", "REDIS_", "API_", "PIPELINE_", "LIBRARY_")


class Commands:
    """`pipeline` with settings of its own, run in a folder of its own.

    Attributes:
        api: base URL of the API, where one is started.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        port = free_ports(1)[0]
        self.api = f"http://127.0.0.1:{port}"
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(_SETTINGS)}
        self.environment = {
            **inherited,
            "PYTHONPATH": str(ROOT),
            "COLUMNS": "160",
            "API_PORT": str(port),
            "PIPELINE_TOPOLOGY": str(ROOT / "topology.yaml"),
            "PIPELINE_DATA_DIR": str(folder / "data"),
        }
        self._started: list[subprocess.Popen[bytes]] = []

    def run(self, *arguments: str, timeout_s: float = 100, **settings: str) -> subprocess.CompletedProcess[str]:
        """Run it to its end."""
        return subprocess.run(
            [sys.executable, "-m", "pipeline", *arguments],
            cwd=self.folder,
            env={**self.environment, **settings},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
        )

    def start(self, *arguments: str, **settings: str) -> subprocess.Popen[bytes]:
        """Start it; its output goes to `log(arguments[0])`. Ended by the fixture."""
        with self.log(arguments[0]).open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "pipeline", *arguments],
                cwd=self.folder,
                env={**self.environment, **settings},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        self._started.append(process)
        return process

    def log(self, command: str) -> Path:
        return self.folder / f"{command}.log"

    def end(self) -> None:
        """TERM to all that still run; a drain that hangs fails the test."""
        for process in self._started:
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
        for process in self._started:
            try:
                process.wait(timeout=30)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
                raise


def eventually(what: str, look: Callable[[], T | None], seconds: float = 60) -> T:
    """The first answer of `look` that is true; fails with `what` after `seconds`."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if answer := look():
            return answer
        time.sleep(0.1)
    pytest.fail(f"{what}: not within {seconds:.0f} s")


def answers(url: str) -> bool:
    """Whether a GET of `url` is answered with 200."""
    try:
        return httpx.get(url, timeout=2).status_code == 200
    except httpx.HTTPError:
        return False


def fetch(url: str) -> dict[str, Any]:
    """The JSON document at `url`."""
    document: dict[str, Any] = httpx.get(url, timeout=10).raise_for_status().json()
    return document
