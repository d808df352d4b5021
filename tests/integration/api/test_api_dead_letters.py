"""`/v1/dlq`: choosing, grouping, replaying, editing, purging and exporting dead letters; the trail of it."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from pipeline.messages.message import Message
from tests.api_plane import RunningApi

_QUEUE = "analysis_queue"
_PATH = f"/v1/dlq/{_QUEUE}"
_GOOD = {"recording_id": "r1", "file_path": "/music/one.flac"}


async def bury(
    api: RunningApi, *ids: str | None, code: str = "TIMEOUT", body: Any = _GOOD, queue: str = _QUEUE
) -> None:
    for each in ids:
        headers = {
            "x-message-name": "analysis.request",
            "x-error-code": code,
            "x-error-class": "Permanent",
            "x-error-stage": "analysis",
            "x-failed-at": "2026-01-02T03:04:05Z",
        }
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        await api.broker.publish("", f"{queue}.dlq", Message(content, message_id=each, headers=headers))


async def waiting(api: RunningApi, queue: str = f"{_QUEUE}.dlq") -> int:
    return (await api.broker.depth(queue)).messages


async def test_letters_are_chosen_by_a_query_and_bodies_are_shown_when_asked_for(api: RunningApi) -> None:
    await bury(api, "a", "b")
    await bury(api, "c", code="DECODE_ERROR", body=b"\xff")
    async with api.http() as http:
        chosen = await http.get(_PATH, params={"message_ids": ["a", "c"], "older_than": "1h", "stage": "analysis"})
        assert [each["message_id"] for each in chosen.json()["items"]] == ["a", "c"]
        assert "body" not in chosen.json()["items"][0]
        (a,) = (await http.get(_PATH, params={"message_ids": "a", "bodies": True})).json()["items"]
        assert json.loads(a["body"]) == _GOOD
        assert len(a["body_sha256"]) == 64
        (c,) = (await http.get(_PATH, params={"error_code": "DECODE_ERROR", "bodies": True})).json()["items"]
        assert c["body_base64"] == "/w=="
        assert (await http.get(_PATH, params={"newer_than": "1h"})).json()["items"] == []


@pytest.mark.parametrize("query", ["older_than=2", "newer_than=1h%0A", "limit=0", "message_ids=", "error_code="])
async def test_a_query_that_makes_no_sense_is_422(api: RunningApi, query: str) -> None:
    async with api.http() as http:
        answer = await http.get(f"{_PATH}?{query}")
    assert answer.status_code == 422
    assert answer.json()["reasons"][0]["field"].startswith(query.partition("=")[0])


async def test_letters_are_grouped_in_one_queue_and_in_all(api: RunningApi) -> None:
    await bury(api, "a", "b")
    await bury(api, "c", queue="metadata.extract")
    async with api.http() as http:
        everywhere = (await http.get("/v1/dlq/groups")).json()
        assert [(each["origin"], each["count"]) for each in everywhere["items"]] == [
            (_QUEUE, 2),
            ("metadata.extract", 1),
        ]
        assert everywhere["total"] == 3
        (only,) = (await http.get(f"{_PATH}/groups?limit=1")).json()["items"]
        assert (only["count"], only["example_id"], only["oldest"]) == (1, "a", "2026-01-02T03:04:05+00:00")


async def test_a_dry_run_says_which_fields_would_fail_again_and_a_replay_keeps_them(api: RunningApi) -> None:
    await bury(api, "a")
    await bury(api, "bad", body={"recording_id": "r1"})
    async with api.http() as http:
        dry = (await http.post(f"{_PATH}/replay", json={"error_code": "TIMEOUT", "dry_run": True})).json()
        assert (dry["dry_run"], dry["replayed"]) == (True, 1)
        assert dry["refused"][0]["fields"] == [{"field": "file_path", "problem": "Field required"}]
        assert await waiting(api) == 2
        done = (await http.post(f"{_PATH}/replay", json={"stage": "analysis", "rate_per_s": 100})).json()
        assert (done["replayed"], len(done["refused"]), await waiting(api)) == (1, 1, 1)
        forced = (await http.post(f"{_PATH}/replay", json={"message_ids": ["bad"], "validate": False})).json()
        assert (forced["replayed"], await waiting(api)) == (1, 0)


async def test_an_edit_is_validated_checked_against_what_was_looked_at_and_sent_back(api: RunningApi) -> None:
    await bury(api, "a", body={"recording_id": "secret"})
    url = f"{_PATH}/edit"
    async with api.http() as http:
        (letter,) = (await http.get(_PATH, params={"bodies": True})).json()["items"]
        wanted = {"message_id": "a", "expected": letter["body_sha256"]}
        refused = await http.post(url, json={**wanted, "body": '{"recording_id": "secret"}'})
        assert refused.status_code == 422
        assert refused.json()["reasons"] == [{"field": "file_path", "problem": "Field required"}]
        assert "secret" not in refused.text
        good = json.dumps(_GOOD)
        tried = (await http.post(url, json={**wanted, "body": good, "dry_run": True})).json()
        assert tried == {"edited": False, "message_id": "a", "fields": ["recording_id", "file_path"]}
        other = await http.post(url, json={**wanted, "expected": "0" * 64, "body": good})
        assert (other.status_code, other.json()["error_code"]) == (409, "LETTER_CHANGED")
        gone = await http.post(url, json={"message_id": "b", "body": good})
        assert (gone.status_code, gone.json()["error_code"]) == (404, "NO_SUCH_LETTER")
        assert await waiting(api) == 1
        assert (await http.post(url, json={**wanted, "body": good})).json()["edited"] is True
    assert await waiting(api) == 0
    assert (await api.published(_QUEUE))["_id"] == "a"


async def test_letters_are_exported_and_purged_and_the_trail_tells_who_did_what(api: RunningApi) -> None:
    await bury(api, "a", "b", "c")
    async with api.http() as http:
        export = await http.get(f"{_PATH}/export", params={"message_ids": ["a", "b"]})
        assert export.headers["content-type"].startswith("application/x-ndjson")
        assert "attachment" in export.headers["content-disposition"]
        assert [json.loads(line)["message_id"] for line in export.text.splitlines()] == ["a", "b"]
        dry = (await http.post(f"{_PATH}/purge", json={"limit": 2, "dry_run": True})).json()
        assert (dry["purged"], await waiting(api)) == (2, 3)
        purged = (await http.post(f"{_PATH}/purge", json={"message_ids": ["a", "b", "x"]})).json()
        assert (purged["purged"], purged["not_found"], await waiting(api)) == (2, ["x"], 1)
        (record,) = (await http.get("/v1/dlq/audit")).json()["items"]
    assert record["who"] == {"name": "anonymous", "address": "127.0.0.1", "via": "api"}
    assert (record["action"], record["message_ids"], record["count"]) == ("purge", ["a", "b"], 2)


@pytest.mark.parametrize("action", ["replay", "purge"])
async def test_nothing_is_done_where_nothing_says_which_letters(api: RunningApi, action: str) -> None:
    await bury(api, "a")
    async with api.http() as http:
        for body in ({}, {"dry_run": True}, {"error_code": None}):
            answer = await http.post(f"{_PATH}/{action}", json=body)
            assert answer.status_code == 422
    assert await waiting(api) == 1


@pytest.mark.parametrize("action", ["replay", "purge", "edit"])
async def test_another_site_changes_nothing(api: RunningApi, action: str) -> None:
    await bury(api, "a")
    body = {"message_id": "a", "body": "{}"} if action == "edit" else {"limit": 1}
    async with api.http(headers={"Origin": "https://elsewhere.example"}) as http:
        answer = await http.post(f"{_PATH}/{action}", json=body)
    assert answer.status_code == 403
    assert await waiting(api) == 1


async def test_without_a_trail_nothing_is_done_and_the_answer_says_to_apply(api: RunningApi) -> None:
    await bury(api, "a")
    api.broker.model.delete_queue(api.topology.audit_queue)
    async with api.http() as http:
        answer = await http.post(f"{_PATH}/replay", json={"limit": 1})
        assert answer.status_code == 400
        assert "pipeline apply" in answer.json()["fix"]
        assert (await http.get("/v1/dlq/audit")).status_code == 400
    assert await waiting(api) == 1


async def test_readers_of_one_queue_do_not_hide_its_letters_from_each_other(api: RunningApi) -> None:
    await bury(api, *map(str, range(20)))
    async with api.http() as http:
        answers = await asyncio.gather(*(http.get(_PATH) for _ in range(8)))
        assert [len(answer.json()["items"]) for answer in answers] == [20] * 8
        looks = [http.get(_PATH) for _ in range(4)]
        *_, replayed = await asyncio.gather(*looks, http.post(f"{_PATH}/replay", json={"message_ids": ["7"]}))
    assert replayed.json()["replayed"] == 1
