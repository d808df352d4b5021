"""How often one may come: counted in Redis for all API processes together, in this process without it."""

from __future__ import annotations

import time

import structlog
from limits import RateLimitItem, parse
from limits.aio.storage import MemoryStorage, Storage
from limits.aio.storage.redis import RedisStorage
from limits.aio.strategies import MovingWindowRateLimiter
from redis.asyncio import ConnectionPool

_log = structlog.get_logger(__name__)


class Limits:
    """What does not answer limits nothing: a service whose Redis is away still serves.

    Args:
        redis_url: None to count in this process.
        handshakes: how often an address, and a subject, may open a WebSocket: "600/minute".
        subscriptions: how often they may subscribe to something.
    """

    def __init__(
        self,
        redis_url: str | None,
        prefix: str,
        *,
        handshakes: str = "600/minute",
        subscriptions: str = "6000/minute",
    ) -> None:
        storage: Storage = MemoryStorage()
        self._pool = None if redis_url is None else ConnectionPool.from_url(redis_url)
        if self._pool is not None:
            storage = RedisStorage(
                f"async+{redis_url}",
                implementation="redispy",
                key_prefix=f"{prefix}:limits",
                connection_pool=self._pool,  # type: ignore[arg-type]
            )
        self._limiter = MovingWindowRateLimiter(storage)
        self._items = {"handshake": parse(handshakes), "subscription": parse(subscriptions)}
        self._told = False

    async def allows(self, what: str, *who: str) -> float | None:
        """None if it is allowed, and is counted then; else the seconds after which it may be tried again."""
        item = self._items[what]
        try:
            for each in filter(None, who):
                if not await self._limiter.hit(item, what, each):
                    return await self._wait(item, what, each)
        except Exception as error:
            if not self._told:
                _log.warning("nothing is limited while the counts can't be reached", reason=type(error).__name__)
            self._told = True
        else:
            self._told = False
        return None

    async def close(self) -> None:
        """Close the connections. Idempotent."""
        if self._pool is not None:
            await self._pool.aclose()

    async def _wait(self, item: RateLimitItem, what: str, who: str) -> float:
        reset_at, _ = await self._limiter.get_window_stats(item, what, who)
        return max(1.0, reset_at - time.time())
