"""Publishes jobs, and again what was not confirmed, until the broker has all of them."""

from __future__ import annotations

import asyncio
import random
import time

from pipeline.broker.rabbitmq import RabbitMQBroker
from pipeline.errors import BrokerError, Unreachable
from pipeline.messages.message import Message
from pipeline.verify.account import Account
from pipeline.verify.steps import Job, Kind

EXCHANGE, JOB = "verify.in", "verify.job"
_KEYS = 64
_KINDS = {Kind.STEADY: 85, Kind.FLAKY: 12, Kind.BAD: 3}
_TURN_S = 0.1
_AGAIN_S = 0.2


class Producer:
    """At a steady rate; what could not be sent in an outage is sent after it, as fast as it goes.

    Args:
        jobs: how many, with what is in them decided by `chance`.
        rate: per second.
    """

    def __init__(self, broker: RabbitMQBroker, account: Account, chance: random.Random, *, jobs: int, rate: float):
        self._broker = broker
        self._account = account
        self._rate = rate
        kinds = chance.choices(list(_KINDS), list(_KINDS.values()), k=jobs)
        self._jobs = [
            Job(job=f"job-{number}", key=f"key-{number % _KEYS}", number=number // _KEYS, kind=kind)
            for number, kind in enumerate(kinds)
        ]

    async def run(self) -> None:
        """Until all are confirmed."""
        began, sent = time.monotonic(), 0
        while sent < len(self._jobs):
            due = min(len(self._jobs), int((time.monotonic() - began) * self._rate) + 1)
            # A key is at most once among those under way, so that a repeated publish does not change its order.
            batch = self._jobs[sent : min(due, sent + _KEYS)]
            await self._send(batch)
            sent += len(batch)
            if sent == due:
                await asyncio.sleep(_TURN_S)

    async def _send(self, batch: list[Job]) -> None:
        for job in batch:
            self._account.send(job)
        waiting = batch
        while waiting:
            answers = await asyncio.gather(*(self._publish(job) for job in waiting), return_exceptions=True)
            now = time.monotonic()
            failed = []
            for job, answer in zip(waiting, answers, strict=True):
                if answer is None:
                    self._account.confirm(job, now)
                elif isinstance(answer, BrokerError):
                    failed.append(job)
                else:
                    raise answer
            waiting = failed
            self._account.repeated += len(failed)
            if failed:
                await self._reconnect()

    async def _publish(self, job: Job) -> None:
        await self._broker.publish(EXCHANGE, JOB, Message(job.model_dump_json().encode(), message_id=job.job))

    async def _reconnect(self) -> None:
        while True:
            await asyncio.sleep(_AGAIN_S)
            try:
                await self._broker.ping()
            except Unreachable:
                try:
                    await self._broker.connect()
                except Unreachable:
                    continue
            return
