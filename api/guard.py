"""Who may talk to the API from a browser: checks of Host and Origin, and the headers that harden the page.

Without them any web page could read the library through DNS rebinding, or post messages across origins.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from starlette.websockets import WebSocket

from api import metrics
from api.problems import Problem

_LOOPBACK_NAMES = ("localhost", "127.0.0.1", "::1")
_SAFE_METHODS = ("GET", "HEAD", "OPTIONS")
_CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "manifest-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
SECURITY_HEADERS = {
    "Content-Security-Policy": _CONTENT_SECURITY_POLICY,
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


class Guard:
    """ASGI middleware in front of everything.

    Args:
        host: the address served at; a wildcard address accepts any IP literal as Host, never further names.
        allowed_origins: origins besides our own.
    """

    def __init__(self, app: ASGIApp, *, host: str, allowed_origins: Sequence[str], profile: str) -> None:
        self._app = app
        self._hosts = {*_LOOPBACK_NAMES, host.lower().strip("[]")}
        self._any_address = host in ("0.0.0.0", "::")
        self._origins = {origin.rstrip("/").lower() for origin in allowed_origins}
        self._profile = profile

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        problem = self._refusal(scope)
        if scope["type"] == "websocket":
            if problem is not None:
                metrics.HANDSHAKES.labels("forbidden").inc()
                await WebSocket(scope, receive, send).send_denial_response(problem.response())
                return
            await self._app(scope, receive, send)
            return

        async def send_hardened(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in SECURITY_HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        await (self._app if problem is None else problem.response())(scope, receive, send_hardened)

    def _refusal(self, scope: Scope) -> Problem | None:
        headers = Headers(scope=scope)
        host = headers.get("host", "")
        if not self._host_allowed(host):
            fix = "Use localhost, or set API_HOST to the name"
            return Problem(421, "The Host header names another site", "HOST_NOT_ALLOWED", fix)
        changes = scope["type"] == "websocket" or scope["method"] not in _SAFE_METHODS
        if not changes:
            return None
        origin = headers.get("origin")
        if origin is not None:
            return None if self._origin_allowed(origin, host) else _foreign("The Origin is not allowed here")
        if headers.get("sec-fetch-site") in ("cross-site", "same-site"):
            return _foreign("The request comes from another site")
        if scope["type"] == "websocket" and self._profile != "dev" and "authorization" not in headers:
            return _foreign("Outside the dev profile an Origin or a token is required")
        return None

    def _host_allowed(self, host: str) -> bool:
        name = _host_name(host)
        if name is None:
            return False
        if name in self._hosts:
            return True
        return self._any_address and _is_address(name)

    def _origin_allowed(self, origin: str, host: str) -> bool:
        if origin.rstrip("/").lower() in self._origins:
            return True
        parts = urlsplit(origin)
        return parts.scheme in ("http", "https") and parts.netloc.lower() == host.lower()


def _foreign(error: str) -> Problem:
    return Problem(403, error, "ORIGIN_NOT_ALLOWED", "Open the dashboard at the API's own address, or allow the origin")


def _host_name(host: str) -> str | None:
    try:
        parts = urlsplit(f"//{host}")
        parts.port  # noqa: B018  raises where the port is no number
    except ValueError:
        return None
    return parts.hostname if parts.hostname and "@" not in host and "/" not in host else None


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
