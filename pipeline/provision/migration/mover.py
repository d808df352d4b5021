"""Messages from one queue to another: with everything they came with, none lost, copies told from originals.

A message is acked where it was once its arrival is confirmed. Killed in between, at most `window` messages are in
both places. To tell them, the exchange that leads to the target also leads to a *witness*: a queue that keeps copies
of the last messages moved. One publish puts a message into both or into neither. What comes again, marked by the
broker as redelivered, and has its copy in the witness, is acked and not moved a second time.

A copy is told by its message id, routing key and body together, so that two messages that only share an id are both
kept. A message without an id gets a header of ours (`x-migration-id`) on its way out of its queue, by which it is told
on its way back. What remains:

- Messages without an id may be there twice if the process is killed while they leave the queue, or while those that
  came during the migration are put into it: at most `window` of them, for each kill.
- The witness is not durable. After a restart of the broker, and in a cluster, where a node can be lost between the
  two queues, it proves nothing and is not used; nor where the target may refuse messages that its witness takes. A
  kill can then leave up to `window` messages twice; the ledger of our stages drops them by their id.
"""

from __future__ import annotations

import asyncio
import hashlib
import itertools
import struct
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from pipeline.broker.port import Delivery
from pipeline.broker.rabbitmq import RabbitMQBroker
from pipeline.broker.rabbitmq.properties import Properties
from pipeline.broker.rabbitmq.transfer import Parcel, Transfer
from pipeline.errors import NoSuchQueue
from pipeline.messages.message import ORIGINAL_EXCHANGE, ORIGINAL_ROUTING_KEY

MIGRATION_ID = "x-migration-id"
_PROPERTIES = 12
# Written by the broker on each delivery; a copy would be taken for its own.
_BROKER_HEADERS = frozenset({"x-delivery-count", "x-acquired-count"})
_WITNESS_TIMEOUT_S = 30.0


class Mover:
    """Moves messages between queues of one vhost.

    Args:
        window: messages that may be on their way at a time.
        stamp: whether messages without an id get one of ours.
        witness: the queue with copies of what was moved last to the same exchange; None where there is none.
    """

    def __init__(self, broker: RabbitMQBroker, *, window: int, stamp: bool, witness: str | None) -> None:
        self._broker = broker
        self._window = window
        self._witness = witness
        self._user = broker.user.encode()
        self._known: set[bytes] = set()
        self._stamps = (f"{uuid.uuid4().hex}-{number}" for number in itertools.count()) if stamp else None

    @asynccontextmanager
    async def moving(self, source: str, exchange: str) -> AsyncIterator[Transfer]:
        """A transfer for as long as the context lasts. Raises NoSuchQueue, BrokerError, Unreachable."""
        transfer = await self._broker.transfer(
            source,
            exchange,
            self.rewrite,
            prefetch=self._window,
            before_redelivered=self._read_witness if self._witness else None,
        )
        try:
            yield transfer
        finally:
            await transfer.close()
            if transfer.refused and self._witness:
                # It may have taken what the target did not.
                await self._broker.purge(self._witness)

    async def until_empty(self, transfer: Transfer, source: str) -> None:
        """Until no message is ready. Raises BrokerError, Unreachable."""
        while True:
            await transfer.idle()
            if not (await self._broker.depth(source)).messages:
                return

    def rewrite(self, parcel: Parcel) -> bytes | None:
        """The properties to move it with; None if it has been moved before.

        They are the original's bytes, but: persistent; without a user id that is not ours, which the broker would
        refuse; with the exchange and key it was first published with, in the headers that retries keep them in.
        """
        route = parcel.route
        try:
            properties = Properties(parcel.header)
        except (ValueError, IndexError, struct.error):
            return parcel.header[_PROPERTIES:]
        if route.redelivered and self._known:
            identity = properties.message_id or _bytes_of(properties.header(MIGRATION_ID))
            if identity is not None and _digest(identity, route.routing_key, parcel.body) in self._known:
                return None
        properties.persist()
        properties.remove_headers(_BROKER_HEADERS)
        if properties.user_id not in (None, self._user):
            properties.remove_user_id()
        added: dict[str, str] = {}
        if self._stamps is not None and not properties.message_id and properties.header(MIGRATION_ID) is None:
            added[MIGRATION_ID] = next(self._stamps)
        if properties.header(ORIGINAL_ROUTING_KEY) is None:
            added |= {ORIGINAL_EXCHANGE: route.exchange, ORIGINAL_ROUTING_KEY: route.routing_key}
        if added:
            properties.add_headers(added)
        return properties.encode()

    async def _read_witness(self) -> None:
        """Read the witness, once the channel whose messages it saw is surely gone: some of them have come back."""
        assert self._witness is not None
        copies: list[Delivery] = []
        complete = asyncio.Event()

        def take(copy: Delivery) -> None:
            copies.append(copy)
            if len(copies) >= expected:
                complete.set()

        try:
            expected = (await self._broker.depth(self._witness)).messages
            if not expected:
                return
            consumer = await self._broker.consume(self._witness, take, prefetch=0)
        except NoSuchQueue:
            return
        try:
            async with asyncio.timeout(_WITNESS_TIMEOUT_S):
                await complete.wait()
        finally:
            await consumer.close()
        for copy in copies:
            message = copy.message
            identity = message.message_id or message.headers.get(MIGRATION_ID)
            if encoded := _bytes_of(identity):
                self._known.add(_digest(encoded, copy.routing_key, message.body))


def _digest(identity: bytes, routing_key: str, body: bytes) -> bytes:
    hashed = hashlib.blake2b(digest_size=16)
    for part in (identity, routing_key.encode(), body):
        hashed.update(len(part).to_bytes(8, "big"))
        hashed.update(part)
    return hashed.digest()


def _bytes_of(value: object) -> bytes | None:
    if isinstance(value, str):
        value = value.encode()
    return value if isinstance(value, bytes) and value else None
