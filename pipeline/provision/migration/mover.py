"""Messages from one queue to another: with everything they came with, none lost, copies told from originals.

A message is acked where it was once its arrival is confirmed. Whoever is killed in between leaves at most `window`
messages in both places. Which they are is told on either way in another manner:

- *Out of the queue*, beside its consumers: each message gets a stamp (`x-migration-id`), and what has been acked is
  written into a ledger (see `LedgeredTransfer`, and `account`). A copy whose original was not acked is left out on the
  way back: the original has gone back into the queue, and a consumer has taken it, or it was moved again.
- *Back into the queue*, whose consumers take what arrives: the exchange that leads to it also leads to a *witness*, a
  queue with copies of what was moved last. One publish puts a message into both or into neither. What comes again,
  marked as redelivered, and has its copy in the witness, is acked and not moved a second time. It is told by its id
  (or by its stamp, if it has none), its routing key and its body together.

What remains:

- Of messages without an id that came during the migration, and so were not stamped, up to `window` may be there twice
  for each kill while they are put into the queue.
- Ledger and witness are not durable. After a restart of the broker, and in a cluster, where one of two queues can be
  lost, they prove nothing and are not used; nor the witness where the queue may refuse what its witness takes. A kill
  can then leave up to `window` messages twice; the ledger of our stages drops them by their id.
"""

from __future__ import annotations

import asyncio
import hashlib
import itertools
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from pipeline.broker.port import Delivery
from pipeline.broker.rabbitmq import RabbitMQBroker
from pipeline.broker.rabbitmq.ledgered import Ledger
from pipeline.broker.rabbitmq.transfer import Parcel, Transfer
from pipeline.errors import NoSuchQueue
from pipeline.provision.migration.carried import MIGRATION_ID, carried, readable, untouched

_WITNESS_TIMEOUT_S = 30.0


async def until_empty(broker: RabbitMQBroker, transfer: Transfer, source: str) -> None:
    """Until no message is ready. Raises BrokerError, Unreachable."""
    while True:
        await transfer.idle()
        if not (await broker.depth(source)).messages:
            return


class Outward:
    """Out of a queue that others consume as well.

    Args:
        window: messages that may be on their way at a time.
        ledger: None where there can't be one.
    """

    def __init__(self, broker: RabbitMQBroker, *, window: int, ledger: Ledger | None) -> None:
        self._broker = broker
        self._window = window
        self._ledger = ledger
        self._user = broker.user.encode()
        self._run = ledger.run if ledger else uuid.uuid4().hex
        self._numbers = itertools.count(1)

    @asynccontextmanager
    async def moving(self, source: str, exchange: str) -> AsyncIterator[Transfer]:
        """A transfer for as long as the context lasts. Raises NoSuchQueue, BrokerError, Unreachable."""
        self._numbers = itertools.count(1)
        transfer = await self._broker.transfer(
            source, exchange, self.rewrite, prefetch=self._window, ledger=self._ledger
        )
        try:
            yield transfer
        finally:
            await transfer.close()

    def rewrite(self, parcel: Parcel) -> bytes:
        """The properties to move it with: deliveries are numbered in their order, as in the ledger."""
        number = next(self._numbers)
        properties = readable(parcel)
        if properties is None:
            return untouched(parcel)
        return carried(properties, parcel, self._user, stamp=f"{self._run}-{number}")


class Homeward:
    """Back into a queue whose consumers take what arrives.

    Args:
        window: messages that may be on their way at a time.
        witness: the queue with copies of what was moved last to the same exchange; None where there is none.
        surplus: whether a stamp is that of a copy to be left out.
    """

    def __init__(
        self, broker: RabbitMQBroker, *, window: int, witness: str | None, surplus: Callable[[str], bool]
    ) -> None:
        self._broker = broker
        self._window = window
        self._witness = witness
        self._surplus = surplus
        self._user = broker.user.encode()
        self._known: set[bytes] = set()

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

    def rewrite(self, parcel: Parcel) -> bytes | None:
        """The properties to move it with; None if it is to be left out."""
        properties = readable(parcel)
        if properties is None:
            return untouched(parcel)
        stamp = properties.header(MIGRATION_ID)
        if isinstance(stamp, str) and self._surplus(stamp):
            return None
        route = parcel.route
        identity = properties.message_id or _bytes_of(stamp)
        if route.redelivered and identity and _digest(identity, route.routing_key, parcel.body) in self._known:
            return None
        if properties.message_id:
            properties.remove_headers({MIGRATION_ID})
        return carried(properties, parcel, self._user)

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
