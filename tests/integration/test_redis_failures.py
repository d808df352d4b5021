"""What the state store does when its Redis is away, refuses, stalls or loses data."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import pytest
import structlog
import uvloop
from redis.asyncio import Redis

from pipeline.errors import ExitCode, StateUnavailable, Unreachable
from pipeline.servers.process import free_ports
from pipeline.servers.redis import PrivateRedis
from pipeline.servers.tcp_proxy import tcp_proxy
from pipeline.state.port import Claim, Status, Update
from pipeline.state.store import RedisStore

pytestmark = pytest.mark.redis


def begins(progress: float = 0.0, recording: str = "rec") -> Update:
    return Update(recording, "run", "attempt", "progress", Status.ANALYZING, progress, begins=True)


@asynccontextmanager
async def connected(url: str, *, timeout_s: float = 5.0) -> AsyncIterator[RedisStore]:
    store = RedisStore(url, "test", timeout_s=timeout_s)
    try:
        await store.connect()
        yield store
    finally:
        await store.close()


async def configure(server: PrivateRedis, name: str, value: str) -> None:
    async with Redis.from_url(server.url, protocol=2) as admin:
        await admin.config_set(name, value)


async def refusal(url: str) -> Unreachable:
    with pytest.raises(Unreachable) as caught:
        async with connected(url, timeout_s=0.5):
            pass
    return caught.value


async def test_missing_server_is_named_without_its_password() -> None:
    port = free_ports(1)[0]
    error = await refusal(f"redis://someone:hunter2@127.0.0.1:{port}/3")
    assert error.exit_code == ExitCode.UNREACHABLE
    assert error.where == f"127.0.0.1:{port}/3"
    assert "REDIS_URL" in error.fix
    assert "hunter2" not in str(error) + repr(error) + repr(error.__cause__)


@pytest.mark.parametrize("credentials", ["", ":wrong@", "nobody:wrong@"])
async def test_wrong_password_is_told_from_a_missing_server(own_redis: PrivateRedis, credentials: str) -> None:
    await configure(own_redis, "requirepass", "hunter2")
    error = await refusal(f"redis://{credentials}127.0.0.1:{own_redis.port}/0")
    assert "password" in error.what
    assert error.where == f"127.0.0.1:{own_redis.port}/0"
    assert "wrong" not in str(error)
    async with connected(f"redis://:hunter2@127.0.0.1:{own_redis.port}/0") as store:
        await store.ping()


async def test_missing_database_is_told_from_a_missing_server(own_redis: PrivateRedis) -> None:
    error = await refusal(f"redis://127.0.0.1:{own_redis.port}/999")
    assert "no such database" in error.what
    assert "end of REDIS_URL" in error.fix


async def test_tls_to_a_server_without_it_does_not_hang_and_gives_a_hint(own_redis: PrivateRedis) -> None:
    error = await refusal(f"rediss://127.0.0.1:{own_redis.port}/0")
    assert "rediss:// is for a server with TLS" in error.fix


async def test_server_that_may_evict_keys_is_warned_of(own_redis: PrivateRedis) -> None:
    with structlog.testing.capture_logs() as logs:
        async with connected(own_redis.url):
            assert logs == []
        await configure(own_redis, "maxmemory-policy", "allkeys-lru")
        async with connected(own_redis.url):
            pass
    (warning,) = logs
    assert warning["log_level"] == "warning"
    assert warning["maxmemory_policy"] == "allkeys-lru"
    assert "noeviction" in warning["fix"]


async def test_user_who_may_not_read_the_configuration_is_served(own_redis: PrivateRedis) -> None:
    async with Redis.from_url(own_redis.url, protocol=2) as admin:
        await admin.acl_setuser(
            "app", enabled=True, passwords=["+pw"], categories=["+@all"], keys=["*"], channels=["*"]
        )
        await admin.execute_command("ACL", "SETUSER", "app", "-config")
    async with connected(f"redis://app:pw@127.0.0.1:{own_redis.port}/0") as store:
        assert await store.progress.record(begins()) is not None


async def test_every_part_is_unavailable_while_the_server_is_away_and_goes_on_afterwards(
    own_redis: PrivateRedis,
) -> None:
    async with connected(own_redis.url) as store:
        await store.documents.put("recording", "id", {"a": 1})
        assert await store.progress.record(begins()) is not None
        assert await store.ledger.begin("stage", "m", "o", 600) is Claim.FRESH
        own_redis.stop()
        for call in (
            store.documents.get("recording", "id"),
            store.documents.put("recording", "id", {"a": 2}),
            store.documents.page("recording"),
            store.progress.record(begins(0.5)),
            store.progress.snapshots(["rec"]),
            store.progress.ended("rec", "run"),
            store.ledger.begin("stage", "n", "o", 600),
            store.ledger.finish("stage", "m", "o", 600.0),
            store.ledger.release("stage", "m", "o"),
            store.announce("connections", "a", 1, 60),
            store.members("connections"),
            store.turns.waiting("queue"),
            store.turns.wait("queue", "key", "m", 5),
            store.turns.end("queue", "key", "m"),
        ):
            with pytest.raises(StateUnavailable, match=f"127.0.0.1:{own_redis.port}/0"):
                await call
        with pytest.raises(Unreachable):
            await store.ping()
        own_redis.start()
        assert await store.documents.get("recording", "id") == {"a": 1}
        event = await store.progress.record(begins(0.5))
        assert event is not None
        assert event.sequence == 2
        assert await store.ledger.finish("stage", "m", "o", 600.0)


async def test_listener_is_told_of_a_lost_connection_and_can_listen_again(own_redis: PrivateRedis) -> None:
    async with connected(own_redis.url) as store:
        opened = asyncio.Event()

        async def listen() -> object:
            return await anext(store.progress.events(opened.set))

        listening = asyncio.create_task(listen())
        await asyncio.wait_for(opened.wait(), 10)
        own_redis.stop(kill=True)
        with pytest.raises(StateUnavailable):
            await asyncio.wait_for(listening, 20)
        with pytest.raises(StateUnavailable):
            await anext(store.progress.events())
        own_redis.start()
        opened.clear()
        listening = asyncio.create_task(listen())
        await asyncio.wait_for(opened.wait(), 10)
        assert await store.progress.record(begins()) == await asyncio.wait_for(listening, 10)


async def test_connection_that_breaks_and_heals_at_once_is_told_to_the_listener(own_redis: PrivateRedis) -> None:
    async with connected(own_redis.url) as store:
        opened = asyncio.Event()

        async def listen() -> object:
            return await anext(store.progress.events(opened.set))

        listening = asyncio.create_task(listen())
        await asyncio.wait_for(opened.wait(), 10)
        async with Redis.from_url(own_redis.url, protocol=2) as admin:
            await admin.execute_command("CLIENT", "KILL", "TYPE", "pubsub")
        with pytest.raises(StateUnavailable):
            await asyncio.wait_for(listening, 20)


async def test_listener_notices_a_server_that_vanished_without_closing_the_connection(own_redis: PrivateRedis) -> None:
    async with connected(own_redis.url, timeout_s=0.1) as store:
        opened = asyncio.Event()

        async def listen() -> None:
            async for _ in store.progress.events(opened.set):
                pass

        listening = asyncio.create_task(listen())
        await asyncio.wait_for(opened.wait(), 10)
        async with Redis.from_url(own_redis.url, protocol=2) as admin:
            process = (await admin.info("server"))["process_id"]
        os.kill(process, signal.SIGSTOP)
        try:
            with pytest.raises(StateUnavailable):
                await asyncio.wait_for(listening, 20)
        finally:
            os.kill(process, signal.SIGCONT)


async def test_server_that_stalls_is_unavailable_after_the_timeout(own_redis: PrivateRedis) -> None:
    async with connected(own_redis.url, timeout_s=0.2) as store:
        await store.progress.record(begins())
        async with Redis.from_url(own_redis.url, protocol=2) as admin:
            process = (await admin.info("server"))["process_id"]
        os.kill(process, signal.SIGSTOP)
        try:
            async with asyncio.timeout(20):
                with pytest.raises(StateUnavailable):
                    await store.progress.record(begins(0.5))
                with pytest.raises(StateUnavailable):
                    await store.ledger.begin("stage", "m", "o", 60)
        finally:
            os.kill(process, signal.SIGCONT)
        assert await store.documents.get("recording", "id") is None


async def test_server_without_memory_is_unavailable_and_says_so(own_redis: PrivateRedis) -> None:
    async with connected(own_redis.url) as store:
        await configure(own_redis, "maxmemory", "1")
        with pytest.raises(StateUnavailable, match="maxmemory"):
            await store.documents.put("recording", "id", {})
        with pytest.raises(StateUnavailable, match="maxmemory"):
            await store.progress.record(begins())
        await configure(own_redis, "maxmemory", "0")
        assert await store.progress.record(begins()) is not None


async def test_scripts_are_loaded_again_where_the_server_forgot_them(own_redis: PrivateRedis) -> None:
    async with connected(own_redis.url) as store:
        await store.progress.record(begins())
        async with Redis.from_url(own_redis.url, protocol=2) as admin:
            await admin.script_flush()
        event = await store.progress.record(begins(0.5))
        assert event is not None
        assert event.sequence == 2


async def test_lost_data_show_as_another_epoch(own_redis: PrivateRedis) -> None:
    async with connected(own_redis.url) as store:
        before = await store.progress.record(begins(0.5))
        async with Redis.from_url(own_redis.url, protocol=2) as admin:
            await admin.flushall()
        after = await store.progress.record(begins(0.1))
        assert before is not None
        assert after is not None
        assert after.sequence == before.sequence == 1
        assert after.epoch != before.epoch


async def test_events_left_over_from_a_lost_state_are_dropped(own_redis: PrivateRedis) -> None:
    async with connected(own_redis.url) as store:
        for number in range(3):
            await store.progress.record(begins(number / 10))
        async with Redis.from_url(own_redis.url, protocol=2) as admin:
            assert await admin.delete("test:progress:{rec}") == 1
        event = await store.progress.record(begins(0.5))
        assert event is not None
        assert event.sequence == 1
        assert await store.progress.since("rec", 0) == [event]


async def test_write_whose_answer_was_lost_is_stored_once(own_redis: PrivateRedis) -> None:
    """A proxy passes a write on and breaks the connection instead of bringing the answer back."""
    swallow = asyncio.Event()
    swallowed = 0

    def swallows() -> bool:
        nonlocal swallowed
        if not swallow.is_set():
            return False
        swallow.clear()
        swallowed += 1
        return True

    async with tcp_proxy("127.0.0.1", own_redis.port) as proxy:
        proxy.swallows = swallows
        async with connected(f"redis://127.0.0.1:{proxy.port}/0") as store:
            first = await store.progress.record(begins(0.1))
            swallow.set()
            second = await store.progress.record(begins(0.2))
            assert await store.progress.since("rec", 0) == [first, second]
            swallow.set()
            assert await store.ledger.begin("stage", "m", "o", 60) is Claim.FRESH
            swallow.set()
            assert await store.ledger.finish("stage", "m", "o", 600.0)
            swallow.set()
            await store.documents.put("recording", "id", {"a": 1}, unique={"path": "/x"})
            assert await store.documents.page("recording") == ([{"a": 1, "id": "id"}], 1)
            swallow.set()
            assert await store.progress.cancel("rec", "stop") is not None
            assert swallowed == 5


def test_connections_reset_at_any_moment_are_an_outage_and_nothing_else(own_redis: PrivateRedis) -> None:
    """On uvloop, which workers run on, and which refuses with a RuntimeError to write to a connection just reset."""

    async def ask(store: RedisStore) -> None:
        with suppress(Unreachable):
            await store.ping()

    async def reset_while_asking() -> None:
        async with tcp_proxy("127.0.0.1", own_redis.port) as proxy:
            store = RedisStore(f"redis://127.0.0.1:{proxy.port}/0")
            for turns in range(200):
                asking = [asyncio.ensure_future(ask(store)) for _ in range(8)]
                for _ in range(turns % 7):
                    await asyncio.sleep(0)
                proxy.reset()
                await asyncio.gather(*asking)
            await store.ping()
            await store.close()

    uvloop.run(reset_while_asking())
