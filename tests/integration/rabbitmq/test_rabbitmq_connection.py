"""RabbitMQ's connections: what is said when there is none, and what happens when one is lost."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING
from urllib.parse import quote, unquote, urlsplit

import pytest
from yarl import URL

from pipeline.broker.port import Delivery
from pipeline.broker.rabbitmq import RabbitMQBroker
from pipeline.broker.rabbitmq.link import Link
from pipeline.errors import NotConfirmed, PipelineError, Unreachable
from pipeline.messages.message import Message
from pipeline.provision.management import ManagementClient, NotFound
from pipeline.servers.process import free_ports
from pipeline.servers.rabbitmq import PrivateRabbitMQ
from pipeline.servers.tcp_proxy import tcp_proxy

if TYPE_CHECKING:
    from tests.integration.rabbitmq.conftest import Eventually

pytestmark = pytest.mark.rabbitmq
DEADLINE_S = 30.0


async def close_connections(management: ManagementClient, name: str, eventually: Eventually) -> None:
    """Have the broker close both connections of an engine of that name."""
    names: list[str] = []

    async def listed() -> bool:
        rows = await management.list("connections")
        names[:] = [row["name"] for row in rows if row.get("user_provided_name", "").startswith(name)]
        return len(names) == 2

    await eventually(listed)
    for each in names:
        with suppress(NotFound):
            await management.delete("connections", each)


async def test_a_connection_lost_while_publishing_fails_what_is_unconfirmed_and_loses_nothing_else(
    broker: RabbitMQBroker, management: ManagementClient, queue: str, eventually: Eventually
) -> None:
    stop = False
    confirmed: list[int] = []
    refused: list[int] = []

    async def publish_until_stopped() -> None:
        number = 0
        while not stop:
            batch = range(number, number + 50)
            number += 50
            results = await asyncio.gather(
                *[broker.publish("", queue, Message(b"%d" % each)) for each in batch], return_exceptions=True
            )
            for each, result in zip(batch, results, strict=True):
                assert result is None or isinstance(result, NotConfirmed), result
                (confirmed if result is None else refused).append(each)
            await asyncio.sleep(0.01)

    publishing = asyncio.ensure_future(publish_until_stopped())
    await eventually(lambda: len(confirmed) > 100)
    await close_connections(management, queue, eventually)
    await asyncio.wait_for(broker.closed(), DEADLINE_S)
    await eventually(lambda: bool(refused))
    stop = True
    await publishing
    await broker.connect()
    kept: set[int] = set()
    await broker.consume(queue, lambda delivery: kept.add(int(delivery.message.body)), prefetch=0)
    await eventually(lambda: set(confirmed) <= kept)


async def test_a_lost_connection_tells_consumers_and_takes_back_what_they_held(
    broker: RabbitMQBroker, management: ManagementClient, queue: str, eventually: Eventually
) -> None:
    seen: list[Delivery] = []
    lost: list[str] = []
    await broker.consume(queue, seen.append, prefetch=5, on_lost=lambda: lost.append("lost"))
    await asyncio.gather(*[broker.publish("", queue, Message(b"%d" % number)) for number in range(5)])
    await eventually(lambda: len(seen) == 5)
    closed = asyncio.ensure_future(broker.closed())
    await close_connections(management, queue, eventually)
    await asyncio.wait_for(closed, DEADLINE_S)
    await eventually(lambda: bool(lost))
    for delivery in seen:
        delivery.ack()  # too late: no error, no effect
    with pytest.raises(Unreachable):
        await broker.depth(queue)
    await broker.connect()
    await broker.consume(queue, seen.append, prefetch=5)
    await eventually(lambda: len(seen) == 10)
    assert [delivery.redelivered for delivery in seen[5:]] == [True] * 5
    assert lost == ["lost"]


async def test_a_connection_apart_is_shared_by_its_name_and_lost_with_the_others(
    broker: RabbitMQBroker, management: ManagementClient, queue: str, eventually: Eventually
) -> None:
    lost: list[str] = []
    for number in range(2):
        await broker.consume(
            queue, lambda _: None, prefetch=1, on_lost=lambda n=number: lost.append(f"apart {n}"), connection="slow"
        )
    await broker.consume(queue, lambda _: None, prefetch=1, on_lost=lambda: lost.append("main"))

    async def apart() -> list[str]:
        rows = await management.list("connections")
        return [row["name"] for row in rows if row.get("user_provided_name") == f"{queue} consume slow"]

    async def listed() -> bool:
        return len(await apart()) == 1

    await eventually(listed)
    closed = asyncio.ensure_future(broker.closed())
    await management.delete("connections", (await apart())[0])
    await asyncio.wait_for(closed, DEADLINE_S)
    await eventually(lambda: sorted(lost) == ["apart 0", "apart 1", "main"])
    await broker.connect()
    seen: list[Delivery] = []
    await broker.consume(queue, seen.append, prefetch=1, connection="slow")
    await broker.publish("", queue, Message(b"again"))
    await eventually(lambda: len(seen) == 1)


async def test_confirmed_messages_survive_a_killed_broker(own_rabbitmq: PrivateRabbitMQ) -> None:
    async with ManagementClient(own_rabbitmq.management_url, "/") as management:
        await management.put("queues", "/", "work", body={"durable": True})
    broker = RabbitMQBroker(own_rabbitmq.url)
    await broker.connect()
    await asyncio.gather(*[broker.publish("", "work", Message(b"%d" % number)) for number in range(100)])
    await asyncio.to_thread(own_rabbitmq.stop, kill=True)
    await asyncio.wait_for(broker.closed(), DEADLINE_S)
    with pytest.raises(Unreachable):
        await broker.connect()
    await asyncio.to_thread(own_rabbitmq.start)
    await broker.connect()
    assert (await broker.depth("work")).messages == 100
    await broker.close()


@pytest.mark.parametrize("break_off", ["reset", "silence"])
async def test_a_connection_that_breaks_or_falls_silent_is_noticed(
    rabbitmq_url: str, queue: str, break_off: str, eventually: Eventually
) -> None:
    parts = urlsplit(rabbitmq_url.split(",")[0])
    async with tcp_proxy(parts.hostname or "localhost", parts.port or 5672) as between:
        login = parts.netloc.rpartition("@")[0]
        broker = RabbitMQBroker(parts._replace(netloc=f"{login}@127.0.0.1:{between.port}").geturl(), heartbeat=1)
        await broker.connect()
        lost: list[str] = []
        await broker.consume(queue, lambda _: None, prefetch=1, on_lost=lambda: lost.append("lost"))
        if break_off == "reset":
            between.reset()
        else:
            between.silent = True
        unconfirmed = broker.publish("", queue, Message(b"nobody answers"))
        await asyncio.wait_for(broker.closed(), DEADLINE_S)
        with pytest.raises(NotConfirmed):
            await unconfirmed
        await eventually(lambda: bool(lost))
        await broker.close()


async def test_a_connection_given_up_the_moment_it_stands_is_closed(rabbitmq_url: str, eventually: Eventually) -> None:
    def stands() -> bool:
        return any("Connection.__reader" in repr(task.get_coro()) for task in asyncio.all_tasks())

    parts = urlsplit(rabbitmq_url.split(",")[0])
    async with tcp_proxy(parts.hostname or "localhost", parts.port or 5672) as between:
        login = parts.netloc.rpartition("@")[0]
        url = URL(parts._replace(netloc=f"{login}@127.0.0.1:{between.port}").geturl())
        opening = asyncio.ensure_future(Link(url, "given up", 30).open(DEADLINE_S))
        async with asyncio.timeout(DEADLINE_S):
            while not stands():
                assert not opening.done()
                await asyncio.sleep(0)
        opening.cancel()
        with pytest.raises(asyncio.CancelledError):
            await opening
        await eventually(lambda: between.open == 0)
        await eventually(lambda: not stands())


async def test_a_connection_that_ended_before_it_is_watched_is_told(rabbitmq_url: str, eventually: Eventually) -> None:
    parts = urlsplit(rabbitmq_url.split(",")[0])
    async with tcp_proxy(parts.hostname or "localhost", parts.port or 5672) as between:
        login = parts.netloc.rpartition("@")[0]
        link = Link(URL(parts._replace(netloc=f"{login}@127.0.0.1:{between.port}").geturl()), "unwatched", 30)
        await link.open(DEADLINE_S)
        channel = await link.open_channel()
        between.reset()
        await eventually(lambda: channel.is_closed)
        reasons: list[str] = []
        link.watch(reasons.append)
        await eventually(lambda: bool(reasons))
        await link.close()
        assert len(reasons) == 1
        assert reasons[0]


async def test_the_first_url_that_answers_is_taken(rabbitmq_url: str, queue: str) -> None:
    dead = f"amqp://guest:guest@127.0.0.1:{free_ports(1)[0]}/"
    broker = RabbitMQBroker(f"{dead}, {rabbitmq_url}")
    await broker.connect()
    await broker.publish("", queue, Message(b"arrived"))
    assert (await broker.depth(queue)).messages == 1
    await broker.close()


async def test_all_urls_that_failed_are_named_without_passwords(caplog: pytest.LogCaptureFixture) -> None:
    ports = free_ports(2)
    broker = RabbitMQBroker([f"amqp://me:s3cret@127.0.0.1:{port}/music" for port in ports])
    with pytest.raises(Unreachable) as failure:
        await broker.connect()
    said = str(failure.value)
    assert all(f"amqp://127.0.0.1:{port}, vhost music" in said for port in ports)
    assert_no_secret(failure.value, caplog, "s3cret")
    await asyncio.wait_for(broker.closed(), DEADLINE_S)


async def test_nobody_listening_is_said_with_host_port_and_vhost(caplog: pytest.LogCaptureFixture) -> None:
    port = free_ports(1)[0]
    with pytest.raises(Unreachable, match=rf"does not answer.*127\.0\.0\.1:{port}, vhost /\)") as failure:
        await RabbitMQBroker(f"amqp://me:s3cret@127.0.0.1:{port}").connect()
    assert_no_secret(failure.value, caplog, "s3cret")


async def test_a_server_that_never_answers_is_given_up() -> None:
    async def say_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    server = await asyncio.start_server(say_nothing, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    with pytest.raises(Unreachable, match="in time"):
        await RabbitMQBroker(f"amqp://127.0.0.1:{port}", connect_timeout=0.2).connect()
    server.close()
    await server.wait_closed()


async def test_a_server_that_speaks_something_else_is_not_taken_for_a_broker() -> None:
    async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(greet, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    with pytest.raises(Unreachable):
        await RabbitMQBroker(f"amqp://127.0.0.1:{port}", connect_timeout=5).connect()
    server.close()
    await server.wait_closed()


async def test_a_wrong_password_is_said_with_the_user_and_without_the_password(
    rabbitmq_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    parts = urlsplit(rabbitmq_url.split(",")[0])
    url = parts._replace(netloc=f"somebody:s3cret@{parts.hostname}:{parts.port}").geturl()
    with pytest.raises(Unreachable, match="refuses the login of user somebody") as failure:
        await RabbitMQBroker(url).connect()
    assert_no_secret(failure.value, caplog, "s3cret")


async def test_a_vhost_that_is_not_there_is_said(rabbitmq_url: str) -> None:
    parts = urlsplit(rabbitmq_url.split(",")[0])
    with pytest.raises(Unreachable, match="vhost no/where") as failure:
        await RabbitMQBroker(parts._replace(path=f"/{quote('no/where', safe='')}").geturl()).connect()
    assert "refuses the vhost" in failure.value.what


@pytest.mark.parametrize("url", ["http://me:s3cret@host", "me:s3cret@host", "amqp://me:s3cret@host:port", "amqp://"])
def test_a_url_that_is_none_is_refused_without_repeating_it(url: str) -> None:
    with pytest.raises(PipelineError) as failure:
        RabbitMQBroker(url)
    assert "s3cret" not in str(failure.value)
    assert "RABBITMQ_URL" in str(failure.value)


async def test_no_path_and_a_slash_are_the_vhost_of_that_name(rabbitmq_url: str, queue: str) -> None:
    parts = urlsplit(rabbitmq_url.split(",")[0])
    default = unquote(parts.path[1:]) in ("", "/")
    for path in ("", "/", "/%2F") if default else (parts.path,):
        broker = RabbitMQBroker(parts._replace(path=path).geturl())
        await broker.connect()
        assert (await broker.depth(queue)).messages == 0
        await broker.close()


def assert_no_secret(error: BaseException, caplog: pytest.LogCaptureFixture, secret: str) -> None:
    chain: BaseException | None = error
    while chain is not None:
        assert secret not in f"{chain} {chain!r} {chain.args}"
        chain = chain.__cause__ or chain.__context__
    assert secret not in caplog.text
