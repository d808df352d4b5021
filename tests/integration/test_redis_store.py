"""The state store on a real Redis: several processes, connections, expiries, a cluster."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from redis.asyncio import Redis

from pipeline.servers.process import end, free_ports, launch, wait_until
from pipeline.state.dump import scan
from pipeline.state.port import Claim, Event, Status, Update
from pipeline.state.store import RedisStore

pytestmark = pytest.mark.redis


def begins(recording: str = "rec", progress: float = 0.0) -> Update:
    return Update(recording, "run", "attempt", "progress", Status.ANALYZING, progress, begins=True)


@pytest.fixture
async def prefix(redis_url: str) -> AsyncIterator[str]:
    prefix = f"test-{uuid.uuid4().hex}"
    yield prefix
    async with Redis.from_url(redis_url, protocol=2) as client:
        async for keys in scan(client, f"{prefix}:"):
            await client.delete(*keys)


@pytest.fixture
async def stores(redis_url: str, prefix: str) -> AsyncIterator[list[RedisStore]]:
    """Three stores of one name, as three processes have them."""
    stores = [RedisStore(redis_url, prefix) for _ in range(3)]
    for store in stores:
        await store.connect()
    yield stores
    for store in stores:
        await store.close()


async def test_processes_see_each_others_events_in_order(stores: list[RedisStore]) -> None:
    opened = asyncio.Event()
    seen: list[Event] = []

    async def listen() -> None:
        async for event in stores[0].progress.events(opened.set):
            seen.append(event)
            if len(seen) == 200:
                return

    listening = asyncio.create_task(listen())
    await asyncio.wait_for(opened.wait(), 10)
    await asyncio.gather(*(store.progress.record(begins(f"rec-{n % 2}")) for n in range(100) for store in stores[1:]))
    await asyncio.wait_for(listening, 20)
    for recording in ("rec-0", "rec-1"):
        assert [event.sequence for event in seen if event.key == recording] == list(range(1, 101))
    assert len({event.epoch for event in seen}) == 1


async def test_processes_share_one_ledger(stores: list[RedisStore]) -> None:
    asked = [(store, f"m{n}", f"owner-{o}") for o, store in enumerate(stores) for n in range(100)]
    claims = await asyncio.gather(*(store.ledger.begin("stage", message, owner, 60) for store, message, owner in asked))
    assert claims.count(Claim.FRESH) == 100
    assert claims.count(Claim.RUNNING) == 200


async def test_stores_of_other_names_share_nothing(redis_url: str, prefix: str, stores: list[RedisStore]) -> None:
    other = RedisStore(redis_url, f"{prefix}-other")
    await other.connect()
    await stores[0].progress.record(begins())
    await stores[0].documents.put("recording", "id", {})
    assert await other.progress.snapshot("rec") is None
    assert await other.documents.get("recording", "id") is None
    await other.close()


async def test_connections_are_bounded_however_many_calls_there_are(redis_url: str, prefix: str) -> None:
    store = RedisStore(redis_url, prefix)
    await store.connect()
    await asyncio.gather(*(store.progress.record(begins(f"rec-{n}")) for n in range(1000)))
    pool = store.link.client.connection_pool
    assert len(pool._available_connections) + len(pool._in_use_connections) <= 32
    await store.close()


async def test_what_is_kept_expires_as_documented(redis_url: str, prefix: str, stores: list[RedisStore]) -> None:
    store = stores[0]
    await store.progress.record(begins())
    await store.progress.record(Update("rec", "next", "", "progress", Status.QUEUED))
    await store.documents.put("recording", "id", {}, unique={"path": "/x"}, index={"hash": "h"})
    await store.ledger.begin("stage", "m", "o", 60)
    await store.ledger.begin("stage", "n", "o", 60)
    await store.ledger.finish("stage", "n", "o", 600.0)
    await store.announce("connections", "a", 1, 30)
    await store.turns.wait("queue", "key", "m", 5)
    day = 24 * 3600
    expected = {
        "epoch": None,
        "progress:{rec}": None,
        "stream:{rec}": day,
        "runs:{rec}": 7 * day,
        "document:recording:id": None,
        "documents:recording": None,
        "unique:recording": None,
        "index:recording": None,
        "ledger:stage:m": day,  # whoever is lost with it is remembered longer than a lease
        "ledger:stage:n": 600,  # as long as its stage says
        "members:connections": 30,
        "turns:queue": 7 * day,
    }
    async with Redis.from_url(redis_url, protocol=2, decode_responses=True) as client:
        found = {
            key.removeprefix(f"{prefix}:"): await client.pttl(key) async for key in client.scan_iter(f"{prefix}:*")
        }
    assert found.keys() == expected.keys()
    for key, seconds in expected.items():
        if seconds is None:
            assert found[key] == -1, key
        else:
            assert (seconds - 20) * 1000 < found[key] <= seconds * 1000, key


@pytest.fixture
def cluster_url(tmp_path: Path) -> Iterator[str]:
    """A Redis Cluster of one node, which refuses a script that touches keys of several slots."""
    port, bus = free_ports(2)
    command = ["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--dir", str(tmp_path), "--save", ""]
    command += ["--cluster-enabled", "yes", "--cluster-port", str(bus)]
    log = tmp_path / "out.log"
    server = launch(command, log=log)
    try:
        wait_until(lambda: "Ready to accept" in log.read_text(), name="Redis", log=log, seconds=20)
        yield f"redis://127.0.0.1:{port}/0"
    finally:
        end(server.pid)
        server.wait(timeout=20)


async def test_scripts_keep_to_one_slot_of_a_cluster_with_the_name_in_braces(cluster_url: str) -> None:
    async with Redis.from_url(cluster_url, protocol=2) as admin:
        await admin.execute_command("CLUSTER", "ADDSLOTSRANGE", 0, 16383)
        async with asyncio.timeout(20):
            while b"cluster_state:ok" not in await admin.execute_command("CLUSTER", "INFO"):  # noqa: ASYNC110
                await asyncio.sleep(0.05)
    store = RedisStore(cluster_url, "{library}")
    await store.connect()
    await store.documents.put("recording", "a", {"n": 1}, unique={"path": "/x"}, index={"hash": "h"})
    await store.documents.put("recording", "b", {"n": 2}, unique={"path": "/x"}, index={"hash": "i"})
    await store.documents.put("recording", "a", {"n": 3}, index={"hash": "i"})
    assert await store.documents.find("recording", "hash", "i") == ["a", "b"]
    assert await store.documents.claim("recording", "path", "/x", "c") == "b"
    assert (await store.documents.page("recording"))[1] == 2
    assert await store.documents.delete("recording", "a")
    assert await store.progress.record(begins()) is not None
    assert await store.progress.record(Update("rec", "next", "", "progress", Status.QUEUED)) is not None
    assert await store.progress.cancel("rec", "stop") is not None
    begun = await asyncio.gather(*(store.ledger.begin("stage", f"m{n}", "o", 60) for n in range(10)))
    assert begun == [Claim.FRESH] * 10
    assert await store.announce("connections", "a", 2, 60) == 2
    await store.close()
