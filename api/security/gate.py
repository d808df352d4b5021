"""ASGI middleware: who comes in is known, and may do what is asked for."""

from __future__ import annotations

import math
from urllib.parse import parse_qs

from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Receive, Scope, Send
from starlette.websockets import WebSocket

from api import metrics
from api.problems import Problem
from api.security.access import COOKIE, Access, bearer_token, is_open, redeem_ticket
from api.security.identity import ANONYMOUS, Identity
from api.security.identity import Scope as Right
from api.security.tokens import TokenRefused
from pipeline.errors import StateUnavailable
from pipeline.state.port import StateStore

_READING = ("GET", "HEAD", "OPTIONS")
_SELF_SERVICE = "/v1/tickets"
_HOW = "Send `Authorization: Bearer TOKEN`; browsers open WebSockets with a ticket from POST /v1/tickets"


class Gate:
    """Puts the `Identity` into the scope's state, as `identity`; refuses with 401, 403 or 429."""

    def __init__(self, app: ASGIApp, *, access: Access, state: StateStore) -> None:
        self._app = app
        self._access = access
        self._state = state

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket") or is_open(scope["path"]):
            await self._app(scope, receive, send)
            return
        try:
            identity = await self._identify(scope)
            self._authorise(identity, scope)
            if scope["type"] == "websocket":
                await self._limit(identity, scope)
        except Problem as problem:
            if scope["type"] == "websocket":
                metrics.HANDSHAKES.labels("limited" if problem.status == 429 else "unauthorised").inc()
                await WebSocket(scope, receive, send).send_denial_response(problem.response())
            else:
                await problem.response()(scope, receive, send)
            return
        scope.setdefault("state", {})["identity"] = identity
        await self._app(scope, receive, send)

    async def _identify(self, scope: Scope) -> Identity:
        connection = HTTPConnection(scope)
        token = bearer_token(connection.headers.get("authorization")) or connection.cookies.get(COOKIE)
        try:
            if token is not None and self._access.tokens is not None:
                return self._access.identify(token)
            tickets = parse_qs(scope["query_string"].decode("latin-1")).get("ticket")
            if scope["type"] == "websocket" and tickets and self._access.tokens is not None:
                return await redeem_ticket(self._state, tickets[0])
        except TokenRefused as refused:
            raise unauthorised(f"The token is refused: {refused}") from None
        except StateUnavailable:
            raise Problem(
                503, "Tickets can't be checked now", "DEPENDENCY_UNAVAILABLE", "Connect again in a moment"
            ) from None
        if not self._access.anonymous:
            raise unauthorised("A token is needed here")
        return ANONYMOUS

    def _authorise(self, identity: Identity, scope: Scope) -> None:
        reading = scope["type"] == "websocket" or scope["method"] in _READING or scope["path"] == _SELF_SERVICE
        right = Right.READ if reading else Right.WRITE
        if right not in identity.scopes:
            raise Problem(403, f"The token does not allow to {right}", "INSUFFICIENT_SCOPE", f"Ask for scope {right}")
        if identity.recordings is not None and scope["type"] == "http" and scope["path"] != _SELF_SERVICE:
            raise Problem(
                403, "The token is for some recordings only", "INSUFFICIENT_SCOPE", "Follow them on the WebSocket"
            )

    async def _limit(self, identity: Identity, scope: Scope) -> None:
        wait_s = await self._access.limits.allows("handshake", address_of(scope), identity.subject)
        if wait_s is not None:
            raise Problem(
                429,
                "Too many connections in a short time",
                "TOO_MANY_REQUESTS",
                f"Connect again in {math.ceil(wait_s)} s",
                headers={"Retry-After": str(math.ceil(wait_s))},
            )


def address_of(scope: Scope) -> str:
    """The client's address; of all that have none, "local"."""
    client = scope.get("client")
    return client[0] if client else "local"


def identity_of(connection: HTTPConnection) -> Identity:
    """Who asks."""
    identity: Identity = connection.state.identity
    return identity


def unauthorised(error: str) -> Problem:
    """To whom it is not known who asks."""
    return Problem(401, error, "UNAUTHORISED", _HOW, headers={"WWW-Authenticate": "Bearer"})
