"""What a user is told when the management API is not well, not there, or not a management API."""

from __future__ import annotations

import asyncio
import gzip
import json
import random
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from pipeline.errors import PipelineError, Unreachable
from pipeline.provision.management import Denied, ManagementClient, NotFound, Refused
from pipeline.provision.observe import observe

_SECRET = "s3cr/t@p%"
_Reply = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def _server(reply: _Reply) -> AsyncIterator[int]:
    """A server on a free loopback port."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await reply(reader, writer)
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]


@asynccontextmanager
async def _client(port: int, *, timeout_s: float = 20, scheme: str = "http") -> AsyncIterator[ManagementClient]:
    url = f"{scheme}://user:s3cr%2Ft%40p%25@127.0.0.1:{port}"
    async with ManagementClient(url, "music", timeout_s=timeout_s) as client:
        yield client


def _always(status: str, body: bytes, *headers: str, kind: str = "application/json") -> _Reply:
    head = "\r\n".join([f"HTTP/1.1 {status}", f"content-type: {kind}", f"content-length: {len(body)}", *headers])

    async def reply(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(head.encode() + b"\r\nconnection: close\r\n\r\n" + body)
        await writer.drain()

    return reply


def _error(reason: str) -> bytes:
    return json.dumps({"error": "e", "reason": reason}).encode()


async def _told(reply: _Reply) -> PipelineError:
    """The error with which a look at the broker ends; checked to name the address and no credential."""
    async with _server(reply) as port, _client(port) as client:
        with pytest.raises(PipelineError) as caught:
            await observe(client)
    _check_no_secret(caught.value)
    assert f"127.0.0.1:{port}" in str(caught.value)
    assert caught.value.fix
    return caught.value


def _check_no_secret(error: BaseException) -> None:
    shown: BaseException | None = error
    while shown is not None:
        for secret in (_SECRET, "s3cr", "user:", "dXNlcjpz"):
            assert secret not in f"{shown} {shown!r}"
        shown = shown.__cause__


async def test_a_wrong_password_is_told_as_such() -> None:
    told = await _told(_always("401 Unauthorized", _error("Login failed")))
    assert isinstance(told, Denied)
    assert "user name or the password" in told.what


async def test_a_login_page_that_asks_for_other_credentials_is_told_as_a_wrong_password() -> None:
    told = await _told(_always("401 Unauthorized", b"<html>please log in</html>", kind="text/html"))
    assert isinstance(told, Denied)


@pytest.mark.parametrize(
    ("status", "reason", "fix"),
    [
        ("401 Unauthorized", "Not management user", '"management"'),
        ("401 Unauthorized", "User not authorised to access object", '"policymaker"'),
        ("401 Unauthorized", "User not authorised to access virtual host", 'the vhost "music"'),
        ("401 Unauthorized", "Access refused.", "configure"),
        ("403 Forbidden", "ACCESS_REFUSED - queue 'q'", "configure"),
        ("403 Forbidden", "", "configure"),
    ],
)
async def test_a_missing_right_is_named(status: str, reason: str, fix: str) -> None:
    told = await _told(_always(status, _error(reason)))
    assert isinstance(told, Denied)
    assert fix in told.fix


@pytest.mark.parametrize(("status", "reason"), [("404 Not Found", "Not Found"), ("400 Bad Request", "vhost_not_found")])
async def test_a_missing_vhost_is_named(status: str, reason: str) -> None:
    told = await _told(_always(status, _error(reason)))
    assert isinstance(told, NotFound)
    assert '"music"' in told.what
    assert "add_vhost" in told.fix


@pytest.mark.parametrize(
    "reply",
    [
        _always("404 Not Found", b"<html>nginx</html>", kind="text/html"),
        _always("404 Not Found", b""),
        _always("200 OK", b"<html>welcome</html>", kind="text/html"),
        _always("200 OK", b""),
        _always("200 OK", b'[{"name": "trunc'),
        _always("200 OK", b'{"an": "object"}'),
        _always("200 OK", b"[1, 2]"),
        _always("200 OK", b'[{"name": "\xff"}]'),
        _always("200 OK", b"[" * 100_000),
        _always("405 Method Not Allowed", b""),
        _always(
            "200 OK", gzip.compress(random.Random(1).randbytes(1000).hex().encode())[:500], "content-encoding: gzip"
        ),
        _always("200 OK", b"no gzip", "content-encoding: gzip"),
    ],
    ids=[
        "404 of a web server",
        "404 with nothing",
        "a web page",
        "nothing",
        "truncated JSON",
        "another document",
        "another list",
        "not UTF-8",
        "a nesting without end",
        "405",
        "truncated gzip",
        "no gzip",
    ],
)
async def test_what_is_not_a_management_api_is_told_as_such(reply: _Reply) -> None:
    told = await _told(reply)
    assert not isinstance(told, Unreachable)
    assert "RABBITMQ_MANAGEMENT_URL" in told.fix


async def test_truncated_json_is_told_from_a_web_page() -> None:
    assert "broken JSON" in (await _told(_always("200 OK", b"[{"))).what
    assert "text/html" in (await _told(_always("200 OK", b"<html>", kind="text/html"))).what


async def test_definitions_of_an_unknown_form_are_told_with_their_place() -> None:
    told = await _told(_always("200 OK", b'[{"name": "q", "source": "e", "destination": "q"}]'))
    assert "Not RabbitMQ definitions: " in told.what


async def test_a_failing_broker_is_told_with_its_status_and_reason() -> None:
    told = await _told(_always("500 Internal Server Error", _error("{badmatch,\n &lt;&lt;1&gt;&gt;}\x1b[2J")))
    assert "HTTP 500: {badmatch, <<1>>}" in told.what
    assert told.what.isprintable()


async def test_a_failing_proxy_is_told_with_its_status() -> None:
    assert "HTTP 502" in (await _told(_always("502 Bad Gateway", b"<html>", kind="text/html"))).what


async def test_a_redirect_is_not_followed_with_the_password_but_told() -> None:
    told = await _told(_always("301 Moved Permanently", b"", "location: https://u:p@elsewhere.example/api/"))
    assert "https://elsewhere.example/api/" in told.what


async def test_half_an_answer_is_told_as_broken() -> None:
    async def reply(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 1000\r\n\r\n[{")
        await writer.drain()

    assert "broke off" in (await _told(reply)).what


async def test_a_server_that_only_hangs_up_is_unreachable() -> None:
    async def reply(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")

    assert isinstance(await _told(reply), Unreachable)


async def test_at_an_amqp_port_the_management_apis_port_is_told() -> None:
    async def reply(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readexactly(8)
        writer.write(b"AMQP\x00\x00\x09\x01")
        await writer.drain()

    assert "15672" in (await _told(reply)).fix


async def test_https_to_a_plain_http_server_is_told() -> None:
    async def reply(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(100)
        writer.write(b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
        await writer.drain()

    async with _server(reply) as port, _client(port, scheme="https") as client:
        with pytest.raises(Unreachable) as caught:
            await observe(client)
    assert "plain http" in caught.value.fix
    _check_no_secret(caught.value)


async def test_a_refused_connection_is_unreachable() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        async with _client(unused.getsockname()[1]) as client:
            with pytest.raises(Unreachable) as caught:
                await observe(client)
    assert caught.value.exit_code == 69
    assert "rabbitmq_management" in caught.value.fix
    _check_no_secret(caught.value)


async def test_a_host_that_does_not_exist_is_unreachable() -> None:
    async with ManagementClient("http://user:pass@no-such-host.invalid:15672", "/") as client:
        with pytest.raises(Unreachable, match=r"no-such-host\.invalid"):
            await observe(client)


async def test_a_silent_server_is_unreachable_after_the_time_limit() -> None:
    async def reply(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()

    async with _server(reply) as port, _client(port, timeout_s=0.2) as client:
        with pytest.raises(Unreachable, match=r"within 0\.2 s") as caught:
            await observe(client)
    _check_no_secret(caught.value)


async def test_a_connection_the_server_had_closed_is_opened_again() -> None:
    answers = 0

    async def reply(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal answers
        await reader.readuntil(b"\r\n\r\n")
        answers += 1
        if answers > 1:
            writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\n[]")
            await writer.drain()

    async with _server(reply) as port, _client(port) as client:
        assert await client.list("queues", "music") == []
    assert answers == 2


async def test_credentials_go_decoded_into_the_header_and_names_encoded_into_the_path() -> None:
    requests: list[bytes] = []

    async def reply(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        requests.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(b"HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n")
        await writer.drain()

    async with (
        _server(reply) as port,
        ManagementClient(f"http://us%40er:p%3Aw%2F@127.0.0.1:{port}/prefix/", "/") as client,
    ):
        assert not await client.put("queues", client.vhost, "a/b c?#%é", body={"durable": True})
    first, *headers = requests[0].decode().split("\r\n")
    assert first == "PUT /prefix/api/queues/%2F/a%2Fb%20c%3F%23%25%C3%A9 HTTP/1.1"
    assert "authorization: Basic dXNAZXI6cDp3Lw==" in [
        header.replace("Authorization", "authorization") for header in headers
    ]


async def test_no_more_requests_are_under_way_than_allowed() -> None:
    under_way = most = 0

    async def reply(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal under_way, most
        while await reader.readline():
            while (await reader.readline()).strip():
                pass
            under_way += 1
            most = max(most, under_way)
            await asyncio.sleep(0)
            under_way -= 1
            writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n[]")
            await writer.drain()

    async with _server(reply) as port, ManagementClient(f"http://127.0.0.1:{port}", "/", concurrency=3) as client:
        await asyncio.gather(*(client.list("queues") for _ in range(40)))
    assert 1 <= most <= 3


@pytest.mark.parametrize(
    "url",
    ["", "localhost:15672", "amqp://user:topsecret@host/", "http://", "http://user:topsecret@host:port", "http://[::1"],
)
def test_an_address_that_is_no_http_url_is_refused_without_showing_it(url: str) -> None:
    with pytest.raises(PipelineError, match="not an http URL") as caught:
        ManagementClient(url, "/")
    assert "topsecret" not in str(caught.value)


async def test_a_refusal_carries_the_brokers_words() -> None:
    reason = "inequivalent arg 'x-max-priority' for queue 'q' in vhost '/'"
    async with _server(_always("400 Bad Request", _error(reason))) as port, _client(port) as client:
        with pytest.raises(Refused) as caught:
            await client.put("queues", "/", "q", body={})
    assert caught.value.reason == reason
