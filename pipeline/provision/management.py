"""RabbitMQ's management API over HTTP: requests, and answers turned into errors that say what to do."""

from __future__ import annotations

import asyncio
import functools
import html
import json
import ssl
from collections.abc import Mapping
from types import TracebackType
from typing import Any, NoReturn, Self
from urllib.parse import quote, unquote, urlsplit

import httpx

from pipeline.errors import PipelineError, Unreachable
from pipeline.settings import without_credentials

_CONCURRENCY = 8
# What RabbitMQ says to a wrong name or password: up to 3.13, since 4.0, and what proxies leave of it.
_WRONG_LOGIN = ("Login failed", "Not_Authorized", "")
_CHECK_URL = "Check RABBITMQ_MANAGEMENT_URL (the management plugin listens on port 15672 unless configured otherwise)"


# Reading the system's certificates takes longer than most requests.
_trusted = functools.cache(ssl.create_default_context)


class Denied(PipelineError):
    """The user may not do this: wrong password, missing tag, or missing permission."""


class NotFound(PipelineError):
    """The vhost or the object does not exist."""


class Refused(PipelineError):
    """The broker understood the request and refused it, such as a queue that exists with other arguments.

    Args:
        reason: the broker's own words.
    """

    def __init__(self, what: str, *, reason: str, where: str = "", fix: str = "") -> None:
        super().__init__(what, where=where, fix=fix)
        self.reason = reason


class ManagementClient:
    """The management API of one broker, seen from one vhost. Use as an async context manager, or `close` it.

    Every call is bounded in time, and at most `concurrency` are under way, over as many kept-alive connections.
    All requests made here are idempotent; one that fails on a connection the server had already closed is repeated.

    Args:
        url: base URL with credentials (guest:guest if it has none); a path prefix is kept. Never shown.
        vhost: the virtual host that `definitions` and friends are about.
        timeout_s: seconds for a whole answer to arrive; connecting has 5 s at most.
    Raises: PipelineError if `url` is not an HTTP URL.
    """

    def __init__(self, url: str, vhost: str, *, concurrency: int = _CONCURRENCY, timeout_s: float = 30.0) -> None:
        base, user, password = _taken_apart(url)
        self.user = user
        self.vhost = vhost
        self.where = base
        self._base = f"{base.removesuffix('/api')}/api/"
        self._timeout_s = timeout_s
        self._slots = asyncio.Semaphore(concurrency)
        self._http = httpx.AsyncClient(
            auth=httpx.BasicAuth(user, password),
            # The broker is spoken to directly, as over AMQP; a proxy meant for the web would only be in the way.
            trust_env=False,
            verify=_trusted(),
            timeout=httpx.Timeout(timeout_s, connect=min(5.0, timeout_s), pool=None),
            limits=httpx.Limits(max_connections=concurrency, max_keepalive_connections=concurrency),
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connections. Idempotent."""
        await self._http.aclose()

    async def get(self, *path: str, **query: str) -> dict[str, Any]:
        """The JSON object at `path`, whose segments are encoded here. Raises NotFound, Denied, Unreachable, …"""
        answer = await self._request("GET", path, query=query)
        document = self._json(answer)
        if not isinstance(document, dict):
            raise self._not_an_api("it answered with another kind of document")
        return document

    async def list(self, *path: str, **query: str) -> list[dict[str, Any]]:
        """The JSON objects listed at `path`. Raises as `get`."""
        answer = await self._request("GET", path, query=query)
        document = self._json(answer)
        if not isinstance(document, list) or not all(isinstance(row, dict) for row in document):
            raise self._not_an_api("it answered with another kind of document")
        return document

    async def put(self, *path: str, body: Mapping[str, Any]) -> bool:
        """Make or update; True if it was not there before. Raises Refused and as `get`."""
        return (await self._request("PUT", path, body=body)).status_code == httpx.codes.CREATED

    async def post(self, *path: str, body: Mapping[str, Any]) -> None:
        """Raises Refused and as `get`."""
        await self._request("POST", path, body=body)

    async def delete(self, *path: str, **query: str) -> None:
        """Raises NotFound if there was nothing, and as `put`."""
        await self._request("DELETE", path, query=query)

    async def _request(
        self, method: str, path: tuple[str, ...], *, query: Mapping[str, str] | None = None, body: Any = None
    ) -> httpx.Response:
        url = self._base + "/".join(quote(segment, safe="") for segment in path)
        async with self._slots:
            try:
                answer = await self._sent(method, url, query, body)
            except httpx.RequestError as error:
                raise self._failed(error) from error
        if not answer.is_success:
            self._raise_for(answer)
        return answer

    async def _sent(self, method: str, url: str, query: Mapping[str, str] | None, body: Any) -> httpx.Response:
        try:
            return await self._http.request(method, url, params=query or None, json=body)
        except (httpx.RemoteProtocolError, httpx.ReadError, httpx.WriteError):
            return await self._http.request(method, url, params=query or None, json=body)

    def _json(self, answer: httpx.Response) -> Any:
        try:
            return json.loads(answer.content)
        except (ValueError, RecursionError):
            raise self._not_an_api(f"it answered with {_kind_of(answer)} where JSON was expected") from None

    def _raise_for(self, answer: httpx.Response) -> NoReturn:
        status = answer.status_code
        reason = _reason(answer)
        if status in (httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN):
            raise self._denied(status, reason)
        if answer.is_redirect:
            target = without_credentials(answer.headers.get("location", ""))
            raise PipelineError(
                f"The management API's address redirects to {target}",
                where=self.where,
                fix="Set RABBITMQ_MANAGEMENT_URL to that address if it is the broker's",
            )
        if answer.is_server_error:
            raise PipelineError(
                f"RabbitMQ's management API failed with HTTP {status}" + (f": {reason}" if reason else ""),
                where=self.where,
                fix="The broker's log says more; run the command again once it is well",
            )
        if not reason:
            raise self._not_an_api(f"it answered HTTP {status} with {_kind_of(answer)}")
        if reason == "Not Found" or "vhost_not_found" in reason:
            raise NotFound(
                f'RabbitMQ has no vhost "{_printable(self.vhost)}", or nothing of that name in it',
                where=self.where,
                fix="Check the path of RABBITMQ_URL, or create the vhost with `rabbitmqctl add_vhost`",
            )
        if status == httpx.codes.NOT_FOUND:
            raise NotFound(f"RabbitMQ says: {reason}", where=self.where)
        raise Refused(f"RabbitMQ refused it: {reason}", reason=reason, where=self.where)

    def _denied(self, status: int, reason: str) -> Denied:
        if reason in _WRONG_LOGIN and status == httpx.codes.UNAUTHORIZED:
            return Denied(
                "RabbitMQ does not accept the user name or the password",
                where=self.where,
                fix="Check them in RABBITMQ_MANAGEMENT_URL (or RABBITMQ_URL); guest may only log in from localhost",
            )
        if reason == "Not management user":
            missing = 'the tag "management", and "policymaker" to apply policies: `rabbitmqctl set_user_tags`'
        elif reason == "Not administrator user":
            missing = 'the tag "administrator": `rabbitmqctl set_user_tags`'
        elif "virtual host" in reason:
            missing = f'permissions on the vhost "{_printable(self.vhost)}": `rabbitmqctl set_permissions`'
        elif "access object" in reason:
            missing = 'the tag "policymaker": `rabbitmqctl set_user_tags`'
        else:
            missing = f'configure, write and read permissions on the vhost "{_printable(self.vhost)}"'
        said = f" ({reason})" if reason else ""
        return Denied(
            f"RabbitMQ does not let this user do that{said}", where=self.where, fix=f"The user needs {missing}"
        )

    def _failed(self, error: httpx.RequestError) -> PipelineError:
        """What it means that a request did not even get an answer with a status."""
        reason = _printable(str(error)) or type(error).__name__
        if isinstance(error, httpx.TimeoutException):
            return Unreachable(
                f"RabbitMQ's management API does not answer within {self._timeout_s:g} s",
                where=self.where,
                fix="Is the host right, and the broker not overloaded or behind a firewall? " + _CHECK_URL,
            )
        if "without sending complete message body" in reason:
            return PipelineError(
                f"The management API's answer broke off: {reason}",
                where=self.where,
                fix="Run the command again; if it stays so, look at what is between here and the broker",
            )
        if isinstance(error, httpx.TransportError) and not (
            isinstance(error, httpx.RemoteProtocolError) and "without sending a response" not in reason
        ):
            return self._unreachable(reason)
        return self._not_an_api(reason)

    def _unreachable(self, reason: str) -> Unreachable:
        if "CERTIFICATE_VERIFY_FAILED" in reason:
            fix = "Trust the broker's certificate authority: set SSL_CERT_FILE to its PEM file"
        elif "SSL" in reason:
            fix = "Is this an https address of a server that speaks plain http? " + _CHECK_URL
        else:
            fix = (
                "Start RabbitMQ with its management plugin (`rabbitmq-plugins enable rabbitmq_management`). "
                + _CHECK_URL
            )
        return Unreachable(f"RabbitMQ's management API can't be reached: {reason}", where=self.where, fix=fix)

    def _not_an_api(self, reason: str) -> PipelineError:
        return PipelineError(
            f"What answers here is not RabbitMQ's management API: {reason}", where=self.where, fix=_CHECK_URL
        )


def _taken_apart(url: str) -> tuple[str, str, str]:
    """Base URL without credentials and trailing slash, user, password."""
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if not usable:
        # The URL itself is not shown: where it can't be taken apart, its password can't be taken out.
        raise PipelineError(
            "The management API's address is not an http URL",
            where="RABBITMQ_MANAGEMENT_URL",
            fix="Write http://user:password@host:15672, with special characters of the password percent-encoded",
        )
    base = without_credentials(url).rstrip("/")
    return base, unquote(parts.username or "guest"), unquote(parts.password or "guest")


def _reason(answer: httpx.Response) -> str:
    """RabbitMQ's reason for an error; empty if the answer is not RabbitMQ's."""
    try:
        document = json.loads(answer.content)
    except (ValueError, RecursionError):
        return ""
    reason = document.get("reason") if isinstance(document, dict) else None
    return _printable(html.unescape(reason)) if isinstance(reason, str) else ""


def _kind_of(answer: httpx.Response) -> str:
    if not answer.content:
        return "nothing"
    kind = answer.headers.get("content-type", "").partition(";")[0].strip()
    return "broken JSON" if kind == "application/json" else f"{_printable(kind) or 'something else'}"


def _printable(text: str) -> str:
    """One line without control characters, of 300 characters at most."""
    return "".join(c if c.isprintable() else " " for c in " ".join(text.split()))[:300]
