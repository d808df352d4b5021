"""The state store inside one process: the scripts run on a model of Redis, and a file keeps what it holds."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
from collections.abc import Iterable
from pathlib import Path
from typing import IO

import structlog
from fakeredis import FakeServer
from fakeredis.aioredis import FakeAsyncRedisConnection, FakeRedis
from redis.asyncio import Redis

from pipeline.errors import PipelineError
from pipeline.state.changes import Changes
from pipeline.state.dump import Entry, load
from pipeline.state.link import FAILURES, Link
from pipeline.state.snapshot import Damaged, read_snapshot, set_aside, write_snapshot
from pipeline.state.store import Store

log = structlog.get_logger(__name__)

_LOADED_AT_ONCE = 200


class EmbeddedStore(Store):
    """The state store for one process, without a server.

    `connect` loads `state.jsonl` from the folder, `close` writes it, and so does every `save_every_s` while
    something changes: what was written since is lost when the process is killed. Events other than each
    recording's last one, leases and counts are not kept, and each start has an epoch of its own. A second
    process cannot use the same folder.

    Args:
        data_dir: made if missing; None to keep nothing.
        save_every_s: seconds.
    """

    def __init__(
        self,
        data_dir: Path | None,
        prefix: str = "tracktion",
        *,
        save_every_s: float = 30.0,
    ) -> None:
        self._server = FakeServer(version=(7, 0))
        self._changes = Changes(self._worth_keeping)
        link = Link(
            self._client(),
            self._client(),
            where="the embedded store",
            silence_s=1.0,
            watch=self._changes.watch,
        )
        super().__init__(link, prefix)
        self._raw = self._client(decode=False)
        self._path = data_dir / "state.jsonl" if data_dir is not None else None
        self._save_every_s = save_every_s
        self._lock: IO[str] | None = None
        self._saver: asyncio.Task[None] | None = None

    async def connect(self) -> None:
        """Raises PipelineError if the folder cannot be used, or another process uses it."""
        if self._path is None or self._saver is not None:
            return
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._lock = _locked(self._path.with_suffix(".lock"))
            await self._load(self._path)
        except OSError as error:
            self._unlock()
            raise PipelineError(
                f"The state cannot be kept: {error.strerror}",
                where=str(self._path.parent),
                fix="Set PIPELINE_DATA_DIR to a folder that can be written to",
            ) from error
        except BaseException:
            self._unlock()
            raise
        self._saver = asyncio.create_task(self._save_regularly(self._path))

    async def close(self) -> None:
        """Save and close. Idempotent."""
        saver, self._saver = self._saver, None
        if saver is not None and self._path is not None:
            saver.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await saver
            await self._save(self._path)
        self._unlock()
        await self._raw.aclose()
        await super().close()

    async def _load(self, path: Path) -> None:
        try:
            entries = await asyncio.to_thread(read_snapshot, path)
        except Damaged as error:
            aside = set_aside(path)
            log.warning(
                "saved state is damaged, starting without it",
                reason=str(error),
                set_aside=str(aside),
                fix="Files that are still there are catalogued and analysed again",
            )
            return
        for first in range(0, len(entries), _LOADED_AT_ONCE):
            await load(self._raw, entries[first : first + _LOADED_AT_ONCE])
        self._changes.loaded(entries)

    async def _save_regularly(self, path: Path) -> None:
        while True:
            await asyncio.sleep(self._save_every_s)
            if self._changes:
                await self._save(path)

    async def _save(self, path: Path) -> None:
        try:
            lines = await self._changes.read(self._raw)
            writing = asyncio.ensure_future(asyncio.to_thread(write_snapshot, path, lines))
            try:
                await asyncio.shield(writing)
            except asyncio.CancelledError:
                with contextlib.suppress(*FAILURES):  # `close` saves once more, and reports it
                    await writing
                raise
        except FAILURES as error:
            reason = str(error) or type(error).__name__
            log.error("state not saved", path=str(path), reason=reason)  # noqa: TRY400 no traceback for a full disk

    def _worth_keeping(self, entry: Entry) -> bool:
        name = entry.key.removeprefix(f"{self.prefix}:")
        if entry.type == "stream" or name == "epoch" or name.startswith(("members:", "turns:")):
            return False
        return not name.startswith("ledger:") or entry.value.startswith("done:")

    def _unlock(self) -> None:
        lock, self._lock = self._lock, None
        if lock is not None:
            lock.close()

    def _client(self, *, decode: bool = True) -> Redis:
        return FakeRedis(
            server=self._server,
            connection_class=_Connection,
            socket_timeout=None,
            decode_responses=decode,
            encoding_errors="surrogatepass" if decode else "strict",
            protocol=2,
        )


class _Connection(FakeAsyncRedisConnection):
    """One that can be cancelled: fakeredis waits by asyncio.wait_for, and so does redis-py as it sends with a
    `socket_timeout`, which in Python 3.11 swallows a cancellation that meets an answer.
    Source: python/cpython#86296, mended in 3.12.
    """

    async def send_packed_command(self, command: bytes | str | Iterable[bytes], check_health: bool = True) -> None:
        await asyncio.sleep(0)  # nothing else here waits: many commands in a row would keep all others from running
        await super().send_packed_command(command, check_health)

    async def can_read(self, timeout: float | None = 0) -> bool:
        if not timeout:
            return bool(await super().can_read(timeout))
        try:
            async with asyncio.timeout(timeout):
                return bool(await super().can_read(None))
        except TimeoutError:
            return False


def _locked(path: Path) -> IO[str]:
    file = path.open("a+", encoding="ascii")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.seek(0)
        holder = file.read(20).strip()
        file.close()
        raise PipelineError(
            f"Another process{f' ({holder})' if holder.isdecimal() else ''} keeps its state there",
            where=str(path.parent),
            fix="Stop it, or set PIPELINE_DATA_DIR to another folder; several processes need Redis",
        ) from None
    file.truncate(0)
    file.write(str(os.getpid()))
    file.flush()
    return file
