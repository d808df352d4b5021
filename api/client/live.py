"""A WebSocket that comes back, and goes on where it was."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import random
from collections.abc import AsyncGenerator, Mapping
from typing import Any

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus

_REPLACED = 4409
_FOR_GOOD = (4401, 4403)
_LATER = (408, 429, 500, 502, 503, 504)
_MOST_BYTES = 16 * 1024 * 1024
_SILENT = ("welcome", "pong", "subscribed", "unsubscribed")


class Refused(Exception):
    """The service does not want this client; the text says why. Coming again would change nothing."""


class Replaced(Exception):
    """A newer connection has the same client_id."""


class LiveClient:
    """Follows recordings and jobs: every event once, in its order, whatever becomes of the connection.

        async with contextlib.aclosing(LiveClient("ws://localhost:8000/v1/ws").messages()) as messages:
            async for message in messages: ...

    After an interruption each subscription goes on from the last event it had. Where the service does not know any more
    what was missed, the current state comes, marked `"snapshot": true`. Subscribers to "*" are sent a `notice` with the
    code `resync` by this client: they have to read the list again.

    Args:
        urls: tried in turn.
        headers: of the handshake, such as Authorization.
        first_wait_s: how long to wait at most before the first attempt to come back; doubled each time.
    """

    def __init__(
        self,
        *urls: str,
        headers: Mapping[str, str] | None = None,
        first_wait_s: float = 0.5,
        longest_wait_s: float = 30.0,
    ) -> None:
        self._urls = itertools.cycle(urls)
        self._headers = dict(headers or {})
        self._first_wait_s = first_wait_s
        self._longest_wait_s = longest_wait_s
        self._socket: ClientConnection | None = None
        self._wanted: dict[str, dict[str, Any]] = {}
        self._positions: dict[str, tuple[int, str]] = {}
        self._failures = 0

    async def subscribe(self, recording_id: str, **filter: list[str]) -> None:
        """Follow a recording or a job; "*" for all recordings, or those events that the filter chooses."""
        self._wanted[recording_id] = {"filter": filter} if filter else {}
        self._positions.pop(recording_id, None)
        await self._send(self._subscription(recording_id))

    async def unsubscribe(self, recording_id: str) -> None:
        """Idempotent."""
        self._wanted.pop(recording_id, None)
        self._positions.pop(recording_id, None)
        await self._send({"type": "unsubscribe", "recording_id": recording_id})

    async def messages(self) -> AsyncGenerator[dict[str, Any], None]:
        """Events, notices and errors, until the iteration is given up. Raises Refused, Replaced."""
        while True:
            try:
                async with connect(
                    next(self._urls), additional_headers=self._headers, compression=None, max_size=_MOST_BYTES
                ) as socket:
                    self._socket = socket
                    for recording_id in list(self._wanted):
                        await self._send(self._subscription(recording_id))
                    if self._failures and "*" in self._wanted:
                        yield {"type": "notice", "code": "resync", "message": "The connection was away"}
                    async for text in socket:
                        self._failures = 0
                        message = json.loads(text)
                        self._note(message)
                        if message.get("type") not in _SILENT:
                            yield message
            except InvalidStatus as error:
                if error.response.status_code not in _LATER:
                    raise Refused(_reason(error)) from None
            except (OSError, InvalidHandshake, ConnectionClosed, TimeoutError):
                pass
            finally:
                closed, self._socket = self._socket, None
            if closed is not None and closed.close_code == _REPLACED:
                raise Replaced(closed.close_reason or "A newer connection has the same client_id")
            if closed is not None and closed.close_code in _FOR_GOOD:
                raise Refused(closed.close_reason or "The service does not want this client any more")
            self._failures += 1
            await asyncio.sleep(self._wait_s())

    def _wait_s(self) -> float:
        """Full jitter, so that those who were cut off together do not come back together."""
        return random.uniform(0, min(self._longest_wait_s, self._first_wait_s * 2 ** (self._failures - 1)))

    def _subscription(self, recording_id: str) -> dict[str, Any]:
        message = {"type": "subscribe", "recording_id": recording_id, **self._wanted[recording_id]}
        if recording_id in self._positions:
            message["last_sequence"], message["epoch"] = self._positions[recording_id]
        return message

    def _note(self, message: dict[str, Any]) -> None:
        """Remember where each subscription is."""
        if message.get("type") == "subscribed" and message.get("recovered") is False:
            self._positions.pop(message["recording_id"], None)
        key = message.get("job_id") or message.get("recording_id")
        if key in self._wanted and "sequence" in message:
            self._positions[key] = (message["sequence"], message["epoch"])

    async def _send(self, message: dict[str, Any]) -> None:
        """Now, if there is a connection; else with the next one."""
        if self._socket is not None:
            with contextlib.suppress(ConnectionClosed):
                await self._socket.send(json.dumps(message))


def _reason(error: InvalidStatus) -> str:
    try:
        document = json.loads(error.response.body or b"")
        return f"{document['error']}. {document.get('fix', '')}".strip()
    except (ValueError, KeyError, TypeError):
        return f"HTTP status {error.response.status_code}"
