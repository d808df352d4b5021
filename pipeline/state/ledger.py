"""Which messages are being worked on and which are done; calls made at the same time travel together."""

from __future__ import annotations

import asyncio
from typing import Any

from pipeline.state.keys import segment
from pipeline.state.link import Link
from pipeline.state.port import Claim

_LARGEST_BATCH = 500
_MOST_LOST = 2  # tries: whoever is the third is told
_LOST_KEPT_MS = 24 * 3600 * 1000


class RedisLedger:
    """The port's Ledger: a key per message with its owner, which expires with the retention."""

    def __init__(self, link: Link, prefix: str) -> None:
        self._prefix = prefix
        self._begin = _Batches(link, "begin")
        self._renew = _Batches(link, "renew")
        self._finish = _Batches(link, "finish")
        self._release = _Batches(link, "release")

    async def begin(self, stage: str, message_id: str, owner: str, lease_s: float, *, alone: bool = False) -> Claim:
        key, lease_ms = self._key(stage, message_id), _milliseconds(lease_s)
        return Claim(await self._begin.call(key, owner, lease_ms, _MOST_LOST, _LOST_KEPT_MS, int(alone)))

    async def renew(self, stage: str, message_id: str, owner: str, lease_s: float) -> bool:
        key = self._key(stage, message_id)
        return bool(await self._renew.call(key, owner, _milliseconds(lease_s), _LOST_KEPT_MS))

    async def finish(self, stage: str, message_id: str, owner: str, retention_s: float) -> bool:
        return bool(await self._finish.call(self._key(stage, message_id), owner, _milliseconds(retention_s)))

    async def release(self, stage: str, message_id: str, owner: str) -> None:
        await self._release.call(self._key(stage, message_id), owner)

    def _key(self, stage: str, message_id: str) -> str:
        return f"{self._prefix}:ledger:{segment(stage)}:{message_id}"


class _Batches:
    """One call of a script at a time; what is asked meanwhile goes with the next one, in the order it was asked."""

    def __init__(self, link: Link, script: str) -> None:
        self._link = link
        self._script = script
        self._waiting: list[tuple[str, tuple[str | int, ...], asyncio.Future[Any]]] = []
        self._sender: asyncio.Task[None] | None = None

    def call(self, key: str, *args: str | int) -> asyncio.Future[Any]:
        """The script's answer for this key. Raises StateUnavailable."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Any] = loop.create_future()
        self._waiting.append((key, args, future))
        if self._sender is None:
            self._sender = loop.create_task(self._send())
        return future

    async def _send(self) -> None:
        batch: list[tuple[str, tuple[str | int, ...], asyncio.Future[Any]]] = []
        try:
            while self._waiting:
                batch, self._waiting = self._waiting[:_LARGEST_BATCH], self._waiting[_LARGEST_BATCH:]
                keys = [key for key, _, _ in batch]
                try:
                    answers = await self._link.write(self._script, keys, [arg for _, args, _ in batch for arg in args])
                except Exception as error:
                    for _, _, future in batch:
                        if not future.done():
                            future.set_exception(error)
                else:
                    for (_, _, future), answer in zip(batch, answers, strict=True):
                        if not future.done():
                            future.set_result(answer)
        finally:
            self._sender = None
            for _, _, future in (*batch, *self._waiting):
                future.cancel()


def _milliseconds(seconds: float) -> int:
    if not seconds > 0:
        raise ValueError(f"a lease or retention of {seconds} s is not positive")
    return max(1, round(seconds * 1000))
