"""The embedded engine: the model behind the port, on the running asyncio loop."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable

from pipeline.broker.embedded.model import BrokerModel
from pipeline.broker.embedded.subscription import Subscription
from pipeline.broker.port import Delivery, Depth, Features
from pipeline.clock import Clock
from pipeline.errors import BrokerError, NotConfirmed, Unreachable
from pipeline.messages.message import Message
from pipeline.topology.definitions import Definitions

# Deliveries handed to one consumer in one turn of the loop, so that a busy queue does not hold up the rest.
_PER_TURN = 64


class EmbeddedBroker:
    """A `Broker` in this process. Messages outlive `close` and `connect`, but not the process."""

    features = Features(name="embedded", durable=False, many_processes=False)

    def __init__(self, definitions: Definitions | None = None, clock: Clock | None = None) -> None:
        self._model = BrokerModel(definitions, clock)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._closed = asyncio.Event()
        self._closed.set()
        self._consumers: set[_EmbeddedConsumer] = set()
        self._confirms: list[tuple[asyncio.Future[None], BrokerError | None]] = []

    @property
    def model(self) -> BrokerModel:
        """The model behind the port, to look into it or to delete from it."""
        return self._model

    def declare(self, definitions: Definitions) -> None:
        """Add what is missing and update policies, live. Idempotent. Raises PipelineError: see BrokerModel.declare."""
        self._model.declare(definitions)

    def definitions(self) -> Definitions:
        """What is declared."""
        return self._model.definitions()

    async def connect(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._closed.clear()

    async def close(self) -> None:
        for consumer in list(self._consumers):
            await consumer.close()
        self._model.release()
        self._closed.set()

    async def ping(self) -> None:
        self._connected()

    async def closed(self) -> None:
        await self._closed.wait()

    def publish(self, exchange: str, routing_key: str, message: Message) -> Awaitable[None]:
        loop = asyncio.get_running_loop()
        failure: BrokerError | None = None
        try:
            if self._closed.is_set():
                raise NotConfirmed("The embedded broker is not connected")
            self._model.publish(exchange, routing_key, message)
        except BrokerError as error:
            failure = error
        future: asyncio.Future[None] = loop.create_future()
        if not self._confirms:
            loop.call_soon(self._confirm)
        self._confirms.append((future, failure))
        return future

    async def consume(
        self,
        queue: str,
        on_delivery: Callable[[Delivery], None],
        *,
        prefetch: int,
        on_lost: Callable[[], None] | None = None,
        connection: str | None = None,
    ) -> _EmbeddedConsumer:
        consumer = _EmbeddedConsumer(self._connected(), on_delivery, on_lost, ended=self._consumers.discard)
        consumer.attach(self._model.subscribe(queue, consumer.deliver, prefetch=prefetch, on_lost=consumer.lose))
        self._consumers.add(consumer)
        return consumer

    async def get(self, queue: str) -> Delivery | None:
        self._connected()
        return self._model.get(queue)

    async def depth(self, queue: str) -> Depth:
        self._connected()
        return self._model.depth(queue)

    def arrived(self, queue: str) -> int:
        """All messages that ever came into a queue. Raises NoSuchQueue, Unreachable."""
        self._connected()
        return self._model.arrived(queue)

    async def purge(self, queue: str) -> int:
        self._connected()
        return self._model.purge(queue)

    async def has_exchange(self, exchange: str) -> bool:
        self._connected()
        return self._model.has_exchange(exchange)

    def _connected(self) -> asyncio.AbstractEventLoop:
        if self._closed.is_set() or self._loop is None:
            raise Unreachable("The embedded broker is not connected", fix="Call connect first")
        return self._loop

    def _confirm(self) -> None:
        """Confirm what was published in this turn of the loop, in its order."""
        confirms, self._confirms = self._confirms, []
        for future, failure in confirms:
            if future.done():
                continue
            if failure is None:
                future.set_result(None)
            else:
                future.set_exception(failure)
                future.exception()  # a publisher may have stopped waiting


class _EmbeddedConsumer:
    """A subscription whose deliveries reach `on_delivery` from the loop, never from within a publish."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        on_delivery: Callable[[Delivery], None],
        on_lost: Callable[[], None] | None,
        *,
        ended: Callable[[_EmbeddedConsumer], None],
    ) -> None:
        self._loop = loop
        self._on_delivery = on_delivery
        self._on_lost = on_lost
        self._ended = ended
        self._waiting: deque[Delivery] = deque()
        self._scheduled = False
        self._cancelled = False
        self._subscription: Subscription | None = None

    def attach(self, subscription: Subscription) -> None:
        self._subscription = subscription

    def deliver(self, delivery: Delivery) -> None:
        self._waiting.append(delivery)
        if not self._scheduled:
            self._scheduled = True
            self._loop.call_soon(self._dispatch)

    def lose(self) -> None:
        self._waiting.clear()
        self._cancelled = True
        self._ended(self)
        if self._on_lost is not None:
            self._loop.call_soon(self._on_lost)

    async def cancel(self) -> None:
        if self._cancelled or self._subscription is None:
            return
        self._cancelled = True
        self._subscription.cancel()
        while self._waiting:
            self._subscription.take_back(self._waiting.pop())

    async def close(self) -> None:
        self._cancelled = True
        unseen = list(self._waiting)
        self._waiting.clear()
        if self._subscription is not None:
            self._subscription.close(unseen)
        self._ended(self)

    def _dispatch(self) -> None:
        self._scheduled = False
        waiting = self._waiting
        try:
            for _ in range(_PER_TURN):
                if not waiting:
                    break
                self._on_delivery(waiting.popleft())
        finally:
            if waiting and not self._scheduled:
                self._scheduled = True
                self._loop.call_soon(self._dispatch)
