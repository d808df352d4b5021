"""The RabbitMQ engine: a connection that publishes, one that consumes, and those that consumers have apart."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

import structlog
from aiormq.abc import AbstractChannel
from yarl import URL

from pipeline.broker.port import Delivery, Depth, Features
from pipeline.broker.rabbitmq.consumer import RabbitMQConsumer
from pipeline.broker.rabbitmq.getter import Getter
from pipeline.broker.rabbitmq.ledgered import Ledger, LedgeredTransfer
from pipeline.broker.rabbitmq.link import ChannelGone, Link, answer, place, vhost
from pipeline.broker.rabbitmq.publisher import Publisher
from pipeline.broker.rabbitmq.transfer import Rewrite, Transfer
from pipeline.errors import BrokerError, NoSuchQueue, NotConfirmed, PipelineError, Unreachable
from pipeline.messages.message import Message

_PING_TIMEOUT_S = 5.0
_NOT_FOUND, _LOCKED = 404, 405
_log = structlog.get_logger()
_T = TypeVar("_T")


class RabbitMQBroker:
    """A `Broker` on RabbitMQ. It does not reconnect: `closed` returns, and `connect` may be called again.

    Publishing has a connection of its own, since RabbitMQ stops reading one whose publishes it can't take:
    acks must go on then.

    Args:
        urls: `amqp[s]://user:pass@host:port/vhost`, tried in this order; a string may hold several, by commas.
        name: what the broker shows as the connection's name.
        heartbeat: seconds; a peer that is silent for about three times as long is given up.
        connect_timeout: seconds, for each URL.
    Raises: PipelineError for a URL that is none.
    """

    features = Features(name="rabbitmq", durable=True, many_processes=True)

    def __init__(
        self, urls: Sequence[str] | str, *, name: str = "pipeline", heartbeat: int = 30, connect_timeout: float = 10.0
    ) -> None:
        parts = urls.split(",") if isinstance(urls, str) else urls
        self._urls = [_parsed(part.strip()) for part in parts if part.strip()]
        if not self._urls:
            raise PipelineError("There is no URL of RabbitMQ", fix="Set RABBITMQ_URL")
        self._name = name
        self._heartbeat = heartbeat
        self._connect_timeout = connect_timeout
        self._closed = asyncio.Event()
        self._closed.set()
        self._reason = "connect was not called"
        self._publishing: Link | None = None
        self._consuming: Link | None = None
        self._apart: dict[str, Link] = {}
        self._apart_lock = asyncio.Lock()
        self._publisher: Publisher | None = None
        self._getter: Getter | None = None
        self._control: AbstractChannel | None = None
        self._control_lock = asyncio.Lock()
        self._consumers: set[RabbitMQConsumer | Transfer] = set()
        self._url = self._urls[0]
        self._tidying: asyncio.Task[None] | None = None

    @property
    def blocked(self) -> bool:
        """Whether RabbitMQ has stopped taking messages (memory or disk alarm); publishes wait until it takes them."""
        return self._publishing is not None and self._publishing.blocked

    @property
    def user(self) -> str:
        """Who is logged in."""
        return self._url.user or "guest"

    async def connect(self) -> None:
        await self.close()
        failures: list[Unreachable] = []
        for url in self._urls:
            try:
                await self._connect_to(url)
            except Unreachable as failure:
                failures.append(failure)
            else:
                for failed in failures:
                    _log.warning("a RabbitMQ could not be used; the next one is", reason=str(failed))
                return
        if len(failures) == 1:
            raise failures[0]
        tried = "; ".join(f"{failure.where}: {failure.what}" for failure in failures)
        raise Unreachable("No RabbitMQ answers", where=tried, fix="Start one, or correct the URLs") from failures[-1]

    async def close(self) -> None:
        await asyncio.gather(*(consumer.close() for consumer in list(self._consumers)))
        if self._getter is not None:
            await self._getter.close()
        self._end("closed")
        await asyncio.shield(self._tidy())

    async def ping(self) -> None:
        try:
            async with asyncio.timeout(_PING_TIMEOUT_S):
                await self._ask(lambda channel: channel.basic_qos(prefetch_count=0))
        except (TimeoutError, ChannelGone) as error:
            raise self._unreachable(f"RabbitMQ does not answer: {error or 'timeout'}") from error

    async def closed(self) -> None:
        await self._closed.wait()

    def publish(self, exchange: str, routing_key: str, message: Message) -> Awaitable[None]:
        """See the port. Raises TypeError or ValueError at once where a property can't travel in AMQP."""
        if self._publisher is None:
            failed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            failed.set_exception(NotConfirmed(f"Not connected to RabbitMQ: {self._reason}"))
            failed.exception()
            return failed
        return self._publisher.publish(exchange, routing_key, message)

    async def consume(
        self,
        queue: str,
        on_delivery: Callable[[Delivery], None],
        *,
        prefetch: int,
        on_lost: Callable[[], None] | None = None,
        connection: str | None = None,
    ) -> RabbitMQConsumer:
        link = self._link() if connection is None else await self._link_apart(connection)
        consumer = RabbitMQConsumer(link, queue, on_delivery, on_lost, ended=self._consumers.discard)
        self._consumers.add(consumer)
        try:
            await consumer.open(prefetch)
        except ChannelGone as gone:
            await consumer.close()
            raise self._failure(queue, gone) from gone
        return consumer

    async def get(self, queue: str) -> Delivery | None:
        # Asked first, since getting from a queue that isn't there costs all other gets their channel.
        await self.depth(queue)
        try:
            return await (await self._open_getter()).get(queue)
        except ChannelGone as gone:
            raise self._failure(queue, gone) from gone

    async def depth(self, queue: str) -> Depth:
        try:
            declared = await self._ask(lambda channel: channel.queue_declare(queue, passive=True))
        except ChannelGone as gone:
            raise self._failure(queue, gone) from gone
        return Depth(declared.message_count or 0, declared.consumer_count or 0)

    async def purge(self, queue: str) -> int:
        try:
            purged = await self._ask(lambda channel: channel.queue_purge(queue))
        except ChannelGone as gone:
            raise self._failure(queue, gone) from gone
        return purged.message_count or 0

    async def has_exchange(self, exchange: str) -> bool:
        try:
            await self._ask(lambda channel: channel.exchange_declare(exchange, passive=True))
        except ChannelGone as gone:
            if gone.code == _NOT_FOUND:
                return False
            raise self._failure(exchange, gone) from gone
        return True

    async def transfer(
        self,
        source: str,
        exchange: str,
        rewrite: Rewrite,
        *,
        prefetch: int,
        before_redelivered: Callable[[], Awaitable[None]] | None = None,
        ledger: Ledger | None = None,
    ) -> Transfer:
        """Move what is in a queue, and what comes, to an exchange, until it is closed.

        See `Transfer`, and with a ledger `LedgeredTransfer`. Raises NoSuchQueue, BrokerError, Unreachable.
        """
        link, ended = self._link(), self._consumers.discard
        if ledger is None:
            transfer = Transfer(link, source, exchange, rewrite, before_redelivered, ended)
        else:
            transfer = LedgeredTransfer(link, source, exchange, rewrite, before_redelivered, ended, ledger)
        self._consumers.add(transfer)
        try:
            await transfer.open(prefetch)
        except ChannelGone as gone:
            await transfer.close()
            raise self._failure(source, gone) from gone
        return transfer

    async def lock(self, name: str) -> bool:
        """Whether no other connection has locked this name; the lock ends with the connection. Raises Unreachable.

        It is an exclusive queue, which the broker deletes even if this process is killed.
        """
        try:
            await self._ask(lambda channel: channel.queue_declare(name, exclusive=True, auto_delete=True))
        except ChannelGone as gone:
            if gone.code == _LOCKED:
                return False
            raise self._failure(name, gone) from gone
        return True

    async def _connect_to(self, url: URL) -> None:
        publishing = Link(url, f"{self._name} publish", self._heartbeat)
        consuming = Link(url, f"{self._name} consume", self._heartbeat)
        publisher = Publisher(publishing)
        try:
            await publishing.open(self._connect_timeout)
            await consuming.open(self._connect_timeout)
            await publisher.open()
        except BaseException as error:
            await publishing.close()
            await consuming.close()
            if isinstance(error, ChannelGone):
                raise Unreachable(f"RabbitMQ closes the connection: {error.reason}", where=place(url)) from error
            raise
        self._url, self._publishing, self._consuming, self._publisher = url, publishing, consuming, publisher
        self._closed.clear()
        publishing.watch(self._on_lost)
        consuming.watch(self._on_lost)

    def _on_lost(self, reason: str) -> None:
        if not self._closed.is_set():
            self._end(reason)
            self._tidy()

    def _end(self, reason: str) -> None:
        """Tell everyone who waits for something that it won't come."""
        self._reason = reason
        publisher, self._publisher = self._publisher, None
        if publisher is not None:
            publisher.lose(reason)
        getter, self._getter = self._getter, None
        if getter is not None:
            getter.lose(0, reason)
        for consumer in list(self._consumers):
            consumer.lose(reason)
        self._control = None
        self._closed.set()

    def _tidy(self) -> asyncio.Task[None]:
        """Close the connections, also where who asks for it is cancelled meanwhile."""
        self._tidying = asyncio.get_running_loop().create_task(self._close_links(self._tidying))
        return self._tidying

    async def _close_links(self, before: asyncio.Task[None] | None) -> None:
        if before is not None:
            await before
        links, self._publishing, self._consuming = (
            (self._publishing, self._consuming, *self._apart.values()),
            None,
            None,
        )
        self._apart = {}
        for link in links:
            if link is not None:
                await link.close()

    async def _open_getter(self) -> Getter:
        async with self._control_lock:
            if self._getter is None or self._getter.is_over:
                getter = Getter(self._link())
                await getter.open()
                self._getter = getter
            return self._getter

    async def _ask(self, question: Callable[[AbstractChannel], Awaitable[_T]]) -> _T:
        """One question after the other, on a channel that is opened again when an answer closed it."""
        async with self._control_lock:
            link = self._link()
            if self._control is None:
                self._control = await link.open_channel()
            try:
                return await answer(question(self._control))
            except BaseException:
                self._control = None  # closed by the broker, or by aiormq when the question is abandoned
                raise

    def _link(self) -> Link:
        if self._consuming is None or self._closed.is_set():
            raise self._unreachable(f"Not connected to RabbitMQ: {self._reason}")
        return self._consuming

    async def _link_apart(self, connection: str) -> Link:
        async with self._apart_lock:
            self._link()
            if connection not in self._apart:
                link = Link(self._url, f"{self._name} consume {connection}", self._heartbeat)
                await link.open(self._connect_timeout)
                if self._closed.is_set():  # what belongs together was lost meanwhile
                    await link.close()
                self._link()
                self._apart[connection] = link
                link.watch(self._on_lost)
            return self._apart[connection]

    def _failure(self, queue: str, gone: ChannelGone) -> BrokerError | Unreachable:
        if gone.code == _NOT_FOUND:
            return NoSuchQueue(f"There is no queue {queue!r} in vhost {vhost(self._url)}")
        if gone.code:
            return BrokerError(f"RabbitMQ refuses: {gone.reason}")
        return self._unreachable(f"The connection to RabbitMQ was lost: {gone.reason}")

    def _unreachable(self, what: str) -> Unreachable:
        return Unreachable(what, where=place(self._url), fix="Check that RabbitMQ runs there")


def _parsed(text: str) -> URL:
    """Raises PipelineError, which does not repeat the URL: it may hold a password."""
    try:
        url = URL(text)
        valid = url.scheme in ("amqp", "amqps") and bool(url.host)
    except ValueError:
        valid = False
    if not valid:
        raise PipelineError(
            "RABBITMQ_URL is not a URL of RabbitMQ", fix="Write it as amqp://user:password@host:5672/vhost"
        )
    return url
