"""A worker of this project, as `pipeline run` runs it."""

from __future__ import annotations

import asyncio
import os
from typing import Any

import uvloop

from ops.bench.contenders.task import PREFETCH, Measured, Task, Work, arguments
from pipeline.broker.rabbitmq import RabbitMQBroker
from pipeline.runtime.worker import Worker
from pipeline.state.store import RedisStore
from pipeline.telemetry import configure_logging
from pipeline.topology.model import Topology
from pipeline.topology.values import Reference


def topology(work: Work) -> Topology:
    """One stage on one queue."""
    emits = [] if work is Work.CONSUME else ["bench.done"]
    return Topology.model_validate(
        {
            "version": 1,
            "name": "bench",
            "exchanges": {"bench": {"type": "direct"}},
            "queues": {
                "bench.in": {"bindings": [{"source": "bench", "routing_key": "bench.in"}], "dead_letter": False},
                "bench.done": {
                    "bindings": [{"source": "bench", "routing_key": "bench.done"}],
                    "external": True,
                    "dead_letter": False,
                },
            },
            "messages": {
                "bench.in": {"model": "m:Task", "exchange": "bench"},
                "bench.done": {"model": "m:Task", "exchange": "bench"},
            },
            "stages": {
                "work": {
                    "from": {"bench.in": "bench.in"},
                    "module": "m",
                    "run": ["step"],
                    "emits": emits,
                    "prefetch": PREFETCH,
                    "concurrency": PREFETCH,
                }
            },
        }
    )


async def main() -> None:
    work, messages = arguments()
    configure_logging("error")
    measured, done = Measured(messages), asyncio.Event()

    async def consume(task: Task) -> None:
        if measured.one():
            done.set()

    async def answer(task: Task) -> Task:
        if measured.one():
            done.set()
        return task

    def resolve(reference: Reference) -> Any:
        return Task if reference.name == "Task" else consume if work is Work.CONSUME else answer

    broker, state = RabbitMQBroker(os.environ["RABBITMQ_URL"]), RedisStore(os.environ["REDIS_URL"], "bench")
    worker = Worker(topology(work), broker, state, resolve)
    running = asyncio.create_task(worker.run())
    await done.wait()
    await worker.stop(10)
    await running
    await broker.close()
    await state.close()


if __name__ == "__main__":
    uvloop.run(main())
