"""A client that sends what no client should, and what is asked of a shop that has been through an ordeal."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit

import aiormq
import pytest

from pipeline.broker.fieldtable import encode_table
from pipeline.messages.message import MESSAGE_NAME
from pipeline.provision.management import NotFound
from tests.shop import Shop, eventually

SECRET = "s3cret"
_SHORTS = {"content_type": 15, "content_encoding": 14, "correlation_id": 10, "message_id": 7}


class Properties:
    """Message properties in bytes of our own making, where aiormq expects its own."""

    message_id = "raw"

    def __init__(self, *, headers: dict[str, Any] | bytes | None = None, timestamp: int | None = None, **shorts: bytes):
        given: dict[int, bytes] = {_SHORTS[name]: bytes((len(text),)) + text for name, text in shorts.items()}
        named = {MESSAGE_NAME: "order"} if headers is None else headers
        given[13] = named if isinstance(named, bytes) else encode_table(named)
        if timestamp is not None:
            given[6] = struct.pack(">Q", timestamp)
        flags = sum(1 << bit for bit in given)
        self._data = struct.pack(">H", flags) + b"".join(given[bit] for bit in sorted(given, reverse=True))

    def marshal(self) -> bytes:
        return self._data


class Stranger:
    """Publishes to the shop as a foreign program does; confirmed."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._connection: aiormq.abc.AbstractConnection | None = None

    async def send(
        self, body: bytes, properties: Properties | None = None, *, exchange: str = "in", key: str = "order"
    ) -> None:
        if self._connection is None:
            self._connection = await aiormq.connect(self._url)
        channel = await self._connection.channel()
        sent = properties or Properties()
        await channel.basic_publish(body, exchange=exchange, routing_key=key, properties=sent)  # type: ignore[arg-type]
        await channel.close()

    async def close(self) -> None:
        if self._connection is not None:
            await self._connection.close()


@pytest.fixture
async def stranger(shop: Shop) -> AsyncIterator[Stranger]:
    made = Stranger(shop.amqp_url)
    yield made
    await made.close()


class User:
    """A user of the shop's vhost who may do what a worker does, and whose password is the secret."""

    def __init__(self, shop: Shop) -> None:
        self._shop = shop
        self.name = f"user-{shop.vhost}"
        parts = urlsplit(shop.amqp_url)
        self.url = parts._replace(netloc=f"{self.name}:{SECRET}@{parts.hostname}:{parts.port}").geturl()

    async def create(self) -> None:
        await self.change_password(SECRET)
        await self.permit()

    async def change_password(self, password: str) -> None:
        await self._shop.management.put("users", self.name, body={"password": password, "tags": ""})

    async def permit(self, **permissions: str) -> None:
        """Give permissions: everything that is not said otherwise here."""
        allowed = {"configure": "^$", "write": ".*", "read": ".*", **permissions}
        await self._shop.management.put("permissions", self._shop.vhost, self.name, body=allowed)

    async def cut(self) -> None:
        """Have the broker close the user's connections, both of a worker."""
        names: list[str] = []

        async def listed() -> bool:
            rows = await self._shop.management.list("connections")
            names[:] = [row["name"] for row in rows if row.get("user") == self.name]
            return len(names) == 2

        await eventually(listed)
        for each in names:
            with suppress(NotFound):
                await self._shop.management.delete("connections", each)

    async def delete(self) -> None:
        with suppress(NotFound):
            await self._shop.management.delete("users", self.name)


@pytest.fixture
async def user(shop: Shop) -> AsyncIterator[User]:
    made = User(shop)
    yield made
    await made.delete()


def said(logs: list[Any], event: str, reason: str = "") -> Callable[[], bool]:
    """Whether the worker has logged that."""
    return lambda: any(each["event"].startswith(event) and reason in each.get("reason", "") for each in logs)


@pytest.fixture(autouse=True)
def _nothing_said_that_should_not_be(
    capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> Iterator[None]:
    """No traceback, and nothing of a body or a password, whatever happens."""
    yield
    said = "".join(capfd.readouterr()) + caplog.text
    assert "Traceback" not in said
    assert SECRET not in said


async def at_rest(shop: Shop) -> None:
    """Until nothing waits and nothing is worked on."""

    async def resting() -> bool:
        waiting = [await shop.depth(name) for name in ("orders", "shop.retry.100ms", "shop.retry.200ms")]
        return not any(waiting) and not any(worker.held for worker, *_ in shop.workers)

    await eventually(resting)


async def serves(shop: Shop, number: int) -> None:
    """The worker is alive: it answers one more order, and after that nothing is left anywhere."""
    assert not any(task.done() for _, task, *_ in shop.workers)
    await shop.publish({"number": number}, id=f"after-{number}")
    assert await shop.answers(1) == [number]
    await at_rest(shop)
    await asyncio.sleep(0)
    assert await shop.depth("answers") == await shop.depth("orders.dlq") == 0
