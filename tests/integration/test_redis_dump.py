"""Keys go from a Redis to text and back, into Redis as into the embedded engine."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import AsyncIterator

import pytest
from fakeredis import FakeServer
from fakeredis.aioredis import FakeRedis
from redis.asyncio import Redis

from pipeline.state.dump import Entry, dump, load, scan

pytestmark = pytest.mark.redis


@pytest.fixture
async def client(redis_url: str) -> AsyncIterator[Redis]:
    async with Redis.from_url(redis_url, protocol=2) as client:
        yield client


@pytest.fixture
async def prefix(client: Redis) -> AsyncIterator[str]:
    prefix = f"test-{uuid.uuid4().hex}[*]"
    yield prefix
    async for keys in scan(client, prefix):
        await client.delete(*keys)


async def keys_of(client: Redis, prefix: str) -> list[bytes]:
    return sorted({key async for keys in scan(client, prefix) for key in keys})


async def without_expiry(client: Redis, prefix: str) -> list[tuple[str, str, object]]:
    entries = await dump(client, await keys_of(client, prefix))
    return [(entry.key, entry.type, entry.value) for entry in entries if entry is not None]


async def fill(client: Redis, prefix: str) -> None:
    await client.set(f"{prefix}:string", b"caf\xe9 \xff\n")
    await client.set(f"{prefix}:empty", b"")
    await client.set(f"{prefix}:expires", "soon", px=3_600_000)
    await client.hset(f"{prefix}:hash", mapping={b"\xffield": b"value", b"": b"\0"})
    await client.sadd(f"{prefix}:set", "b", "a", b"\xfe")
    await client.zadd(f"{prefix}:zset", {"a": 1.5, "b": 2**53, "c": float("-inf"), "d": 0.1 + 0.2})
    await client.xadd(f"{prefix}:stream", {"a": "1", "b": b"\xe9"}, id="1-0")
    await client.xadd(f"{prefix}:stream", {"a": "2"}, id="7-3")
    await client.hset(f"{prefix}:large", mapping={str(number): "x" for number in range(2500)})


async def test_dump_and_load_give_back_every_type_byte_for_byte(client: Redis, prefix: str) -> None:
    await fill(client, prefix)
    keys = await keys_of(client, prefix)
    lines = [entry.to_line() for entry in await dump(client, keys) if entry is not None]
    assert len(lines) == 8
    assert all(line.isascii() and "\n" not in line for line in lines)
    before = await without_expiry(client, prefix)
    await client.delete(*keys)
    assert await dump(client, keys) == [None] * 8

    await load(client, [Entry.from_line(line) for line in lines])
    assert await without_expiry(client, prefix) == before
    assert await client.get(f"{prefix}:string") == b"caf\xe9 \xff\n"
    assert await client.zscore(f"{prefix}:zset", "d") == 0.1 + 0.2
    assert await client.pttl(f"{prefix}:string") == -1
    assert 3_500_000 < await client.pttl(f"{prefix}:expires") <= 3_600_000


async def test_redis_and_the_embedded_engine_read_each_others_dumps(client: Redis, prefix: str) -> None:
    await fill(client, prefix)
    keys = await keys_of(client, prefix)
    entries = [entry for entry in await dump(client, keys) if entry is not None]
    async with FakeRedis(server=FakeServer(version=(7, 0)), protocol=2) as embedded:
        await load(embedded, entries)
        assert await without_expiry(embedded, prefix) == await without_expiry(client, prefix)
        copied = [entry for entry in await dump(embedded, keys) if entry is not None]
    before = await without_expiry(client, prefix)
    await client.delete(*keys)
    await load(client, copied)
    assert await without_expiry(client, prefix) == before


async def test_load_replaces_what_is_there_and_leaves_out_what_has_expired(client: Redis, prefix: str) -> None:
    await client.sadd(f"{prefix}:a", "old")
    past = round(time.time() * 1000) - 1
    await load(client, [Entry(f"{prefix}:a", "hash", [["f", "v"]]), Entry(f"{prefix}:b", "string", "x", past)])
    assert await client.hgetall(f"{prefix}:a") == {b"f": b"v"}
    assert await client.exists(f"{prefix}:b") == 0


async def test_type_that_cannot_be_dumped_is_named(client: Redis, prefix: str) -> None:
    await client.rpush(f"{prefix}:list", "a")
    with pytest.raises(ValueError, match="of the type list"):
        await dump(client, [f"{prefix}:list".encode()])


async def test_scan_finds_the_keys_of_the_prefix_and_no_others(client: Redis, prefix: str) -> None:
    names = [f"{prefix}:{number}" for number in range(1200)]
    await client.mset(dict.fromkeys(names, "x"))
    await client.set(f"{prefix.replace('*', 'x')}:other", "x", ex=60)
    assert await keys_of(client, prefix) == sorted(name.encode() for name in names)


async def test_dump_is_of_one_moment(client: Redis, prefix: str, redis_url: str) -> None:
    pair = [f"{prefix}:one".encode(), f"{prefix}:two".encode()]
    await client.mset(dict.fromkeys(pair, "0"))
    writing = True

    async def write() -> None:
        async with Redis.from_url(redis_url, protocol=2) as writer:
            number = 0
            while writing:
                number += 1
                await writer.mset(dict.fromkeys(pair, str(number)))

    task = asyncio.create_task(write())
    for _ in range(200):
        one, two = await dump(client, pair)
        assert one is not None
        assert two is not None
        assert one.value == two.value
    writing = False
    await task
