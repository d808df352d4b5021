"""FastStream on RabbitMQ."""

from __future__ import annotations

import asyncio
import logging
import os

import uvloop
from faststream import AckPolicy
from faststream.rabbit import Channel, RabbitBroker, RabbitExchange, RabbitQueue
from faststream.rabbit.annotations import RabbitMessage

from ops.bench.contenders.task import DONE, DONE_EXCHANGE, PREFETCH, QUEUE, Measured, Task, Work, arguments


async def main() -> None:
    work, messages = arguments()
    measured, done = Measured(messages), asyncio.Event()
    channel = Channel(prefetch_count=PREFETCH, publisher_confirms=True)
    broker = RabbitBroker(os.environ["RABBITMQ_URL"], default_channel=channel, logger=None, log_level=logging.ERROR)
    exchange = RabbitExchange(DONE_EXCHANGE, declare=False)

    @broker.subscriber(RabbitQueue(QUEUE, declare=False), exchange, ack_policy=AckPolicy.MANUAL)
    async def handle(task: Task, message: RabbitMessage) -> None:
        if work is not Work.CONSUME:
            await broker.publish(task, routing_key=DONE, exchange=exchange, persist=True, mandatory=True)
        await message.ack()
        if measured.one():
            done.set()

    await broker.start()
    await done.wait()
    await broker.stop()


if __name__ == "__main__":
    uvloop.run(main())
