"""How long it takes to make a queue with messages anew, beside RabbitMQ's shovel moving the same out and back.

`python -m ops.bench.migration`: on a private RabbitMQ, with a consumer that takes a message now and then.
Medians of three.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import httpx
from rich.console import Console
from rich.table import Table

from pipeline.broker.port import Delivery
from pipeline.broker.rabbitmq import RabbitMQBroker
from pipeline.errors import NoSuchQueue
from pipeline.messages.message import Message
from pipeline.servers.rabbitmq import PrivateRabbitMQ

_SIZES = (1_000, 10_000, 100_000)
_RUNS = 3
_BODY = b'{"recording_id": "0190", "file_path": "/music/a.flac"}' * 4
_COLUMNS = ("messages", "apply s", "messages/s", "s without a consumer", "shovel out and back s", "messages/s")
_FILE = """
version: 1
name: bench
exchanges: {{events: {{type: topic}}}}
queues:
  work:
    bindings: [{{source: events, routing_key: "#"}}]
    external: true
    dead_letter: false
    max_priority: {priorities}
"""


class _Bench:
    def __init__(self, server: PrivateRabbitMQ, folder: Path) -> None:
        self._server = server
        self._file = folder / "topology.yaml"
        self._http = httpx.Client(base_url=f"{server.management_url}/api", timeout=300)

    async def row(self, messages: int) -> list[float]:
        """One size: what `_COLUMNS` says."""
        broker = RabbitMQBroker(self._server.url)
        await broker.connect()
        self._apply(2)
        await self._fill(broker, messages)
        stop = asyncio.Event()
        consuming = asyncio.create_task(self._consume(broker, stop))
        runs = [await asyncio.to_thread(self._apply, priorities) for priorities in range(3, 3 + _RUNS)]
        stop.set()
        await consuming
        took, away = (statistics.median(values) for values in zip(*runs, strict=True))
        shovelled = statistics.median([await self._shovelled(broker) for _ in range(_RUNS)])
        await broker.purge("work")
        await broker.close()
        return [messages, took, messages / took, away, shovelled, messages / shovelled]

    def _apply(self, priorities: int) -> tuple[float, float]:
        """Seconds of the command, and seconds without a consumer that it told of."""
        self._file.write_text(_FILE.format(priorities=priorities))
        environment = os.environ | {
            "RABBITMQ_URL": self._server.url,
            "RABBITMQ_MANAGEMENT_URL": self._server.management_url,
        }
        command = [
            sys.executable,
            "-m",
            "pipeline",
            "--topology",
            str(self._file),
            "apply",
            "--yes",
            "--output",
            "json",
        ]
        started = time.perf_counter()
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
        took = time.perf_counter() - started
        told = " ".join(json.loads(done.stdout)["notes"])
        away = re.search(r"([\d.]+) s without a consumer", told)
        return took, float(away[1]) if away else float("nan")

    async def _fill(self, broker: RabbitMQBroker, messages: int) -> None:
        for start in range(0, messages, 1000):
            batch = range(start, min(start + 1000, messages))
            await asyncio.gather(
                *(broker.publish("", "work", Message(_BODY, message_id=str(number), priority=1)) for number in batch)
            )

    async def _consume(self, broker: RabbitMQBroker, stop: asyncio.Event) -> None:
        """Holds one message at a time and gives it back: the queue keeps its length."""
        while not stop.is_set():
            lost = asyncio.Event()

            def hold(delivery: Delivery) -> None:
                asyncio.get_running_loop().call_later(0.2, lambda: delivery.reject(requeue=True))

            try:
                consumer = await broker.consume("work", hold, prefetch=1, on_lost=lost.set)
            except NoSuchQueue:
                await asyncio.sleep(0.01)
                continue
            waits = {asyncio.create_task(lost.wait()), asyncio.create_task(stop.wait())}
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
            for wait in waits:
                wait.cancel()
            await consumer.close()

    async def _shovelled(self, broker: RabbitMQBroker) -> float:
        """Seconds that two shovels take, one out and one back."""
        uri = f"{self._server.url}%2f"
        started = time.perf_counter()
        for number, (source, target) in enumerate([("work", "aside"), ("aside", "work")]):
            body = {
                "src-protocol": "amqp091",
                "src-uri": uri,
                "src-queue": source,
                "src-prefetch-count": 1000,
                "src-delete-after": "queue-length",
                "dest-protocol": "amqp091",
                "dest-uri": uri,
                "dest-queue": target,
                "ack-mode": "on-confirm",
            }
            if source == "work":
                self._http.put("/queues/%2f/aside", json={"arguments": {"x-max-priority": 5}}).raise_for_status()
                arguments = self._http.get("/queues/%2f/work").json()["arguments"]
                body["src-queue-args"] = arguments
            path = f"/parameters/shovel/%2f/bench-{number}"
            self._http.put(path, json={"value": body}).raise_for_status()
            async with asyncio.timeout(120):
                await self._gone(path)
        took = time.perf_counter() - started
        assert not (await broker.depth("aside")).messages
        return took

    async def _gone(self, path: str) -> None:
        """A shovel removes itself when it is done."""
        while self._http.get(path).status_code != httpx.codes.NOT_FOUND:  # noqa: ASYNC110
            await asyncio.sleep(0.05)


async def main() -> None:
    table = Table(*_COLUMNS, title="A queue made anew")
    server = PrivateRabbitMQ("rabbitmq_shovel")
    server.start()
    try:
        with tempfile.TemporaryDirectory() as folder:
            bench = _Bench(server, Path(folder))
            for size in _SIZES:
                messages, took, rate, away, shovelled, theirs = await bench.row(size)
                table.add_row(
                    f"{messages:,.0f}",
                    f"{took:.2f}",
                    f"{rate:,.0f}",
                    f"{away:.2f}",
                    f"{shovelled:.2f}",
                    f"{theirs:,.0f}",
                )
    finally:
        server.stop()
    Console().print(table)


if __name__ == "__main__":
    asyncio.run(main())
