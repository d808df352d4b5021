"""`pipeline run --workers N` on a real RabbitMQ and Redis: workers are killed, replaced, drained; nothing is lost."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

from pipeline.broker.rabbitmq import RabbitMQBroker
from pipeline.errors import ExitCode
from pipeline.messages.message import ERROR_CODE, Message
from pipeline.servers.process import alive
from tests.acceptance.commands import Commands, eventually

pytestmark = [pytest.mark.rabbitmq, pytest.mark.redis]

_WORKERS = 2
_SHOP = """
import asyncio
import os
import signal

from pydantic import BaseModel


class Order(BaseModel):
    number: int
    deadly: bool = False


class Priced(BaseModel):
    number: int


async def price(order: Order) -> Priced:
    if order.deadly:
        os.kill(os.getpid(), signal.SIGKILL)
    await asyncio.sleep(0.02)
    return Priced(number=order.number)
"""
_TOPOLOGY = """
version: 1
name: shop
exchanges:
  orders: {type: topic}
queues:
  placed: {bindings: [{source: orders, routing_key: placed}]}
  priced: {bindings: [{source: orders, routing_key: priced}], external: true}
messages:
  placed: {model: "shop:Order", exchange: orders}
  priced: {model: "shop:Priced", exchange: orders}
stages:
  price: {from: {placed: [placed]}, module: shop, run: [price], emits: [priced], concurrency: 4}
"""


class Shop:
    """A topology in a folder of its own, and a supervisor with its workers."""

    def __init__(self, commands: Commands, servers: dict[str, str], folder: Path) -> None:
        folder.mkdir()
        self.folder = folder
        (folder / "topology.yaml").write_text(_TOPOLOGY)
        (folder / "shop.py").write_text(_SHOP)
        self.commands = commands
        self.settings = {**servers, "PIPELINE_TOPOLOGY": str(folder / "topology.yaml")}
        self.url = servers["RABBITMQ_URL"]

    def start(self) -> subprocess.Popen[bytes]:
        """The supervisor, once its workers consume."""
        assert self.commands.run("apply", "--yes", **self.settings).returncode == 0
        supervisor = self.commands.start("run", "--workers", str(_WORKERS), **self.settings)
        eventually("workers consume", lambda: self.consumers() == _WORKERS)
        return supervisor

    def consumers(self) -> int:
        """As the queue itself counts them, not the management's delayed statistics."""

        async def counted() -> int:
            broker = RabbitMQBroker(self.url)
            await broker.connect()
            try:
                return (await broker.depth("placed")).consumers
            finally:
                await broker.close()

        return asyncio.run(counted())

    def said(self) -> list[dict[str, Any]]:
        """The log's lines."""
        lines = self.commands.log("run").read_text().splitlines()
        return [json.loads(line) for line in lines if line.startswith("{") and line.endswith("}")]

    def events(self, beginning: str) -> list[dict[str, Any]]:
        return [line for line in self.said() if line["event"].startswith(beginning)]

    def priced(self, expected: int, during: Callable[[], None], *, deadly: int | None = None) -> None:
        """Publish so many orders, do something while they are worked on; each has its price once, but a deadly one."""
        asyncio.run(self._priced(expected, during, deadly))

    async def _priced(self, expected: int, during: Callable[[], None], deadly: int | None) -> None:
        broker = RabbitMQBroker(self.url)
        await broker.connect()
        for number in range(expected):
            body = json.dumps({"number": number, "deadly": number == deadly}).encode()
            await broker.publish("orders", "placed", Message(body, message_id=f"order-{number}"))
        await asyncio.to_thread(during)
        found: list[int] = []
        async with asyncio.timeout(80):
            while not set(found) >= set(range(expected)) - {deadly}:
                delivery = await broker.get("priced")
                if delivery is None:
                    await asyncio.sleep(0.05)
                    continue
                delivery.ack()
                found.append(json.loads(delivery.message.body)["number"])
            if deadly is not None:
                letter = None
                while not letter:
                    await asyncio.sleep(0.05)
                    letter = await broker.get("placed.dlq")
                assert letter.message.headers[ERROR_CODE] == "WORKER_CRASHED"
                letter.ack()
        await broker.close()


def workers_of(supervisor: subprocess.Popen[bytes]) -> list[psutil.Process]:
    return [each for each in psutil.Process(supervisor.pid).children() if each.status() != psutil.STATUS_ZOMBIE]


@pytest.fixture
def shop(commands: Commands, servers: dict[str, str], tmp_path: Path) -> Shop:
    return Shop(commands, servers, tmp_path / "shop_folder")


def test_a_killed_worker_is_started_again_and_no_order_is_lost(shop: Shop) -> None:
    supervisor = shop.start()
    killed = workers_of(supervisor)[0].pid
    shop.priced(300, lambda: os.kill(killed, signal.SIGKILL))
    (told,) = shop.events("a worker ended")
    assert (told["pid"], told["signal"]) == (killed, "SIGKILL")
    assert told["worker"] in (1, 2)
    assert told["ran_s"] > 0
    assert 0 <= told["again_in_s"] <= 0.5
    eventually("as many as before", lambda: shop.consumers() == _WORKERS)
    assert {line["worker"] for line in shop.events("the topology is in force")} == {1, 2}
    supervisor.send_signal(signal.SIGTERM)
    assert supervisor.wait(60) == ExitCode.DONE


def test_an_order_that_kills_its_worker_twice_is_a_dead_letter_and_the_others_go_through(shop: Shop) -> None:
    shop.start()
    shop.priced(20, lambda: None, deadly=7)
    assert len(shop.events("a worker ended")) == 2


def test_sighup_replaces_every_worker_and_one_serves_all_the_time(shop: Shop) -> None:
    supervisor = shop.start()
    before = {each.pid for each in workers_of(supervisor)}
    fewest = [_WORKERS]

    def roll() -> None:
        supervisor.send_signal(signal.SIGHUP)

        def rolled() -> bool:
            fewest.append(shop.consumers())
            return bool(shop.events("all workers were replaced"))

        eventually("replaced", rolled)

    shop.priced(300, roll)
    after = {each.pid for each in workers_of(supervisor)}
    assert len(after) == _WORKERS
    assert not before & after
    assert min(fewest) >= 1
    assert not shop.events("a worker ended")


def test_a_new_worker_that_can_not_begin_leaves_the_others_as_they_were(shop: Shop) -> None:
    supervisor = shop.start()
    before = {each.pid for each in workers_of(supervisor)}
    (shop.folder / "shop.py").write_text("raise RuntimeError('broken')")
    supervisor.send_signal(signal.SIGHUP)
    eventually("said", lambda: shop.events("workers are not replaced"))
    assert {each.pid for each in workers_of(supervisor)} == before


def test_no_process_outlives_a_killed_supervisor(shop: Shop) -> None:
    supervisor = shop.start()
    processes = [each.pid for each in psutil.Process(supervisor.pid).children(recursive=True)]
    assert len(processes) >= _WORKERS
    supervisor.kill()
    eventually("all have ended", lambda: not any(alive(pid) for pid in processes))


def test_what_keeps_workers_from_beginning_is_told_once_and_ends_the_command(shop: Shop) -> None:
    ended = shop.commands.run("run", "--workers", "3", **shop.settings)
    assert ended.returncode == ExitCode.ERROR
    assert ended.stderr.count("is not declared on the broker") == 1
    assert ended.stderr.count("pipeline apply") == 1


@pytest.mark.parametrize(("how", "code"), [(signal.SIGTERM, ExitCode.DONE), (signal.SIGINT, ExitCode.INTERRUPTED)])
def test_asked_to_end_it_drains_its_workers(shop: Shop, how: signal.Signals, code: int) -> None:
    supervisor = shop.start()
    processes = [each.pid for each in workers_of(supervisor)]
    supervisor.send_signal(how)
    assert supervisor.wait(60) == code
    assert not any(alive(pid) for pid in processes)
    assert not shop.events("a worker did not drain")
