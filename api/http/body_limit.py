"""No request body is taken that is larger than what any of them may be."""

from __future__ import annotations

from collections.abc import Mapping

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.problems import Problem
from pipeline.errors import ErrorCode


class BodyLimit:
    """ASGI middleware: refuses what announces that it is too large, and stops reading what turns out to be.

    Args:
        most: bytes.
        most_below: bytes by the beginning of the path, where it is not `most`.
    """

    def __init__(self, app: ASGIApp, *, most: int, most_below: Mapping[str, int]) -> None:
        self._app = app
        self._most = most
        self._most_below = most_below

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        most = next((each for path, each in self._most_below.items() if scope["path"].startswith(path)), self._most)
        announced = Headers(scope=scope).get("content-length", "")
        if announced.isdigit() and int(announced) > most:
            fix = f"Send at most {most} bytes"
            problem = Problem(413, "The body is too large", ErrorCode.MESSAGE_TOO_LARGE, fix)
            await problem.response()(scope, receive, send)
            return
        received = 0

        async def receive_some() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > most:
                raise HTTPException(413, "The body is too large")
            return message

        await self._app(scope, receive_some, send)
