"""`pipeline apply` killed at random points while producers publish and consumers run: nothing lost, nothing twice."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import sys
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from pipeline.broker.port import Delivery
from pipeline.broker.rabbitmq import RabbitMQBroker
from pipeline.errors import BrokerError, ExitCode, Unreachable
from pipeline.provision.migration.status import DOING
from tests.integration.migration.site import TOPOLOGY, Site, eventually, publish_numbered

pytestmark = pytest.mark.rabbitmq

ROOT = Path(__file__).parents[3]
IN_FLIGHT = 100_000
_FILE = """
version: 1
name: {name}
exchanges:
  events: {{type: topic}}
queues:
  work:
    bindings: [{{source: events, routing_key: ["file.#", file.created]}}]
    external: true
    dead_letter: false
    {queue}
"""


@dataclass
class Command:
    """`pipeline` against one vhost, as a process of its own."""

    site: Site
    file: Path

    async def start(self, *arguments: str) -> asyncio.subprocess.Process:
        inherited = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("RABBITMQ_", "REDIS_", "PIPELINE_"))
        }
        return await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "pipeline", "--topology", str(self.file), *arguments),
            cwd=self.file.parent,
            env={
                **inherited,
                "PYTHONPATH": str(ROOT),
                "RABBITMQ_URL": self.site.url,
                "RABBITMQ_MANAGEMENT_URL": self.site.management_url,
            },
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
        )

    async def run(self, *arguments: str) -> tuple[int, str]:
        process = await self.start(*arguments)
        _, told = await asyncio.wait_for(process.communicate(), 100)
        return process.returncode or 0, told.decode()

    async def kill_in(self, step: int, after_s: float) -> bool:
        """Apply, and kill it some time after it says that it is at this step; False if it came to its end."""
        process = await self.start("apply", "--yes")
        assert process.stderr is not None
        begun = False
        with contextlib.suppress(asyncio.TimeoutError):
            async with asyncio.timeout(60):
                while line := await process.stderr.readline():
                    if f"step {step} of".encode() in line:
                        begun = True
                        break
        if begun:
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(process.wait(), after_s)
        if process.returncode is None:
            process.kill()
            await process.communicate()
            return True
        await process.communicate()
        return False


@dataclass
class Traffic:
    """A producer and a consumer that go on for as long as the context lasts."""

    site: Site
    published: int = 0
    taken: Counter[str | None] = field(default_factory=Counter)
    odd: list[Any] = field(default_factory=list)
    rate: int = 400

    async def __aenter__(self) -> Traffic:
        self._stop = asyncio.Event()
        self._producing = asyncio.create_task(self._produce(await self.site.connect("producer")))
        self._consuming = asyncio.create_task(self._consume(await self.site.connect("consumer")))
        return self

    async def __aexit__(self, *reason: object) -> None:
        self._stop.set()
        self._consuming.cancel()
        await asyncio.gather(self._producing, self._consuming, return_exceptions=True)

    async def finish(self) -> None:
        """Publish no more, and wait until all has been taken."""
        self._stop.set()
        await self._producing
        self.rate = 0
        await eventually(lambda: len(self.taken) >= self.published, 120)

    async def _produce(self, broker: RabbitMQBroker) -> None:
        while not self._stop.is_set():
            numbers = range(self.published, self.published + 20)
            await publish_numbered(broker, "events", "file.created", numbers, priorities=5)
            self.published += 20
            await asyncio.sleep(20 / 400)

    async def _consume(self, broker: RabbitMQBroker) -> None:
        while True:
            lost = asyncio.Event()
            waiting: asyncio.Queue[Delivery] = asyncio.Queue()
            try:
                await broker.consume("work", waiting.put_nowait, prefetch=20, on_lost=lost.set)
                while not lost.is_set():
                    with contextlib.suppress(asyncio.TimeoutError):
                        self._take(await asyncio.wait_for(waiting.get(), 0.05))
                    if self.rate:
                        await asyncio.sleep(1 / self.rate)
            except BrokerError:
                await asyncio.sleep(0.05)
            except Unreachable:
                # RabbitMQ 3.10 ends the connection of who consumes a quorum queue in the moment it is made.
                await broker.connect()

    def _take(self, delivery: Delivery) -> None:
        delivery.ack()
        message = delivery.message
        number = message.headers.get("x-number")
        self.taken[message.message_id] += 1
        expected = {"x-number": number, "x-text": "é", "x-list": [1, "two"]}
        told = {key: value for key, value in message.headers.items() if key in expected}
        is_whole = (
            told == expected
            and message.body == f'{{"n": {number}}}'.encode()
            and (message.priority or 0) == number % 5
            and message.message_id == f"m-{number}"
            and delivery.routing_key == "file.created"
        )
        if not is_whole:
            self.odd.append(message)


@pytest.fixture
def command(site: Site, tmp_path: Path) -> Command:
    return Command(site, tmp_path / "topology.yaml")


def write(command: Command, queue: str) -> None:
    command.file.write_text(_FILE.format(name=TOPOLOGY, queue=queue))


@pytest.mark.timeout(500)
@pytest.mark.parametrize(
    ("before", "after", "messages", "kills"),
    [
        ("max_priority: 5", "max_priority: 10", IN_FLIGHT, 10),
        ("type: classic", "type: quorum", 4000, 6),
        ("type: quorum", "durable: true", 4000, 6),
    ],
    ids=["priorities", "to-quorum", "to-classic"],
)
async def test_killed_again_and_again_it_loses_nothing_and_leaves_nothing_twice(
    site: Site, command: Command, before: str, after: str, messages: int, kills: int
) -> None:
    random_points = random.Random(f"{before}{after}")
    write(command, before)
    code, told = await command.run("apply", "--yes")
    assert code == 0, told
    await publish_numbered(site.broker, "events", "file.created", range(messages), priorities=5)
    write(command, after)
    steps, slowly = len(DOING["queue"]), messages / 80_000
    killed = 0
    async with Traffic(site, messages) as traffic:
        for kill in range(kills):
            # Steps in their order, so that each is broken off; when in a step, and how often it is, is left to chance.
            step = 1 + kill * steps // kills
            killed += await command.kill_in(step, random_points.uniform(0.0, slowly if step in (4, 6, 7) else 0.05))
            if not kill:
                assert (await command.run("migrate", "--status"))[0] == ExitCode.PARTLY_DONE
        code, told = await command.run("apply", "--yes")
        assert code == 0, told
        assert (await command.run("migrate", "--status"))[0] == 0
        assert (await command.run("plan"))[0] == 0
        await traffic.finish()
    assert killed >= kills // 2
    assert traffic.odd == []
    assert len(traffic.taken) == traffic.published
    assert [key for key, count in traffic.taken.items() if count > 1] == []
    assert await site.leftovers() == set()
    assert (await site.broker.depth("work")).messages == 0
