"""Takes what comes out: outputs at the end, and dead letters; and at last what never came out."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence

from pipeline.broker.port import Delivery
from pipeline.broker.rabbitmq import RabbitMQBroker
from pipeline.errors import BrokerError, Unreachable
from pipeline.messages.message import ERROR_CODE
from pipeline.state.store import RedisStore
from pipeline.verify.account import Account, Problem
from pipeline.verify.steps import EFFECTS, Job, Part

END = "verify.end"
_AGAIN_S = 0.1
_LOOK_S = 0.02
_REMAINS_S = 20.0
_PAGE = 1000
_PREFETCH = 500


class Sink:
    """Consumes the queue at the end and the dead-letter queues, for as long as it runs."""

    def __init__(self, broker: RabbitMQBroker, account: Account, dead_letters: Sequence[str]) -> None:
        self._broker = broker
        self._account = account
        self._dead_letters = dead_letters

    async def run(self) -> None:
        """Through all outages."""
        while True:
            lost = asyncio.Event()
            try:
                await self._broker.connect()
                await self._broker.consume(END, self._effect, prefetch=_PREFETCH, on_lost=lost.set)
                for queue in self._dead_letters:
                    await self._broker.consume(queue, self._letter, prefetch=_PREFETCH, on_lost=lost.set)
                await lost.wait()
            except (Unreachable, BrokerError):
                pass
            await asyncio.sleep(_AGAIN_S)

    def _effect(self, delivery: Delivery) -> None:
        message = delivery.message
        self._account.effect(read_body(message.body), message.message_id, time.monotonic())
        delivery.ack()

    def _letter(self, delivery: Delivery) -> None:
        message = delivery.message
        code = str(message.headers.get(ERROR_CODE) or _reason(message.headers.get("x-death")))
        origin = delivery.queue.removesuffix(".dlq")
        self._account.letter(read_body(message.body), origin, message.message_id, code, time.monotonic())
        delivery.ack()


async def read_remains(broker: RabbitMQBroker, account: Account, queues: Sequence[str]) -> None:
    """Take what is still in queues where nothing should be any more, and which nobody else consumes."""
    for queue in queues:
        count = (await broker.depth(queue)).messages
        if count:
            await _take(broker, account, queue, count)


async def _take(broker: RabbitMQBroker, account: Account, queue: str, count: int) -> None:
    """By a consumer: what has a single active consumer gives nothing to a `get`."""
    taken: list[Delivery] = []
    consumer = await broker.consume(queue, taken.append, prefetch=_PREFETCH)
    try:
        async with asyncio.timeout(_REMAINS_S):
            while count > 0:
                while taken:
                    delivery = taken.pop()
                    # What waits for its next attempt has the queue that it will return to as its routing key.
                    origin = delivery.routing_key if ".retry." in queue else queue
                    account.remain(read_body(delivery.message.body), origin, queue)
                    delivery.ack()
                    count -= 1
                await asyncio.sleep(_LOOK_S)
    except TimeoutError:
        account.complain(Problem.STUCK, queue, f"holds {count} messages that it gives to nobody")
    finally:
        await consumer.close()


async def read_documents(store: RedisStore, account: Account) -> None:
    """Enter what the state store has."""
    offset, total = 0, 1
    while offset < total:
        documents, total = await store.documents.page(EFFECTS, offset=offset, limit=_PAGE)
        for document in documents:
            account.document(document["part"], document["id"])
        offset += _PAGE


def read_body(body: bytes) -> Job | Part:
    """A message of any queue. Raises pydantic's ValidationError for one that is not of ours."""
    return Part.model_validate_json(body) if b'"part"' in body else Job.model_validate_json(body)


def _reason(deaths: object) -> str:
    """Why the broker itself has dead-lettered it."""
    first = deaths[0] if isinstance(deaths, list) and deaths else {}
    return str(first.get("reason", "unknown")).upper() if isinstance(first, dict) else "unknown"
