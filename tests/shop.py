"""A shop on a real RabbitMQ and Redis: a topology of one stage, whose steps are in a module beside it, and workers."""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

from pipeline.broker.rabbitmq import RabbitMQBroker
from pipeline.messages.message import (
    MESSAGE_NAME,
    Message,
)
from pipeline.provision.apply import apply
from pipeline.provision.management import ManagementClient
from pipeline.provision.observe import observe
from pipeline.provision.ownership import read_ownership
from pipeline.provision.plan import plan
from pipeline.runtime.assembly import WorkerOptions
from pipeline.runtime.compose import import_reference
from pipeline.runtime.worker import Worker
from pipeline.state.store import RedisStore
from pipeline.topology.expand import definitions_of
from pipeline.topology.model import Topology

STEPS = """
    import asyncio
    import os
    import signal
    import time
    from pathlib import Path

    from pydantic import BaseModel

    from pipeline.errors import Permanent, Transient


    class Order(BaseModel):
        number: int
        recording_id: str = "rec"
        path: str = ""


    class Answer(BaseModel):
        number: int


    def answer(order: Order) -> Answer:
        return Answer(number=order.number)


    async def slowly(order: Order) -> Answer:
        await asyncio.sleep(0.02)
        return Answer(number=order.number)


    async def wait_for_file(order: Order) -> Answer:
        Path(order.path + ".reached").touch()
        while not os.path.exists(order.path):
            await asyncio.sleep(0.01)
        return Answer(number=order.number)


    def transient_twice(order: Order, context) -> Answer:
        if context.envelope.attempt < 3:
            raise Transient("not yet")
        return Answer(number=order.number)


    def refuse(order: Order) -> Answer:
        raise Permanent("broken file", "DECODE_ERROR")


    def fail(order: Order) -> Answer:
        raise ValueError("a secret")


    def crash_once(order: Order, context) -> Answer:
        context.progress(0.5, "half way")
        if context.envelope.attempt == 1:
            os.kill(os.getpid(), signal.SIGKILL)
        return Answer(number=order.number)


    def crash(order: Order) -> Answer:
        os.kill(os.getpid(), signal.SIGKILL)


    async def crash_some(order: Order) -> Answer:
        await asyncio.sleep(0.01)
        if order.path == "poison":
            os.kill(os.getpid(), signal.SIGKILL)
        return Answer(number=order.number)


    def sleep(order: Order) -> Answer:
        Path(order.path + ".reached").touch()
        time.sleep(600)


    async def recall(order: Order, context) -> Order:
        known = await context.state.get("pid", "loop") or {"number": 0}
        await context.state.put("pid", "loop", {"number": known["number"] + 1, "pid": os.getpid()})
        return order


    def own_pid(order: Order, context) -> tuple[int, int]:
        context.progress(0.5, "half way")
        return order.number, os.getpid()


    BEGUN: list[tuple[str, int]] = []
    DONE: list[tuple[str, int]] = []


    async def note(order: Order, context) -> None:
        BEGUN.append((order.recording_id, order.number))
        await asyncio.sleep(0.002 * (order.number % 3))
        if order.number % 5 == 2 and context.envelope.attempt < 2 + order.number % 2:
            raise Transient("not yet")
        DONE.append((order.recording_id, order.number))


    async def remember(found: tuple[int, int], context) -> Answer:
        await context.state.put("pid", "process", {"pid": found[1]})
        return Answer(number=found[0])
"""

TOPOLOGY: dict[str, Any] = {
    "version": 1,
    "name": "shop",
    "retries": {"short": {"delays": ["100ms", "200ms"]}},
    "defaults": {"stage": {"retry": "short"}},
    "exchanges": {"in": {"type": "topic"}, "out": {"type": "direct"}},
    "queues": {
        "orders": {"bindings": [{"source": "in", "routing_key": "order.#"}], "max_priority": 5},
        "answers": {"external": True, "bindings": [{"source": "out", "routing_key": "answer"}]},
    },
    "messages": {
        "order": {"model": "shop_steps:Order", "exchange": "in"},
        "answer": {"model": "shop_steps:Answer", "exchange": "out"},
    },
}


async def eventually(condition: Callable[[], Any], seconds: float = 40) -> Any:
    """The first true value of `condition` (called, and awaited if need be). Fails after `seconds`."""
    async with asyncio.timeout(seconds):
        while True:
            value = condition()
            if asyncio.iscoroutine(value):
                value = await value
            if value:
                return value
            await asyncio.sleep(0.02)


class Shop:
    """A vhost and a key prefix of the test's own, a topology in them, and workers on it."""

    def __init__(self, amqp_url: str, management_url: str, redis_url: str, folder: Path) -> None:
        self.vhost = f"worker-{uuid.uuid4()}"
        parts = urlsplit(amqp_url)
        self.amqp_url = f"{parts.scheme}://{parts.netloc}/{quote(self.vhost, safe='')}"
        self.management = ManagementClient(management_url, self.vhost)
        self.redis_url = redis_url
        self.prefix = f"test-{uuid.uuid4()}"
        self.folder = folder
        self.broker = RabbitMQBroker(self.amqp_url)
        self.state = RedisStore(redis_url, self.prefix)
        self.declared = TOPOLOGY
        self.topology = Topology.model_validate(TOPOLOGY)
        self.workers: list[tuple[Worker, asyncio.Task[None], RabbitMQBroker, RedisStore]] = []
        self.answered: set[int] = set()
        self.answer_ids: set[str | None] = set()

    async def open(self, *run: Any, **stage: Any) -> None:
        """Declare the topology with one stage that runs these steps."""
        work = {"from": {"orders": ["order"]}, "module": "shop_steps", "run": [*run], "emits": ["answer"], **stage}
        self.topology = Topology.model_validate({**self.declared, "stages": {"work": work}})
        (self.folder / "topology.json").write_text(json.dumps({**self.declared, "stages": {"work": work}}))
        await self.management.put("vhosts", self.vhost, body={})
        await self.apply()
        await self.broker.connect()
        await self.state.connect()

    async def apply(self) -> None:
        """What `pipeline apply` does."""
        owned = await read_ownership(self.management, "shop")
        await apply(plan(definitions_of(self.topology), await observe(self.management), owned), self.management)

    async def start(self, amqp_url: str | None = None, **options: Any) -> Worker:
        broker, state = RabbitMQBroker(amqp_url or self.amqp_url), RedisStore(self.redis_url, self.prefix)
        settings = {"path": str(self.folder), "processes": 2, "lease_s": 1.0, "hold_s": 0.2, **options}
        worker = Worker(self.topology, broker, state, import_reference, WorkerOptions(**settings))
        task = asyncio.ensure_future(worker.run())
        self.workers.append((worker, task, broker, state))
        ready = asyncio.ensure_future(worker.ready())
        await asyncio.wait({task, ready}, return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            task.result()
        return worker

    async def stop(self, deadline_s: float = 10) -> None:
        for worker, task, broker, state in self.workers:
            await worker.stop(deadline_s)
            await task
            await broker.close()
            await state.close()
        self.workers.clear()

    async def close(self) -> None:
        await self.stop(0.5)
        await self.broker.close()
        await self.state.close()
        await self.management.delete("vhosts", self.vhost)
        await self.management.close()

    async def publish(self, body: Any, *, id: str | None = None, key: str = "order", **properties: Any) -> None:
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        headers = {MESSAGE_NAME: "order"}
        await self.broker.publish("in", key, Message(content, message_id=id, headers=headers, **properties))

    async def depth(self, queue: str) -> int:
        return (await self.broker.depth(queue)).messages

    async def take(self, queue: str) -> Message:
        delivery = await eventually(lambda: self.broker.get(queue))
        delivery.ack()
        return delivery.message  # type: ignore[no-any-return]

    async def answers(self, count: int) -> list[int]:
        """The numbers of all answers, once there are `count` of them."""
        return [json.loads((await self.take("answers")).body)["number"] for _ in range(count)]

    async def has_answered(self, count: int) -> bool:
        """Whether so many different answers were given. What is under way during an outage shows in no depth."""
        for _ in range(await self.depth("answers")):
            message = await self.take("answers")
            self.answer_ids.add(message.message_id)
            self.answered.add(json.loads(message.body)["number"])
        return len(self.answered) >= count

    async def statuses(self) -> list[str]:
        events = await self.state.progress.since("rec", 0)
        return [event.status.value for event in events]
