"""A connection lasts as long as the token it was opened with."""

from __future__ import annotations

import asyncio
import time

from api.socket.connection import Connection
from api.socket.frames import notice

EXPIRED = 4401
NOTICE_S = 60.0


class Expiry:
    """Says a minute before that the token expires, and closes with 4401 when it has."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._timers: list[asyncio.TimerHandle] = []

    def set(self, expires_at: float | None) -> None:
        """Until when, in seconds since the epoch; None: for good."""
        self.stop()
        if expires_at is None:
            return
        loop, left = asyncio.get_running_loop(), expires_at - time.time()
        self._timers = [
            loop.call_later(max(0.0, left - NOTICE_S), self._tell),
            loop.call_later(max(0.0, left), self._close),
        ]

    def stop(self) -> None:
        """Idempotent."""
        for timer in self._timers:
            timer.cancel()
        self._timers = []

    def _tell(self) -> None:
        self._connection.send(
            notice("token_expires", 'Send {"type": "authenticate", "token": …} with a newer one to stay connected')
        )

    def _close(self) -> None:
        self._connection.close(EXPIRED, "The token has expired; connect again with a newer one")
