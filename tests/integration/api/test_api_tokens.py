"""Who may come in: tokens, tickets, and nobody without."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from websockets.exceptions import InvalidStatus

from api.security.access import Access
from api.security.limits import Limits
from api.security.tokens import Tokens
from api.socket import expiry
from tests.api_plane import RunningApi, Socket, running_api, until

SECRET = "a secret that is only known to this test, and long"
READ_WRITE = "read write"


def token(key: Any = SECRET, algorithm: str = "HS256", headers: dict[str, Any] | None = None, **claims: Any) -> str:
    stated = {"sub": "ada", "exp": time.time() + 300, "scope": READ_WRITE, "aud": "pipeline", **claims}
    stated = {name: value for name, value in stated.items() if value is not None}
    return jwt.encode(stated, key, algorithm=algorithm, headers=headers)


def bearer(text: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {text}"}


def access(**settings: Any) -> Access:
    tokens = Tokens(**{"secret": SECRET, "audience": "pipeline", "issuer": None, **settings})
    return Access(tokens=tokens, anonymous=False)


@pytest.fixture
async def api() -> AsyncIterator[RunningApi]:
    async with running_api(access=access(), profile="prod") as running:
        yield running


def pem(key: Any) -> bytes:
    public = key.public_key()
    return public.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)  # type: ignore[no-any-return]


async def refused(api: RunningApi, query: str = "", **options: Any) -> tuple[int, dict[str, Any]]:
    """Status and body of the answer to a handshake."""
    with pytest.raises(InvalidStatus) as refusal:
        async with api.socket(query, **options):
            pass
    response = refusal.value.response
    return response.status_code, json.loads(response.body)


@pytest.mark.parametrize("path", ["/v1/recordings", "/v1/dlq", "/v1/info", "/v1/export.json"])
async def test_nothing_is_shown_to_who_has_no_token(api: RunningApi, path: str) -> None:
    async with api.http() as http:
        answer = await http.get(path)
        assert (answer.status_code, answer.json()["error_code"]) == (401, "UNAUTHORISED")
        assert answer.headers["WWW-Authenticate"] == "Bearer"
        assert (await http.get(path, headers=bearer(token()))).status_code == 200
    status, body = await refused(api, origin=api.url)
    assert (status, body["error_code"]) == (401, "UNAUTHORISED")


@pytest.mark.parametrize("path", ["/", "/static/main.js", "/client.js", "/health/live", "/health/ready", "/metrics"])
async def test_the_page_itself_and_what_operators_ask_need_none(api: RunningApi, path: str) -> None:
    async with api.http() as http:
        assert (await http.get(path)).status_code == 200


WRONG: dict[str, Callable[[], str]] = {
    "Its signature is wrong": lambda: token("another secret that is long enough for HS256"),
    "It has expired": lambda: token(exp=1),
    "It has no exp": lambda: token(exp=None),
    "It has no sub": lambda: token(sub=None),
    "It is not meant for this service": lambda: token(aud="another"),
    "It is not valid yet": lambda: token(nbf=time.time() + 100),
    "No key is known": lambda: jwt.encode({"sub": "ada", "exp": time.time() + 100}, None, algorithm="none"),
    "It is not a JSON Web Token": lambda: "nonsense",
    "Its scope is no text": lambda: token(scope=["read"]),
}


@pytest.mark.parametrize("reason", WRONG)
async def test_a_token_that_is_not_right_is_refused_with_the_reason(api: RunningApi, reason: str) -> None:
    wrong = bearer(WRONG[reason]())
    async with api.http(headers=wrong) as http:
        answer = await http.get("/v1/recordings")
    assert answer.status_code == 401
    assert reason in answer.json()["error"]
    assert (await refused(api, additional_headers=wrong))[0] == 401


async def test_a_service_connects_with_a_token_and_without_an_origin(api: RunningApi) -> None:
    async with api.socket(additional_headers=bearer(token())) as client:
        await client.follow("r1")
        await api.progress("r1", 0.5)
        assert (await client.receive())["sequence"] == 1


async def test_a_scope_allows_what_it_says(api: RunningApi) -> None:
    async with api.http(headers=bearer(token(scope="read"))) as http:
        assert (await http.get("/v1/recordings")).status_code == 200
        answer = await http.post("/v1/messages/analysis.cancel", json={"recording_id": "r1"})
        assert (answer.status_code, answer.json()["error_code"]) == (403, "INSUFFICIENT_SCOPE")
    async with api.http(headers=bearer(token(scope="write"))) as http:
        assert (await http.post("/v1/messages/analysis.cancel", json={"recording_id": "r1"})).status_code == 202
        assert (await http.get("/v1/recordings")).status_code == 403
    assert (await refused(api, additional_headers=bearer(token(scope="else"))))[0] == 403


async def test_a_token_for_some_recordings_is_for_no_others(api: RunningApi) -> None:
    limited = bearer(token(recordings=["r1"]))
    async with api.http(headers=limited) as http:
        assert (await http.get("/v1/recordings/r1")).status_code == 403
    async with api.socket(additional_headers=limited) as client:
        for other in ("r2", "*"):
            answer = await client.ask({"type": "subscribe", "recording_id": other})
            assert answer["type"] == "error"
            assert "does not allow" in answer["message"]
        await client.follow("r1")
        assert (await client.ask({"type": "get_status"}))["subscriptions"] == ["r1"]


async def ticket(api: RunningApi, **claims: Any) -> str:
    async with api.http(headers=bearer(token(**claims))) as http:
        answer = await http.post("/v1/tickets")
    assert answer.headers["Cache-Control"] == "no-store"
    return str(answer.json()["ticket"])


async def test_a_ticket_opens_one_socket_for_whoever_asked(api: RunningApi) -> None:
    issued = await ticket(api, recordings=["r1"])
    async with api.socket(f"?ticket={issued}", origin=api.url) as client:
        assert (await client.ask({"type": "subscribe", "recording_id": "r2"}))["type"] == "error"
        status, body = await refused(api, f"?ticket={issued}", origin=api.url)
    assert status == 401
    assert "was used" in body["error"]


async def test_a_socket_is_told_before_its_token_expires_and_closed_then(
    api: RunningApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(expiry, "NOTICE_S", 1.5)
    async with api.socket(additional_headers=bearer(token(exp=time.time() + 2))) as client:
        assert (await client.receive())["code"] == "token_expires"
        assert (await client.closed())[0] == 4401


async def test_a_newer_token_keeps_the_socket_open(api: RunningApi, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(expiry, "NOTICE_S", 1.9)
    async with api.socket(additional_headers=bearer(token(exp=time.time() + 2))) as client:
        assert (await client.receive())["code"] == "token_expires"
        await client.follow("r1")
        await client.follow("r2")
        await client.send({"type": "authenticate", "token": token(recordings=["r1"])})
        assert (await client.receive())["type"] == "unsubscribed"
        answer = await client.receive()
        assert answer["type"] == "authenticated"
        assert answer["expires_at"] > time.time() + 200
        await asyncio.sleep(2.1)  # beyond the end of the first one
        assert (await client.ask({"type": "get_status"}))["subscriptions"] == ["r1"]


async def test_a_token_that_is_not_right_changes_nothing(api: RunningApi) -> None:
    async with api.socket(additional_headers=bearer(token())) as client:
        for wrong in (token(sub="eve"), token(exp=1), "nonsense"):
            assert (await client.ask({"type": "authenticate", "token": wrong}))["type"] == "error"
        await client.follow("r1")


async def test_nobody_can_take_over_the_connection_of_another(api: RunningApi) -> None:
    async with (
        api.socket("?client_id=same", additional_headers=bearer(token())) as ada,
        api.socket("?client_id=same", additional_headers=bearer(token(sub="eve"))),
    ):
        assert (await ada.ask({"type": "ping"}))["type"] == "pong"
        async with api.socket("?client_id=same", additional_headers=bearer(token())):
            assert (await ada.closed())[0] == 4409


async def test_public_keys_of_either_kind_and_key_sets_are_known_and_changed_while_it_runs(tmp_path: Path) -> None:
    file = tmp_path / "keys"
    first, second = rsa.generate_private_key(65537, 2048), ec.generate_private_key(ec.SECP256R1())
    file.write_bytes(pem(first))
    async with running_api(access=access(secret=None, file=file)) as api, api.http() as http:

        async def status(text: str) -> int:
            return (await http.get("/v1/recordings", headers=bearer(text))).status_code

        assert await status(token(first, "RS256")) == 200
        assert await status(token(second, "ES256")) == 401
        confused = jwt.encode(
            {"sub": "eve", "exp": time.time() + 100, "aud": "pipeline"}, "x" * 40, "HS256"
        )  # as if the public key were a secret
        assert await status(confused) == 401
        sets = [{**json.loads(jwt.get_algorithm_by_name("ES256").to_jwk(second.public_key())), "kid": "second"}]
        sets.append({**json.loads(jwt.get_algorithm_by_name("RS256").to_jwk(first.public_key())), "kid": "first"})
        replacement = tmp_path / "new"
        replacement.write_text(json.dumps({"keys": sets[:1]}))
        os.replace(replacement, file)
        assert await status(token(second, "ES256", {"kid": "second"})) == 200
        assert await status(token(first, "RS256")) == 401
        replacement.write_text(json.dumps({"keys": sets}))
        os.replace(replacement, file)
        assert await status(token(first, "RS256", {"kid": "first"})) == 200


async def test_tokens_and_tickets_are_in_no_log(
    api: RunningApi, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    text, issued = token(), await ticket(api)
    async with api.socket(f"?ticket={issued}", origin=api.url), api.http(headers=bearer(text)) as http:
        await http.get("/v1/recordings")
    await refused(api, f"?ticket={issued}", origin=api.url)
    ours = [each.getMessage() for each in caplog.records if not each.name.startswith(("websockets.client", "http"))]
    said = "".join([*ours, *capsys.readouterr()])
    assert issued not in said
    assert text not in said


async def test_too_many_handshakes_are_put_off(api: RunningApi) -> None:
    limits = Limits(None, "", handshakes="3/minute", subscriptions="2/minute")
    async with running_api(access=Access(limits=limits)) as limited:
        sockets: list[Socket] = []
        async with limited.socket() as a, limited.socket() as b, limited.socket() as c:
            sockets += [a, b, c]
            status, body = await refused(limited)
            assert (status, body["error_code"]) == (429, "TOO_MANY_REQUESTS")
            await a.follow("r1")
            await b.follow("r2")
            answer = await c.ask({"type": "subscribe", "recording_id": "r3"})
            assert answer["type"] == "error"
            assert "Too many subscriptions" in answer["message"]


async def test_an_address_may_have_so_many_connections_and_no_more() -> None:
    async with running_api(access=Access(per_address=2)) as api:
        async with api.socket(), api.socket():
            status, body = await refused(api)
            assert (status, body["error_code"]) == (429, "TOO_MANY_CONNECTIONS")
        await until(lambda: api.app.state.plane.hub.connections == 0, "they are gone")
        async with api.socket():
            pass


@pytest.mark.redis
async def test_processes_count_together_and_without_redis_nothing_is_refused(redis_url: str) -> None:
    prefix = f"limits-{time.time_ns()}"
    first, second = (Limits(redis_url, prefix, handshakes="2/minute") for _ in range(2))
    assert await first.allows("handshake", "1.2.3.4", "") is None
    assert await second.allows("handshake", "1.2.3.4", "") is None
    wait_s = await first.allows("handshake", "1.2.3.4", "")
    assert wait_s is not None
    assert 0 < wait_s <= 61
    assert await second.allows("handshake", "5.6.7.8", "") is None
    away = Limits("redis://127.0.0.1:1/0", prefix, handshakes="1/minute")
    for _ in range(3):
        assert await away.allows("handshake", "1.2.3.4") is None
    for limits in (first, second, away):
        await limits.close()


async def test_a_browser_signs_in_with_a_cookie_that_scripts_can_not_read(api: RunningApi) -> None:
    async with api.http(headers={"Origin": api.url}) as http:
        assert (await http.post("/v1/session", json={"token": token(exp=1)})).status_code == 401
        answer = await http.post("/v1/session", json={"token": token()})
        assert answer.json()["subject"] == "ada"
        cookie = answer.headers["Set-Cookie"].lower()
        assert "httponly" in cookie
        assert "samesite=strict" in cookie
        assert (await http.get("/v1/info")).json()["subject"] == "ada"
        cookies = {"Cookie": f"pipeline_token={http.cookies['pipeline_token']}"}
        async with api.socket(origin=api.url, additional_headers=cookies) as client:
            await client.follow("*")
        status, body = await refused(api, origin="https://evil.example", additional_headers=cookies)
        assert (status, body["error_code"]) == (403, "ORIGIN_NOT_ALLOWED")
        assert (await http.delete("/v1/session")).status_code == 204
        assert (await http.get("/v1/info")).status_code == 401


async def test_a_service_without_a_key_has_nothing_to_sign_in_to() -> None:
    async with running_api() as api, api.http() as http:
        answer = await http.post("/v1/session", json={"token": token()})
        assert (answer.status_code, answer.json()["error_code"]) == (409, "NO_TOKENS")
        assert (await http.get("/v1/recordings", headers=bearer("anything"))).status_code == 200
