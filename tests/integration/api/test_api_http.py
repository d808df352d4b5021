"""Health, recordings, dead letters, definitions and publishing over HTTP, on the real server."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from pipeline.messages.message import Message
from tests.api_plane import RunningApi, until

DLQ = "analysis_queue.dlq"


BODY = b'{"recording_id": "r1", "file_path": "/music/one.flac"}'


async def dead_letter(api: RunningApi, message_id: str, error_code: str, body: bytes = BODY) -> None:
    headers = {
        "x-message-name": "analysis.request",
        "x-error-code": error_code,
        "x-error-message": "Nothing in it decodes",
        "x-error-stage": "analysis",
        "x-attempt": 4,
        "x-failed-at": "2026-01-02T03:04:05Z",
    }
    await api.broker.publish("", DLQ, Message(body, message_id=message_id, headers=headers))


async def test_service_is_live_and_ready(api: RunningApi) -> None:
    async with api.http() as http:
        assert (await http.get("/health/live")).json() == {"status": "alive"}
        await until(lambda: api.app.state.plane.relay.connected, "the relay reads events")
        ready = await http.get("/health/ready")
    assert ready.status_code == 200
    assert ready.json() == {
        "status": "ready",
        "checks": {"broker": {"status": "ok"}, "state": {"status": "ok"}},
        "relay": "connected",
    }


async def test_readiness_names_the_dependency_that_is_away_and_since_when(api: RunningApi) -> None:
    async with api.http() as http:
        await api.broker.close()
        first, second = await http.get("/health/ready"), await http.get("/health/ready")
        assert first.status_code == 503
        assert first.json()["checks"]["state"] == {"status": "ok"}
        broker = first.json()["checks"]["broker"]
        assert broker["status"] == "failing"
        assert "not connected" in broker["error"]
        assert second.json()["checks"]["broker"]["since"] == broker["since"]
        await api.broker.connect()
        assert (await http.get("/health/ready")).status_code == 200
        assert (await http.get("/health/live")).status_code == 200


async def test_recordings_are_listed_with_progress_results_and_errors(api: RunningApi) -> None:
    await api.add_recording("a", "/music/set/one.flac")
    await api.add_recording("b", "/music/two.flac")
    await api.add_recording("c", "/music/three.flac")
    await api.add_recording("d", "/elsewhere/four.flac")
    await api.progress("a", 0.4, "tempo")
    await api.progress("b", 0.4)
    await api.complete("b", bpm=128.0, key="C major")
    await api.progress("c", 0.1)
    await api.fail("c", "Nothing in it decodes", "DECODE_ERROR")
    async with api.http() as http:
        page = (await http.get("/v1/recordings")).json()
        items = {item["recording_id"]: item for item in page["items"]}
        assert list(items) == ["d", "c", "b", "a"]
        assert items["a"]["path"] == "set/one.flac"
        assert items["d"]["path"] == "four.flac"
        assert (items["a"]["status"], items["a"]["progress"], items["a"]["message"]) == ("analyzing", 0.4, "tempo")
        assert items["b"]["results"] == {"bpm": 128.0, "key": "C major"}
        assert items["c"]["error"] == {"message": "Nothing in it decodes", "error_code": "DECODE_ERROR"}
        assert (items["d"]["status"], items["d"]["size_bytes"]) == ("new", 1234)
        assert page["total"] == 4
        assert {name: value for name, value in page["counts"].items() if value} == {
            "new": 1,
            "analyzing": 1,
            "completed": 1,
            "failed": 1,
        }


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("status=completed", ["c", "b"]),
        ("q=THREE", ["c"]),
        ("q=b", ["b"]),
        ("limit=1&offset=1", ["b"]),
        ("sort=name", ["a", "c", "b"]),
        ("sort=active", ["a", "c", "b"]),
        ("limit=0", []),
        ("q=nothing", []),
    ],
)
async def test_recordings_are_filtered_sorted_and_paged(api: RunningApi, query: str, expected: list[str]) -> None:
    for recording_id, name in (("a", "one"), ("b", "two"), ("c", "three")):
        await api.add_recording(recording_id, f"/music/{name}.flac")
        await api.progress(recording_id, 0.1)
    await api.complete("b")
    await api.complete("c")
    async with api.http() as http:
        page = (await http.get(f"/v1/recordings?{query}")).json()
    assert [item["recording_id"] for item in page["items"]] == expected


async def test_list_follows_new_documents_changes_and_deletions(api: RunningApi) -> None:
    async def paths() -> list[str]:
        return [item["path"] for item in (await http.get("/v1/recordings?sort=name")).json()["items"]]

    async with api.http() as http:
        assert await paths() == []
        for number in range(250):
            await api.add_recording(f"r{number}", f"/music/{number:03}.flac")
        await until(lambda: _has(paths, 100), "the new recordings are listed")
        await api.add_recording("r7", "/music/renamed.flac")
        await api.add_recording("r8", "/music/008.flac", deleted_at="2026-01-02T03:04:05Z")
        await api.state.documents.delete("recording", "r9")

        async def changed() -> bool:
            listed = (await http.get("/v1/recordings?limit=500")).json()
            found = {item["path"] for item in listed["items"]}
            return "renamed.flac" in found and not found & {"007.flac", "008.flac", "009.flac"}

        await until(changed, "the changes are listed")


async def _has(paths: Any, count: int) -> bool:
    return len(await paths()) == count


async def test_completion_shows_in_the_list_and_in_the_rate(api: RunningApi) -> None:
    await api.add_recording("a", "/music/one.flac")
    async with api.http() as http:
        await until(lambda: api.app.state.plane.relay.connected, "the relay reads events")
        assert (await http.get("/v1/recordings")).json()["counts"]["new"] == 1
        await api.progress("a", 0.5)
        await api.complete("a")

        async def completed() -> bool:
            page = (await http.get("/v1/recordings")).json()
            return bool(page["counts"]["completed"] == 1 and page["finished_last_minute"] == 1)

        await until(completed, "the completion is counted")


async def test_one_recording_is_shown_with_its_history(api: RunningApi) -> None:
    history = [{"path": "/music/old/first.flac", "until": "2026-01-02T03:04:05Z"}]
    await api.add_recording("a", "/music/one.flac", sha256_hash="ab", path_history=history)
    await api.queue("a")
    await api.progress("a", 0.5)
    await api.complete("a", bpm=120.0)
    async with api.http() as http:
        shown = (await http.get("/v1/recordings/a")).json()
    assert [each["status"] for each in shown["history"]] == ["queued", "analyzing", "completed"]
    assert shown["file"]["sha256_hash"] == "ab"
    assert shown["file"]["path_history"] == [{"path": "old/first.flac", "until": "2026-01-02T03:04:05Z"}]
    assert "/music" not in str(shown)
    assert shown["results"] == {"bpm": 120.0}


async def test_unknown_recording_is_404_with_a_fix(api: RunningApi) -> None:
    async with api.http() as http:
        answer = await http.get("/v1/recordings/nothing")
    assert answer.status_code == 404
    assert answer.json()["error_code"] == "UNKNOWN_RECORDING"
    assert set(answer.json()) == {"error", "error_code", "fix"}


@pytest.mark.parametrize("query", ["limit=501", "limit=x", "offset=-1", "status=wrong", "sort=wrong", "q=" + "x" * 201])
async def test_wrong_query_is_422_and_says_which_field(api: RunningApi, query: str) -> None:
    async with api.http() as http:
        answer = await http.get(f"/v1/recordings?{query}")
    assert answer.status_code == 422
    assert answer.json()["reasons"][0]["field"] == query.partition("=")[0]


async def test_dead_letters_are_listed_and_replayed(api: RunningApi) -> None:
    for message_id, code in (("m1", "DECODE_ERROR"), ("m2", "TIMEOUT"), ("m3", "TIMEOUT")):
        await dead_letter(api, message_id, code)
    async with api.http() as http:
        overview = (await http.get("/v1/dlq")).json()
        assert overview["total"] == 3
        assert {"name": DLQ, "origin": "analysis_queue", "messages": 3} in overview["items"]
        entries = (await http.get(f"/v1/dlq/{DLQ}")).json()
        assert [entry["message_id"] for entry in entries["items"]] == ["m1", "m2", "m3"]
        first = entries["items"][0]
        assert (first["error_code"], first["stage"], first["attempts"]) == ("DECODE_ERROR", "analysis", 4)
        assert first["failed_at"] == "2026-01-02T03:04:05+00:00"
        replayed = (await http.post(f"/v1/dlq/{DLQ}/replay", json={"message_ids": ["m1", "gone"]})).json()
        assert (replayed["replayed"], replayed["not_found"]) == (1, ["gone"])
        assert (await http.post(f"/v1/dlq/{DLQ}/replay", json={"error_code": "TIMEOUT", "limit": 1})).json()[
            "replayed"
        ] == 1
        assert (await http.get("/v1/dlq")).json()["total"] == 1
    assert (await api.broker.depth("analysis_queue")).messages == 2


@pytest.mark.parametrize(
    "body",
    [{}, {"message_ids": []}, {"limit": 0}, {"limit": "3"}, {"queue": "x"}, {"older_than": "2"}, {"dry_run": True}],
)
async def test_replay_without_a_clear_wish_is_refused(api: RunningApi, body: dict[str, Any]) -> None:
    await dead_letter(api, "m1", "TIMEOUT")
    async with api.http() as http:
        answer = await http.post(f"/v1/dlq/{DLQ}/replay", json=body)
    assert answer.status_code == 422
    assert (await api.broker.depth(DLQ)).messages == 1


async def test_unknown_dead_letter_queue_is_404_with_a_suggestion(api: RunningApi) -> None:
    async with api.http() as http:
        answer = await http.get("/v1/dlq/analysis_queu")
    assert answer.status_code == 404
    assert "analysis_queue" in answer.json()["fix"]


async def test_queues_are_listed_with_their_depth(api: RunningApi) -> None:
    await api.broker.publish("tracktion.events", "analysis.request", Message(b"{}"))
    async with api.http() as http:
        queues = {queue["name"]: queue for queue in (await http.get("/v1/queues")).json()["items"]}
    assert queues["analysis_queue"] == {
        "name": "analysis_queue",
        "external": False,
        "declared": True,
        "messages": 1,
        "consumers": 0,
    }
    assert queues["cue.generation.complete"]["external"] is True


async def test_definitions_are_those_of_the_running_engine(api: RunningApi) -> None:
    async with api.http() as http:
        definitions = (await http.get("/v1/definitions")).json()
    assert {"analysis_queue", DLQ} <= {queue["name"] for queue in definitions["queues"]}
    assert "tracktion.events" in {exchange["name"] for exchange in definitions["exchanges"]}


async def test_valid_message_is_published_under_the_id_that_is_returned(api: RunningApi) -> None:
    body = {"recording_id": "r1", "file_path": "/music/one.flac", "note": "kept"}
    async with api.http() as http:
        answer = await http.post("/v1/messages/analysis.request", json=body)
    assert answer.status_code == 202
    delivery = await api.broker.get("analysis_queue")
    assert delivery is not None
    assert delivery.message.message_id == answer.json()["message_id"]
    published = json.loads(delivery.message.body)
    assert (published["recording_id"], published["note"]) == ("r1", "kept")
    delivery.ack()


@pytest.mark.parametrize(
    ("content", "status", "code"),
    [
        (b"{", 422, "INVALID_MESSAGE"),
        (b"[]", 422, "INVALID_MESSAGE"),
        (b'{"recording_id": 7}', 422, "INVALID_MESSAGE"),
        (b'{"recording_id": "' + b"x" * 1024 * 1024 + b'"}', 413, "MESSAGE_TOO_LARGE"),
    ],
)
async def test_wrong_message_body_is_refused_with_reasons_and_not_published(
    api: RunningApi, content: bytes, status: int, code: str
) -> None:
    async with api.http(headers={"Content-Type": "application/json"}) as http:
        answer = await http.post("/v1/messages/analysis.request", content=content)
    assert answer.status_code == status
    assert answer.json()["error_code"] == code
    assert (await api.broker.depth("analysis_queue")).messages == 0


async def test_reasons_name_every_wrong_field(api: RunningApi) -> None:
    async with api.http() as http:
        answer = await http.post("/v1/messages/analysis.request", json={"recording_id": 7})
    assert {reason["field"] for reason in answer.json()["reasons"]} == {"recording_id", "file_path"}


async def test_unknown_message_is_404_with_a_suggestion(api: RunningApi) -> None:
    async with api.http() as http:
        answer = await http.post("/v1/messages/analysis.requst", json={})
    assert answer.status_code == 404
    assert answer.json()["fix"] == 'Did you mean "analysis.request"?'


async def test_body_that_is_not_declared_json_is_415(api: RunningApi) -> None:
    async with api.http() as http:
        answer = await http.post("/v1/messages/analysis.request", content=b"{}", headers={"Content-Type": "text/plain"})
    assert answer.status_code == 415


async def test_broker_that_is_away_is_503_with_a_fix(api: RunningApi) -> None:
    await api.broker.close()
    async with api.http() as http:
        for answer in (
            await http.get("/v1/queues"),
            await http.get("/v1/dlq"),
            await http.post("/v1/messages/analysis.cancel", json={"recording_id": "r1"}),
        ):
            assert answer.status_code == 503, answer.text
            assert answer.json()["error_code"] == "DEPENDENCY_UNAVAILABLE"
            assert "/health/ready" in answer.json()["fix"]


async def test_metrics_count_sockets_and_messages(api: RunningApi) -> None:
    async with api.socket() as client:
        await client.ask({"type": "ping"})
        async with api.http() as http:
            text = (await http.get("/metrics")).text
    for line in (
        "api_websocket_connections 1.0",
        'api_websocket_messages_in_total{type="ping"}',
        "pipeline_deliveries",
    ):
        assert line in text


async def test_unknown_path_and_wrong_method_answer_in_the_form_of_errors(api: RunningApi) -> None:
    async with api.http() as http:
        for answer, status in ((await http.get("/nothing"), 404), (await http.post("/health/live"), 405)):
            assert answer.status_code == status
            assert set(answer.json()) == {"error", "error_code", "fix"}


async def test_openapi_describes_the_routes_and_every_message_with_its_own_schema(api: RunningApi) -> None:
    async with api.http() as http:
        document = (await http.get("/openapi.json")).json()
    paths = document["paths"]
    assert {"/v1/recordings", "/v1/dlq/{queue}/replay", "/health/ready"} <= set(paths)
    assert {f"/v1/messages/{name}" for name in api.topology.messages} <= set(paths)
    body = paths["/v1/messages/analysis.request"]["post"]["requestBody"]["content"]["application/json"]
    assert {"recording_id", "file_path"} == set(body["schema"]["required"])
    assert body["examples"]["1"]["value"]["file_path"] == "/data/music/track.mp3"


async def test_readme_lists_every_route_of_the_description(api: RunningApi) -> None:
    async with api.http() as http:
        paths = (await http.get("/openapi.json")).json()["paths"]
    described = {f"{method.upper()} {path}" for path, methods in paths.items() for method in methods}
    messages = {route for route in described if route.startswith("POST /v1/messages/")}
    table = Path("README.md").read_text(encoding="utf-8").partition("## HTTP")[2].partition("\n## ")[0]
    listed = re.findall(r"`((?:GET|POST|DELETE) [^`]+)`", table)
    assert sorted(listed) == sorted(described - messages | {"POST /v1/messages/{message_name}"})


async def test_every_error_in_the_description_has_the_form_of_errors(api: RunningApi) -> None:
    async with api.http() as http:
        document = (await http.get("/openapi.json")).json()
    errors = [
        (path, method, status, answer["content"]["application/json"]["schema"])
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
        for status, answer in operation["responses"].items()
        if status >= "400"
    ]
    assert len(errors) > 100
    odd = [each for each in errors if each[3] != {"$ref": "#/components/schemas/ProblemBody"}]
    assert [each[:3] for each in odd] == [("/health/ready", "get", "503")]
    assert "HTTPValidationError" not in document["components"]["schemas"]


async def test_wrong_method_is_told_all_the_methods_that_the_path_takes(api: RunningApi) -> None:
    async with api.http() as http:
        answer = await http.put("/v1/recordings/r1/analysis")
    assert answer.status_code == 405
    assert answer.headers["allow"] == "POST, DELETE"


async def test_body_that_is_too_large_is_refused_whether_it_says_so_or_not(api: RunningApi) -> None:
    async def parts() -> AsyncIterator[bytes]:
        for _ in range(20):
            yield b" " * 65536

    await api.add_recording("r1", "/music/one.mp3")
    async with api.http(headers={"Content-Type": "application/json"}) as http:
        for content in (b" " * 1_100_000, parts()):
            answer = await http.post("/v1/recordings/r1/analysis", content=content)
            assert (answer.status_code, answer.json()["error_code"]) == (413, "MESSAGE_TOO_LARGE")
        most = api.topology.messages["rename.pattern.analyze"].max_size
        assert most > 1_100_000
        paths = json.dumps({"file_paths": ["/music/" + "x" * 1000] * 1200})
        assert (await http.post("/v1/messages/rename.pattern.analyze", content=paths)).status_code == 202


@pytest.mark.parametrize(("value", "status"), [("7.0", 202), ("7", 202), ('"7"', 422), ("true", 422), ("7.5", 422)])
async def test_whole_number_is_taken_however_it_is_written_and_nothing_else_is(
    api: RunningApi, value: str, status: int
) -> None:
    await api.add_recording("r1", "/music/one.mp3")
    ids = '"cue_file_id": "c", "message_id": "m", "validation_job_id": "j", "timestamp": "2024-01-01T00:00:00Z"'
    sent = f'{{{ids}, "priority": {value}}}'
    async with api.http(headers={"Content-Type": "application/json"}) as http:
        assert (await http.post("/v1/messages/cue.validation", content=sent)).status_code == status
        wish = f'{{"priority": {value}}}'
        assert (await http.post("/v1/recordings/r1/analysis", content=wish)).status_code == status
