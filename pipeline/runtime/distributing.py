"""From a queue that everybody publishes to into its partitions, by the key of each message."""

from __future__ import annotations

from hashlib import blake2b

import structlog

from pipeline.broker.port import Broker, Delivery
from pipeline.errors import BrokerError
from pipeline.runtime.attempt import Outcome
from pipeline.runtime.availability import Availability
from pipeline.runtime.envelope import envelope_of, headers_of_next_attempt
from pipeline.runtime.hold import Hold
from pipeline.runtime.lanes import Handles, Keys
from pipeline.runtime.order import Turn
from pipeline.runtime.republishing import republish

_log = structlog.get_logger()


class Distributor:
    """Publishes each delivery of one queue into the partition of its key, and acks it then.

    Who publishes to the queue knows nothing of partitions, so foreign publishers are distributed as well. What has
    no key, or is not valid, is handled at once, by the stage itself.

    Args:
        exchange: in front of the partitions.
        partitions: how many there are.
        hashed: whether that exchange does the hashing.
        hold_s: how long a delivery is held before it is returned, where the broker takes it nowhere.
    """

    def __init__(
        self,
        broker: Broker,
        exchange: str,
        partitions: int,
        keys: Keys,
        handler: Handles,
        broker_up: Availability,
        *,
        hashed: bool,
        hold_s: float,
    ) -> None:
        self._broker = broker
        self._exchange = exchange
        self._partitions = partitions
        self._keys = keys
        self._handler = handler
        self._broker_up = broker_up
        self._hashed = hashed
        self._hold_s = hold_s

    async def handle(self, delivery: Delivery, hold: Hold, turn: Turn | None = None) -> Outcome:
        key = self._keys.identify(delivery, hold.queue)
        if key is None:
            return await self._handler.handle(delivery, hold)
        envelope = envelope_of(delivery, hold.queue)
        headers = headers_of_next_attempt(envelope, envelope.attempt)
        routing_key = _short(key) if self._hashed else str(partition_of(key, self._partitions) + 1)
        try:
            await republish(self._broker, self._exchange, routing_key, delivery.message, headers)
        except BrokerError as error:
            if not await self._broker_up.lost_within(self._hold_s):
                _log.error(
                    "a message can be put into none of its queue's partitions; run `pipeline apply`",
                    queue=delivery.queue,
                    exchange=self._exchange,
                    reason=str(error),
                )
            return Outcome.RETURNED
        delivery.ack()
        return Outcome.COMPLETED


def partition_of(key: str, partitions: int) -> int:
    """Which of so many partitions a key belongs to; of n + 1, one in n + 1 keys is in another one than before.

    Jump consistent hash: J. Lamping, E. Veach, "A Fast, Minimal Memory, Consistent Hash Algorithm", 2014.
    """
    state = int.from_bytes(blake2b(key.encode(errors="surrogatepass"), digest_size=8).digest())
    partition, jump = -1, 0
    while jump < partitions:
        partition = jump
        state = (state * 2862933555777941757 + 1) & 0xFFFFFFFFFFFFFFFF
        jump = int((partition + 1) * (1 << 31) / ((state >> 33) + 1))
    return partition


def _short(key: str) -> str:
    """A routing key has at most 255 bytes; a longer key's digest serves as well."""
    try:
        fits = len(key.encode()) <= 255
    except UnicodeEncodeError:
        fits = False
    return key if fits else blake2b(key.encode(errors="surrogatepass")).hexdigest()
