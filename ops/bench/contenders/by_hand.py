"""The loop one writes by hand with aio-pika; with the ledger, the one key in Redis that one would set."""

from __future__ import annotations

import asyncio
import os

import aio_pika
import uvloop
from aio_pika.abc import AbstractIncomingMessage
from redis.asyncio import BlockingConnectionPool, Redis

from ops.bench.contenders.task import DONE, DONE_EXCHANGE, PREFETCH, QUEUE, Measured, Task, Work, arguments

_CONNECTIONS = 32


async def main() -> None:
    work, messages = arguments()
    measured, done = Measured(messages), asyncio.Event()
    connection = await aio_pika.connect_robust(os.environ["RABBITMQ_URL"])
    channel = await connection.channel(publisher_confirms=True)
    await channel.set_qos(prefetch_count=PREFETCH)
    exchange = await channel.get_exchange(DONE_EXCHANGE)
    queue = await channel.get_queue(QUEUE)
    # The pool that one gets by default refuses the 101st command at a time.
    redis = Redis(
        connection_pool=BlockingConnectionPool.from_url(os.environ["REDIS_URL"], max_connections=_CONNECTIONS)
    )

    async def handle(message: AbstractIncomingMessage) -> None:
        task = Task.model_validate_json(message.body)
        key = f"by-hand:{message.message_id}"
        if work is Work.LEDGER and not await redis.set(key, "running", nx=True, ex=60):
            await message.ack()
            return
        if work is not Work.CONSUME:
            outgoing = aio_pika.Message(task.model_dump_json().encode(), delivery_mode=aio_pika.DeliveryMode.PERSISTENT)
            await exchange.publish(outgoing, DONE, mandatory=True)
        if work is Work.LEDGER:
            await redis.set(key, "done", ex=604800)
        await message.ack()
        if measured.one():
            done.set()

    await queue.consume(handle)
    await done.wait()
    await connection.close()
    await redis.aclose()


if __name__ == "__main__":
    uvloop.run(main())
