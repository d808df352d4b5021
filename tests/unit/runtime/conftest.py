"""A topology, the embedded broker on a clock of its own, the embedded state store, and workers on them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from typing import Any, ClassVar

import pytest
from pydantic import BaseModel, ConfigDict

from pipeline.broker.embedded import EmbeddedBroker
from pipeline.clock import ManualClock
from pipeline.errors import PipelineError
from pipeline.messages.message import MESSAGE_NAME, Message
from pipeline.runtime.assembly import WorkerOptions
from pipeline.runtime.contracts import Contracts
from pipeline.runtime.publisher import Publisher
from pipeline.runtime.worker import Worker
from pipeline.state.embedded import EmbeddedStore
from pipeline.state.port import Event, StateStore
from pipeline.topology.definitions import BindingDefinition, Definitions
from pipeline.topology.expand import definitions_of
from pipeline.topology.model import Topology
from pipeline.topology.values import Reference


class Order(BaseModel):
    """What the stage under test takes."""

    model_config = ConfigDict(extra="allow")

    recording_id: str = "rec"
    number: int = 0
    file_path: str | None = None
    correlation_id: str | None = None


class Answer(BaseModel):
    """What it gives."""

    number: int


class Other(BaseModel):
    """What it gives under either of two names."""

    text: str = ""


TOPOLOGY: dict[str, Any] = {
    "version": 1,
    "name": "test",
    "retries": {"twice": {"delays": ["5s", "30s"]}},
    "defaults": {"stage": {"retry": "twice"}},
    "exchanges": {"in": {"type": "direct", "name": "the.in"}, "out": {"type": "direct"}},
    "queues": {
        "orders": {
            "name": "the.orders",
            "max_priority": 10,
            "bindings": [{"source": "in", "routing_key": ["order", "order.big", "stranger"]}],
        },
        "answers": {"external": True, "bindings": [{"source": "out", "routing_key": ["answer", "left", "right"]}]},
    },
    "messages": {
        "order": {"model": "models:Order", "exchange": "in", "priority": 3, "max_size": "1kB"},
        "order.big": {"model": "models:Order", "exchange": "in"},
        "answer": {"model": "models:Answer", "exchange": "out", "priority": 4},
        "left": {"model": "models:Other", "exchange": "out"},
        "right": {"model": "models:Other", "exchange": "out"},
        "lost": {"model": "models:Answer", "exchange": "out"},
    },
    "sources": {"watcher": {"run": "steps:step0", "emits": ["order", "lost"], "options": {"every": 5}}},
    "stages": {
        "work": {
            "from": {"orders": ["order", "order.big"]},
            "module": "steps",
            "run": ["step0"],
            "emits": ["answer", "left", "right"],
        }
    },
}


async def eventually(condition: Callable[[], Any], seconds: float = 10) -> Any:
    """The first true value of `condition` (called, and awaited if need be). Fails after `seconds`."""
    async with asyncio.timeout(seconds):
        while True:
            value = condition()
            if asyncio.iscoroutine(value):
                value = await value
            if value:
                return value
            await asyncio.sleep(0.002)


class Rig:
    """Everything a worker needs, and what a test wants to see of it."""

    models: ClassVar = {"Order": Order, "Answer": Answer, "Other": Other}

    def __init__(self, state: StateStore) -> None:
        self.state = state
        self.clock = ManualClock()
        self.topology = Topology.model_validate(TOPOLOGY)
        self.broker = EmbeddedBroker(definitions_of(self.topology), self.clock)
        self.functions: list[Callable[..., Any]] = []
        self.running: list[tuple[Worker, asyncio.Task[None]]] = []

    def change(self, **stage: Any) -> None:
        """Give the stage other settings."""
        stages = {"work": {**TOPOLOGY["stages"]["work"], **stage}}
        self.topology = Topology.model_validate({**TOPOLOGY, "stages": stages})
        self.broker.declare(definitions_of(self.topology))

    def set_queue(self, **queue: Any) -> None:
        """Give the stage's queue other settings, as one that was declared so from the start."""
        queues = {**TOPOLOGY["queues"], "orders": {**TOPOLOGY["queues"]["orders"], **queue}}
        self.topology = Topology.model_validate({**TOPOLOGY, "queues": queues})
        self.broker.declare(definitions_of(self.topology))

    def set_answers_key(self, key: str) -> None:
        """Bind the queue of answers to another key as well."""
        binding = BindingDefinition("out", "answers", "queue", key)
        self.broker.declare(Definitions(bindings=(binding,)))

    def publisher(self) -> Publisher:
        contracts = Contracts(self.topology, self.resolve)
        return Publisher(self.broker, self.topology, contracts, self.state)

    def resolve(self, reference: Reference) -> Any:
        if reference.module == "models":
            return self.models[reference.name]
        return self.functions[int(reference.name.removeprefix("step"))]

    def worker(self, *functions: Callable[..., Any], **options: Any) -> Worker:
        """A worker whose stage runs these functions."""
        self.functions = list(functions)
        options = {"hold_s": 0.05, **options}
        return Worker(self.topology, self.broker, self.state, self.resolve, WorkerOptions(**options))

    async def start(self, *functions: Callable[..., Any], **options: Any) -> Worker:
        worker = self.worker(*functions, **options)
        task = asyncio.ensure_future(worker.run())
        self.running.append((worker, task))
        ready = asyncio.ensure_future(worker.ready())
        await asyncio.wait({task, ready}, return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            ready.cancel()
            task.result()
        return worker

    async def close(self) -> None:
        for worker, task in self.running:
            if not task.done():
                await worker.stop(0.5)
            with suppress(PipelineError):  # a test that expects one has seen it
                await task
        await self.broker.close()

    async def publish(
        self,
        body: Any = None,
        *,
        name: str | None = "order",
        id: str | None = "id1",
        key: str = "order",
        headers: dict[str, Any] | None = None,
        **properties: Any,
    ) -> None:
        """Put a message into the stage's queue as any publisher would; bytes go as they are."""
        content = body if isinstance(body, bytes) else json.dumps({"recording_id": "rec", **(body or {})}).encode()
        named = {} if name is None else {MESSAGE_NAME: name}
        message = Message(content, message_id=id, headers={**named, **(headers or {})}, **properties)
        await self.broker.publish("the.in", key, message)

    async def depth(self, queue: str) -> int:
        return (await self.broker.depth(queue)).messages

    async def take(self, queue: str) -> Message:
        """The next message of a queue, when there is one."""
        delivery = await eventually(lambda: self.broker.get(queue))
        delivery.ack()
        return delivery.message  # type: ignore[no-any-return]

    async def wait_for_retry(self, delay: str = "5s") -> None:
        """Until one message waits in a tier; then let its time pass."""
        await eventually(lambda: self._waits(delay))
        self.clock.advance({"5s": 5, "30s": 30}[delay])

    async def _waits(self, delay: str) -> bool:
        return await self.depth(f"test.retry.{delay}") > 0

    async def stop(self) -> int:
        """Stop all workers, letting them finish; how many messages are left in the stage's queue."""
        for worker, task in self.running:
            await worker.stop(10)
            await task
        return await self.depth("the.orders")

    async def frames(self, recording_id: str = "rec") -> list[dict[str, Any]]:
        """The `data` of all events of a recording, oldest first."""
        events: list[Event] = await self.state.progress.since(recording_id, 0)
        return [json.loads(event.frame)["data"] for event in events]


@pytest.fixture(autouse=True)
def _tries_again_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """How long the delays are has a test of its own; here only that it is tried again matters."""
    for module in ("availability", "cancellations", "sources", "subscription"):
        monkeypatch.setattr(f"pipeline.runtime.{module}.backoff_delay", lambda attempt: 0.01)


@pytest.fixture
async def rig(state: StateStore) -> AsyncIterator[Rig]:
    rig = Rig(state)
    await rig.broker.connect()
    yield rig
    await rig.close()


@pytest.fixture
async def state() -> AsyncIterator[StateStore]:
    store = EmbeddedStore(None)
    await store.connect()
    yield store
    await store.close()
