"""What contenders are given to do, on a private RabbitMQ and Redis; each run is a process of its own, or several."""

from __future__ import annotations

import asyncio
import importlib.util
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from yarl import URL

from ops.bench.contenders.task import DONE, DONE_EXCHANGE, PREFETCH, QUEUE, Task, Work
from pipeline.broker.rabbitmq import RabbitMQBroker
from pipeline.messages.message import Message
from pipeline.provision.management import ManagementClient
from pipeline.servers.rabbitmq import PrivateRabbitMQ
from pipeline.servers.redis import PrivateRedis

_LIMIT_S = 90.0
_FILLED_AT_ONCE = 1000
_BEYOND = 5 * PREFETCH
_CONTENDERS = Path(__file__).parent / "contenders"
_WITHOUT_LEDGER = (Work.CONSUME, Work.PUBLISH)


@dataclass(frozen=True, slots=True)
class Contender:
    """Who does the work.

    Attributes:
        command: of a process, to which work and number of messages are added.
        processes: how many share the queue.
        fills: whether its messages have a form of their own; with the word `fill` it publishes them itself.
    """

    name: str
    command: tuple[str, ...]
    works: tuple[Work, ...] = tuple(Work)
    processes: int = 1
    fills: bool = False


@dataclass(frozen=True, slots=True)
class Result:
    """Of one run: all processes together, and each message's share of their CPU time."""

    messages_per_s: float
    cpu_us: float


def contenders(folder: Path) -> tuple[list[Contender], list[str]]:
    """Those that are there, and the names of those that are not.

    Args:
        folder: where the one in C is built.
    """
    found = [
        Contender("pipeline", _python("ours")),
        Contender("pipeline, 2 processes", _python("ours"), processes=2),
        Contender("aio-pika by hand", _python("by_hand")),
    ]
    absent = []
    for name, module, needs in (
        ("FastStream", "with_faststream", "faststream"),
        ("Dramatiq", "with_dramatiq", "dramatiq"),
    ):
        if importlib.util.find_spec(needs) is None:
            absent.append(name)
        else:
            found.append(Contender(name, _python(module), _WITHOUT_LEDGER, fills=needs == "dramatiq"))
    built = _built(folder)
    if built is None:
        absent.append("librabbitmq in C (package librabbitmq-dev, a compiler)")
    else:
        found.append(Contender("librabbitmq in C", (str(built),), _WITHOUT_LEDGER))
    return found, absent


def _python(module: str) -> tuple[str, ...]:
    return sys.executable, "-m", f"ops.bench.contenders.{module}"


def _built(folder: Path) -> Path | None:
    compiler, source, program = shutil.which("cc"), _CONTENDERS / "floor.c", folder / "floor"
    if compiler is None:
        return None
    built = subprocess.run([compiler, "-O2", "-o", program, source, "-lrabbitmq"], capture_output=True, check=False)
    return program if built.returncode == 0 else None


class Bench:
    """The queues that all but Dramatiq use, and runs on them."""

    def __init__(self, rabbitmq: PrivateRabbitMQ, redis: PrivateRedis) -> None:
        self._rabbitmq = rabbitmq
        self.environment = {
            **os.environ,
            "RABBITMQ_URL": rabbitmq.url,
            "REDIS_URL": redis.url,
            "BENCH_PORT": str(URL(rabbitmq.url).port),
        }

    @classmethod
    @asynccontextmanager
    async def running(cls) -> AsyncIterator[Bench]:
        """On servers that are started, and ended."""
        with tempfile.TemporaryDirectory() as folder:
            rabbitmq, redis = PrivateRabbitMQ(parent=Path(folder)), PrivateRedis(parent=Path(folder))
            try:
                rabbitmq.start()
                redis.start()
                bench = cls(rabbitmq, redis)
                await bench._declare()
                yield bench
            finally:
                redis.close()
                rabbitmq.close()

    @asynccontextmanager
    async def broker(self) -> AsyncIterator[RabbitMQBroker]:
        """A connection to the broker."""
        broker = RabbitMQBroker(self._rabbitmq.url)
        await broker.connect()
        try:
            yield broker
        finally:
            await broker.close()

    async def run(self, contender: Contender, work: Work, messages: int) -> Result:
        """Raises SystemExit with what a contender said that failed."""
        if contender.fills:
            await self._process(contender, work, messages, "fill")
        else:
            # Each of several takes some beyond its share before it has ended.
            beyond = 0 if contender.processes == 1 else contender.processes * _BEYOND
            await self._fill(messages + beyond, with_ids=work is Work.LEDGER)
        share = messages // contender.processes
        printed = await asyncio.gather(*(self._process(contender, work, share) for _ in range(contender.processes)))
        results = [json.loads(each) for each in printed]
        return Result(
            messages_per_s=sum((share - 1) / each["seconds"] for each in results),
            cpu_us=statistics.mean(each["cpu"] / (share - 1) * 1e6 for each in results),
        )

    async def _declare(self) -> None:
        """As `pipeline apply` would."""
        async with ManagementClient(self._rabbitmq.management_url, "/") as management:
            await management.put("exchanges", "/", DONE_EXCHANGE, body={"type": "direct", "durable": True})
            for name in (QUEUE, DONE):
                await management.put("queues", "/", name, body={"durable": True})
                await management.post(*("bindings", "/", "e", DONE_EXCHANGE, "q", name), body={"routing_key": name})

    async def _fill(self, messages: int, *, with_ids: bool) -> None:
        async with self.broker() as broker:
            for queue in (QUEUE, DONE):
                await broker.purge(queue)
            token = os.urandom(6).hex() if with_ids else None
            for start in range(0, messages, _FILLED_AT_ONCE):
                await publish_tasks(broker, range(start, min(messages, start + _FILLED_AT_ONCE)), token)

    async def _process(self, contender: Contender, work: Work, messages: int, *more: str) -> str:
        command = [*contender.command, work.value, str(messages), *more]
        ended = await asyncio.to_thread(
            subprocess.run,
            command,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=_LIMIT_S,
            check=False,
        )
        if ended.returncode:
            sys.exit(f"{contender.name} failed at {work.value}:\n{ended.stderr[-2000:]}")
        return ended.stdout


async def publish_tasks(broker: RabbitMQBroker, numbers: range, token: str | None) -> None:
    """Put tasks into the queue.

    Args:
        token: what the messages' ids begin with, if they have any.
    """
    await asyncio.gather(
        *(
            broker.publish(
                DONE_EXCHANGE,
                QUEUE,
                Message(
                    Task.numbered(number).model_dump_json().encode(),
                    message_id=f"{token}-{number}" if token else None,
                    content_type="application/json",
                    headers={"x-message-name": "bench.in"},
                ),
            )
            for number in numbers
        )
    )
