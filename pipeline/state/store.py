"""The state store on a Redis server."""

from __future__ import annotations

from typing import Any, cast
from urllib.parse import urlsplit

import structlog
from redis import exceptions
from redis.asyncio import BlockingConnectionPool, ConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from pipeline.errors import PipelineError, StateUnavailable, Unreachable
from pipeline.state.documents import RedisDocuments
from pipeline.state.keys import segment
from pipeline.state.ledger import RedisLedger
from pipeline.state.link import Link
from pipeline.state.progress import RedisProgress
from pipeline.state.tickets import RedisTickets
from pipeline.state.turns import RedisTurns

log = structlog.get_logger(__name__)

_CONNECTIONS = 32


class Store:
    """Documents, progress and ledger over one Redis, real or embedded. See the port for what each promises."""

    def __init__(self, link: Link, prefix: str) -> None:
        self.link = link
        self.prefix = segment(prefix)
        self.documents = RedisDocuments(link, prefix)
        self.progress = RedisProgress(link, prefix)
        self.ledger = RedisLedger(link, prefix)
        self.turns = RedisTurns(link, prefix)
        self.tickets = RedisTickets(link, prefix)

    async def connect(self) -> None:
        await self.ping()

    async def close(self) -> None:
        await self.link.close()

    async def ping(self) -> None:
        try:
            await self.link.ask("PING")
        except StateUnavailable as error:
            raise _unreachable(self.link.where, error) from error

    async def announce(self, group: str, member: str, count: int, ttl_s: float) -> int:
        if count < 0:
            raise ValueError(f"a count of {count} is negative")
        keys = [f"{self.prefix}:members:{segment(group)}"]
        return cast(int, await self.link.write("announce", keys, [member, count, max(1, round(ttl_s * 1000))]))

    async def members(self, group: str) -> list[str]:
        return sorted(await self.link.read("members", [f"{self.prefix}:members:{segment(group)}"], []))


class RedisStore(Store):
    """The state store on Redis 6.2 or later, which several processes may share.

    All keys begin with the prefix and a colon. A lost connection is tried once more at once; every write may
    be repeated without harm.
    What Redis loses (no append-only file, a failover) is lost here too. In a Redis Cluster all keys must be
    in one slot: put the prefix in braces.

    Args:
        url: redis://user:pass@host:port/db, rediss:// with TLS, unix://path.
        timeout_s: for an answer, for a connection, and for a free one of the 32 there may be.
    Raises: PipelineError if the URL is none.
    """

    def __init__(self, url: str, prefix: str = "tracktion", *, timeout_s: float = 5.0) -> None:
        pool = _pool(url, BlockingConnectionPool, timeout_s, retries=1, max_connections=_CONNECTIONS, timeout=timeout_s)
        listening = _pool(url, ConnectionPool, timeout_s, retries=0)
        link = Link(
            Redis(connection_pool=pool),
            Redis(connection_pool=listening),
            where=_where(pool),
            silence_s=2 * timeout_s,
        )
        super().__init__(link, prefix)

    async def connect(self) -> None:
        await self.ping()
        await self._warn_of_eviction()

    async def _warn_of_eviction(self) -> None:
        try:
            answer = await self.link.ask("CONFIG", "GET", "maxmemory-policy")
        except StateUnavailable:
            return  # an account that may not read the configuration, as with most hosted servers
        policy = dict(zip(answer[::2], answer[1::2], strict=True)) if isinstance(answer, list) else dict(answer)
        if (value := policy.get("maxmemory-policy", "noeviction")) != "noeviction":
            log.warning(
                "redis may evict state",
                server=self.link.where,
                maxmemory_policy=value,
                fix="Set maxmemory-policy to noeviction: evicted keys are lost recordings and repeated work",
            )


def _pool(url: str, kind: type[ConnectionPool], timeout_s: float, *, retries: int, **options: Any) -> ConnectionPool:
    try:
        if urlsplit(url).scheme != "unix" and not (urlsplit(url).path.strip("/") or "0").isdecimal():
            raise ValueError("the database is not a number")
        pool = kind.from_url(
            url,
            protocol=2,
            decode_responses=True,
            encoding_errors="surrogatepass",  # a file name need not be UTF-8
            socket_timeout=timeout_s,
            socket_connect_timeout=timeout_s,
            retry=Retry(NoBackoff(), retries, supported_errors=(exceptions.ConnectionError,)),
            **options,
        )
        pool.make_connection()  # type: ignore[no-untyped-call]
    except (ValueError, TypeError):
        # Not chained: the reason may quote a part of the URL, and so of the password.
        raise PipelineError(
            "REDIS_URL is not the URL of a Redis", fix="Write it as redis[s]://user:password@host:port/database"
        ) from None
    return pool


def _where(pool: ConnectionPool) -> str:
    at = pool.connection_kwargs
    address = at.get("path") or f"{at.get('host', 'localhost')}:{at.get('port', 6379)}"
    return f"{address}/{at.get('db', 0)}"


def _unreachable(where: str, error: StateUnavailable) -> Unreachable:
    text = f"{error} {error.__cause__!r}".lower()
    if isinstance(error.__cause__, exceptions.AuthenticationError) or "noauth" in text or "wrongpass" in text:
        return Unreachable("Redis refuses the user or the password", where=where, fix="Correct them in REDIS_URL")
    if "noperm" in text:
        return Unreachable("Redis does not permit this user what is needed", where=where, fix="Extend the user's ACL")
    if "db index" in text or "invalid database" in text:
        return Unreachable(
            "Redis has no such database", where=where, fix="Correct the number at the end of REDIS_URL, or use 0"
        )
    reason = str(error.__cause__ or error).rstrip(".")
    if "certificate" in text:
        return Unreachable(
            f"Redis has a certificate that is not trusted: {reason}",
            where=where,
            fix="Add ?ssl_ca_certs=FILE to REDIS_URL, with the certificate that signed it",
        )
    return Unreachable(
        f"Redis does not answer: {reason}",
        where=where,
        fix="Start it, or correct the host and port in REDIS_URL; rediss:// is for a server with TLS, redis:// without",
    )
