"""Tickets: secrets that are good once, and not for long."""

from __future__ import annotations

import hashlib
import secrets

from pipeline.state.link import Link

_BYTES = 24


class RedisTickets:
    """The port's Tickets. The key is a digest: who can read the store can't use what is in it."""

    def __init__(self, link: Link, prefix: str) -> None:
        self._link = link
        self._prefix = prefix

    async def issue(self, content: str, ttl_s: float) -> str:
        ticket = secrets.token_urlsafe(_BYTES)
        await self._link.ask("SET", self._key(ticket), content, "PX", max(1, round(ttl_s * 1000)))
        return ticket

    async def redeem(self, ticket: str) -> str | None:
        content: str | None = await self._link.ask("GETDEL", self._key(ticket))
        return content

    def _key(self, ticket: str) -> str:
        return f"{self._prefix}:ticket:{hashlib.sha256(ticket.encode()).hexdigest()}"
