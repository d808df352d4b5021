"""What a store holds, as lines kept up to date by reading only the keys that were written."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager

from redis.asyncio import Redis

from pipeline.state.dump import Entry, dump

_CHUNK = 500
_ROUNDS = 5


class Changes:
    """Notes the keys that are written, and reads them when asked.

    Args:
        kept: whether an entry is worth keeping.
    """

    def __init__(self, kept: Callable[[Entry], bool]) -> None:
        self._kept = kept
        self._written: set[bytes] = set()
        self._being_written: Counter[bytes] = Counter()
        self._lines: dict[bytes, tuple[int | None, str]] = {}

    def __bool__(self) -> bool:
        return bool(self._written or self._being_written)

    @contextmanager
    def watch(self, keys: Sequence[str]) -> Iterator[None]:
        """Around a write of these keys."""
        encoded = [key.encode("utf-8", "surrogatepass") for key in keys]
        self._being_written.update(encoded)
        try:
            yield
        finally:
            self._written.update(encoded)
            for key in encoded:
                self._being_written[key] -= 1
                if not self._being_written[key]:
                    del self._being_written[key]

    def loaded(self, entries: Iterable[Entry]) -> None:
        """These entries are in the store already."""
        for entry in entries:
            self._keep(entry.key.encode("utf-8", "surrogateescape"), entry)

    async def read(self, client: Redis) -> list[str]:
        """The lines of all keys as they were at one moment. Raises RedisError.

        Many keys are read in portions, so that others get their turn; what is written meanwhile is read
        again, and the last portion in one transaction.
        """
        for _ in range(_ROUNDS):
            if len(self._written) <= _CHUNK:
                break
            written = list(self._written)
            for first in range(0, len(written), _CHUNK):
                await self._read(client, written[first : first + _CHUNK])
        await self._read(client, [*self._written, *(self._being_written.keys() - self._written)])
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
