"""How long lint, plan and apply take for large topologies, beside the broker's own import of the same definitions.

`python -m ops.bench.topology`: on a private RabbitMQ, a vhost for each size. CPU seconds are of the whole command
beyond the interpreter's start, so imports count; medians of three.
"""

from __future__ import annotations

import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
from rich.console import Console
from rich.table import Table

from pipeline.provision.definitions_json import definitions_to_json
from pipeline.servers.rabbitmq import PrivateRabbitMQ
from pipeline.topology.expand import definitions_of
from pipeline.topology.load import inspect

_SIZES = (125, 250, 500, 1000, 2000)
_RUNS = 3
_BINDINGS_EACH = 3
_COLUMNS = (
    *("queues", "bindings", "lint CPU s", "plan CPU s, nothing there", "plan CPU s, all there"),
    *("apply s", "import by the API s", "import by rabbitmqctl s"),
)


def topology_of(queues: int) -> str:
    """A topology of that many queues, each with a TTL and three topic bindings, on one exchange for every hundred."""
    return "\n".join(["version: 1", "name: large", *_exchanges(queues), *_queues(queues), ""])


def _exchanges(queues: int) -> Iterator[str]:
    yield "exchanges:"
    yield from (f"  events.{number}: {{type: topic}}" for number in range(max(1, queues // 100)))


def _queues(queues: int) -> Iterator[str]:
    yield "queues:"
    for number in range(queues):
        keys = f"area.{number % 37}.item.{number}.created, area.{number % 37}.*.{number}, all.{number}.#"
        source = f"events.{number % max(1, queues // 100)}"
        yield f"  queue.{number}:"
        yield "    {ttl: 24h, external: true, dead_letter: false,"
        yield f"     bindings: [{{source: {source}, routing_key: [{keys}]}}]}}"


class _Bench:
    def __init__(self, server: PrivateRabbitMQ, folder: Path) -> None:
        self._server = server
        self._folder = folder
        self._http = httpx.Client(base_url=f"{server.management_url}/api", timeout=300)
        self._start = statistics.median(self._cpu("-c", "pass") for _ in range(9))

    def row(self, queues: int) -> list[float]:
        """One size: what `_COLUMNS` says."""
        file = self._folder / f"{queues}.yaml"
        file.write_text(topology_of(queues))
        vhost = f"large-{queues}"
        self._http.put(f"/vhosts/{vhost}", json={}).raise_for_status()
        lint = self._command(file, vhost, "lint", "--quiet")
        fresh = self._command(file, vhost, "plan", expected=2)
        apply = self._timed(file, vhost, "apply", "--yes")
        same = self._command(file, vhost, "plan")
        self._http.delete(f"/vhosts/{vhost}").raise_for_status()
        return [queues, queues * _BINDINGS_EACH, lint, fresh, same, apply, *self._imports(file, vhost)]

    def _imports(self, file: Path, vhost: str) -> tuple[float, float]:
        topology, _, _ = inspect(file)
        assert topology is not None
        definitions = definitions_to_json(definitions_of(topology))
        self._http.put(f"/vhosts/{vhost}", json={}).raise_for_status()
        begun = time.monotonic()
        self._http.post(f"/definitions/{vhost}", json=definitions).raise_for_status()
        by_api = time.monotonic() - begun
        self._http.delete(f"/vhosts/{vhost}").raise_for_status()
        sections = {name: [{**each, "vhost": vhost} for each in rows] for name, rows in definitions.items()}
        exported = self._folder / f"{vhost}.json"
        exported.write_text(json.dumps({"vhosts": [{"name": vhost}], **sections}))
        begun = time.monotonic()
        self._server.control("import_definitions", str(exported))
        by_control = time.monotonic() - begun
        self._http.delete(f"/vhosts/{vhost}").raise_for_status()
        return by_api, by_control

    def _command(self, file: Path, vhost: str, *command: str, expected: int = 0) -> float:
        arguments = ("-m", "pipeline", "--topology", str(file), *command)
        return (
            statistics.median(self._cpu(*arguments, vhost=vhost, expected=expected) for _ in range(_RUNS)) - self._start
        )

    def _timed(self, file: Path, vhost: str, *command: str) -> float:
        begun = time.monotonic()
        self._run("-m", "pipeline", "--topology", str(file), *command, vhost=vhost, expected=0)
        return time.monotonic() - begun

    def _cpu(self, *arguments: str, vhost: str = "", expected: int = 0) -> float:
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        self._run(*arguments, vhost=vhost, expected=expected)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime

    def _run(self, *arguments: str, vhost: str, expected: int) -> None:
        servers = {
            "RABBITMQ_URL": f"{self._server.url.rstrip('/')}/{vhost}",
            "RABBITMQ_MANAGEMENT_URL": self._server.management_url,
            # Neither plan nor apply speaks to it.
        }
        ended = subprocess.run(
            [sys.executable, *arguments], env={**os.environ, **servers}, capture_output=True, text=True, check=False
        )
        if ended.returncode != expected:
            raise SystemExit(f"{' '.join(arguments)} exited {ended.returncode}:\n{ended.stdout[-2000:]}{ended.stderr}")


def main() -> None:
    table = Table(*_COLUMNS, title="Large topologies")
    server = PrivateRabbitMQ()
    try:
        server.start()
        with tempfile.TemporaryDirectory() as folder:
            bench = _Bench(server, Path(folder))
            for queues in _SIZES:
                cells = bench.row(queues)
                table.add_row(*(f"{each:,}" for each in cells[:2]), *(f"{each:.2f}" for each in cells[2:]))
    finally:
        server.close()
    Console().print(table)


if __name__ == "__main__":
    main()
