"""Which messages of a queue wait for another attempt, in the order of their turns."""

from __future__ import annotations

import json

from pipeline.state.link import Link

_KEPT_MS = 7 * 24 * 3600 * 1000


class RedisTurns:
    """The port's Turns: a hash per queue with a list per key, for 7 days after the last change."""

    def __init__(self, link: Link, prefix: str) -> None:
        self._link = link
        self._prefix = prefix

    async def waiting(self, queue: str) -> dict[str, dict[str, float]]:
        now, found = await self._link.read("waiting", [self._key(queue)], [])
        return {
            key: {message_id: (back - now) / 1000 for message_id, back in json.loads(turns)}
            for key, turns in zip(found[::2], found[1::2], strict=True)
        }

    async def wait(self, queue: str, key: str, message_id: str, delay_s: float) -> None:
        await self._link.write("wait", [self._key(queue)], [key, message_id, round(delay_s * 1000), _KEPT_MS])

    async def end(self, queue: str, key: str, message_id: str) -> None:
        await self._link.write("ended", [self._key(queue)], [key, message_id])

    def _key(self, queue: str) -> str:
        return f"{self._prefix}:turns:{queue}"
