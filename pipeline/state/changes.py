"""What a store holds, as lines kept up to date by reading only the keys that were written."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager

from redis.asyncio import Redis

from pipeline.state.dump import Entry, dump

_PORTION = 200
_ROUNDS = 5


class Changes:
    """Notes the keys that are written, and reads them when asked.

    Args:
        kept: whether an entry is worth keeping.
    """

    def __init__(self, kept: Callable[[Entry], bool]) -> None:
        self._kept = kept
        self._lines: dict[bytes, tuple[int | None, str]] = {}
        self._written: set[bytes] = set()
        self._writers = 0
        self._no_writers = asyncio.Event()
        self._no_writers.set()
        self._open = asyncio.Event()
        self._open.set()

    def __bool__(self) -> bool:
        return bool(self._written or self._writers)

    @asynccontextmanager
    async def watch(self, keys: Sequence[str]) -> AsyncIterator[None]:
        """Around a write of these keys."""
        while not self._open.is_set():
            await self._open.wait()
        self._writers += 1
        self._no_writers.clear()
        try:
            yield
        finally:
            self._written.update(key.encode("utf-8", "surrogatepass") for key in keys)
            self._writers -= 1
            if not self._writers:
                self._no_writers.set()

    def loaded(self, entries: Iterable[Entry]) -> None:
        """These entries are in the store already."""
        for entry in entries:
            self._keep(entry.key.encode("utf-8", "surrogateescape"), entry)

    async def read(self, client: Redis) -> list[str]:
        """The lines of all keys as they were at one moment. Raises RedisError.

        Many keys are read in portions, while others go on writing; what they write is read again. For the
        last portion they have to wait.
        """
        for _ in range(_ROUNDS):
            if len(self._written) <= _PORTION:
                break
            written = list(self._written)
            for first in range(0, len(written), _PORTION):
                await self._read(client, written[first : first + _PORTION])
        self._open.clear()
        try:
            await self._no_writers.wait()
            await self._read(client, list(self._written))
        finally:
            self._open.set()
        now = time.time() * 1000
        for key in [key for key, (expires, _) in self._lines.items() if expires is not None and expires <= now]:
            del self._lines[key]
        return [line for _, line in self._lines.values()]

    async def _read(self, client: Redis, keys: list[bytes]) -> None:
        self._written.difference_update(keys)
        try:
            entries = await dump(client, keys)
        except BaseException:
            self._written.update(keys)
            raise
        for key, entry in zip(keys, entries, strict=True):
            self._keep(key, entry)

    def _keep(self, key: bytes, entry: Entry | None) -> None:
        if entry is None or not self._kept(entry):
            self._lines.pop(key, None)
        else:
            self._lines[key] = (entry.expires_at_ms, entry.to_line())
