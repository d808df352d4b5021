"""What a browser may do from another site, and with another name for this one."""

from __future__ import annotations

import pytest
from websockets.exceptions import InvalidStatus

from tests.api_plane import RunningApi, running_api


@pytest.mark.parametrize(
    "host", ["evil.example", "localhost.evil.example", "127.0.0.1.evil.example", "a@localhost", ""]
)
async def test_foreign_host_is_refused(api: RunningApi, host: str) -> None:
    async with api.http(headers={"Host": host}) as http:
        answer = await http.get("/v1/recordings")
    assert answer.status_code in (400, 421)
    assert "items" not in answer.text


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:8000", "127.0.0.1:9", "[::1]:8000"])
async def test_own_host_is_served(api: RunningApi, host: str) -> None:
    async with api.http(headers={"Host": host}) as http:
        assert (await http.get("/v1/recordings")).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:1"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
)
async def test_post_from_another_site_is_refused_and_not_published(api: RunningApi, headers: dict[str, str]) -> None:
    async with api.http(headers=headers) as http:
        answer = await http.post("/v1/messages/analysis.cancel", json={"recording_id": "r1"})
    assert answer.status_code == 403
    assert answer.json()["error_code"] == "ORIGIN_NOT_ALLOWED"
    assert (await api.broker.depth("analysis.cancel")).messages == 0


async def test_post_from_the_page_itself_is_accepted(api: RunningApi) -> None:
    async with api.http(headers={"Origin": api.url, "Sec-Fetch-Site": "same-origin"}) as http:
        answer = await http.post("/v1/messages/analysis.cancel", json={"recording_id": "r1"})
    assert answer.status_code == 202


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://127.0.0.1:1"])
async def test_socket_from_another_site_is_refused_and_no_error_is_logged(
    api: RunningApi, origin: str, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(InvalidStatus) as refused:
        async with api.socket(origin=origin):
            pass
    assert refused.value.response.status_code == 403
    assert not caplog.records


async def test_socket_from_the_page_itself_is_accepted(api: RunningApi) -> None:
    async with api.socket(origin=api.url) as client:
        assert (await client.ask({"type": "ping"}))["type"] == "pong"


async def test_allowed_origin_may_connect_and_post() -> None:
    async with running_api(allowed_origins=["https://dj.example"]) as api:
        async with api.socket(origin="https://dj.example") as client:
            assert (await client.ask({"type": "ping"}))["type"] == "pong"
        async with api.http(headers={"Origin": "https://dj.example"}) as http:
            answer = await http.post("/v1/messages/analysis.cancel", json={"recording_id": "r1"})
        assert answer.status_code == 202


async def test_socket_without_origin_needs_the_dev_profile() -> None:
    async with running_api(profile="prod") as api:
        with pytest.raises(InvalidStatus) as refused:
            async with api.socket():
                pass
        assert refused.value.response.status_code == 403
        async with api.socket(origin=api.url) as client:
            assert (await client.ask({"type": "ping"}))["type"] == "pong"


@pytest.mark.parametrize("client_id", ["x" * 129, "a%20b", "a%0ab", "%3Cscript%3E"])
async def test_wrong_client_id_is_refused_before_the_socket_opens(api: RunningApi, client_id: str) -> None:
    with pytest.raises(InvalidStatus) as refused:
        async with api.socket(f"?client_id={client_id}"):
            pass
    assert refused.value.response.status_code == 400
    assert b"INVALID_CLIENT_ID" in (refused.value.response.body or b"")


async def test_every_answer_carries_the_security_headers(api: RunningApi) -> None:
    async with api.http() as http:
        for path in ("/", "/static/main.js", "/v1/recordings", "/nothing"):
            headers = (await http.get(path)).headers
            policy = headers["content-security-policy"]
            assert "default-src 'none'" in policy
            assert "unsafe" not in policy
            assert headers["x-content-type-options"] == "nosniff"


async def test_wildcard_address_accepts_ip_literals_but_no_other_names() -> None:
    async with running_api(host="0.0.0.0") as api:
        async with api.http(headers={"Host": "192.168.1.20:8000"}) as http:
            assert (await http.get("/health/live")).status_code == 200
        async with api.http(headers={"Host": "evil.example"}) as http:
            assert (await http.get("/health/live")).status_code == 421
