"""What clients ask for over HTTP becomes the contract's messages, and is followed as a job."""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Any

import pytest

from pipeline.state.port import Status, Update
from tests.api_plane import RunningApi

TRACKLIST = {
    "tracklist_id": "t1",
    "recording_id": "r1",
    "file_path": "/music/sets/mix.mp3",
    "source": "embedded",
    "confidence": 1.0,
    "created_at": "2026-01-02T03:04:05Z",
    "entries": [{"number": 1, "start_seconds": 0.0, "title": "One", "performer": "Someone"}],
}
CUE_FILE = {
    "cue_file_id": "c1",
    "tracklist_id": "t1",
    "recording_id": "r1",
    "format": "standard",
    "file_path": "cue/c1.cue",
    "file_size": 3,
    "checksum": "",
    "created_at": "2026-01-02T03:04:05Z",
}
REQUESTS: list[tuple[str, str, Any, str, str, dict[str, Any]]] = [
    (
        "POST",
        "/v1/recordings/r1/analysis",
        {"analysis_types": ["bpm"], "priority": 9},
        "analysis_queue",
        "analysis.request",
        {"recording_id": "r1", "file_path": "/music/sets/mix.mp3", "analysis_types": ["bpm"], "_priority": 9},
    ),
    (
        "POST",
        "/v1/recordings/r1/analysis",
        None,
        "analysis_queue",
        "analysis.request",
        {"analysis_types": ["bpm", "key", "energy"], "_priority": 7},
    ),
    (
        "DELETE",
        "/v1/recordings/r1/analysis",
        None,
        "analysis.cancel",
        "analysis.cancel",
        {"recording_id": "r1", "action": "cancel", "_priority": 8},
    ),
    (
        "POST",
        "/v1/recordings/r1/metadata",
        {"extraction_types": ["id3_tags"]},
        "metadata.extract",
        "metadata.extract",
        {"recording_id": "r1", "extraction_types": ["id3_tags"]},
    ),
    (
        "POST",
        "/v1/recordings/r1/tracklist",
        {"source_hint": "audio"},
        "tracklist.generate",
        "tracklist.generate",
        {"recording_id": "r1", "source_hint": "audio"},
    ),
    (
        "POST",
        "/v1/recordings/r1/rename",
        {"suggested_name": "A - B.mp3", "options": {"backup_original": True}},
        "file_rename.request",
        "rename.request",
        {
            "file_path": "/music/sets/mix.mp3",
            "suggested_name": "A - B.mp3",
            "options": {"preserve_extension": True, "backup_original": True},
            "recording_id": "r1",
        },
    ),
    (
        "POST",
        "/v1/tracklists/t1/cue",
        {"format": "traktor", "options": {"x": [1, "é"]}, "validate_audio": True},
        "cue.generation",
        "cue.generation.single",
        {
            "message_type": "cue_generation",
            "tracklist_id": "t1",
            "recording_id": "r1",
            "format": "traktor",
            "options": {"x": [1, "é"]},
            "validate_audio": True,
            "requested_by": "api",
        },
    ),
    (
        "POST",
        "/v1/tracklists/t1/cue-batch",
        {"formats": ["standard", "kodi"]},
        "cue.generation.batch",
        "cue.generation.batch",
        {"message_type": "batch_cue_generation", "tracklist_id": "t1", "formats": ["standard", "kodi"]},
    ),
    (
        "POST",
        "/v1/cue-files/c1/validation",
        None,
        "cue.validation",
        "cue.validation",
        {"message_type": "cue_validation", "cue_file_id": "c1", "recording_id": "r1"},
    ),
    (
        "POST",
        "/v1/cue-files/c1/conversion",
        {"target_format": "serato", "preserve_metadata": False},
        "cue.conversion",
        "cue.conversion",
        {"source_cue_file_id": "c1", "target_format": "serato", "preserve_metadata": False},
    ),
    (
        "POST",
        "/v1/renames/patterns",
        {"recording_ids": ["r1", "r2"]},
        "file_rename.pattern",
        "rename.pattern.analyze",
        {"file_paths": ["/music/sets/mix.mp3", "/music/two.mp3"]},
    ),
    (
        "POST",
        "/v1/renames/n1/feedback",
        {"feedback_type": "improvement", "message": "nicer", "user_rating": 4},
        "file_rename.feedback",
        "rename.feedback",
        {"rename_id": "n1", "feedback_type": "improvement", "message": "nicer", "user_rating": 4},
    ),
]
JOB_FIELDS = {
    "cue.generation.batch": "batch_job_id",
    "cue.validation": "validation_job_id",
    "cue.conversion": "conversion_job_id",
}


async def fill(api: RunningApi) -> None:
    await api.add_recording("r1", "/music/sets/mix.mp3")
    await api.add_recording("r2", "/music/two.mp3")
    documents = api.state.documents
    await documents.put("tracklist", "t1", TRACKLIST, index={"recording": "r1"})
    await documents.put("cue_file", "c1", CUE_FILE, index={"recording": "r1", "tracklist": "t1"})
    await documents.put(
        "rename", "n1", {"rename_id": "n1", "original_path": "/music/a.mp3", "new_path": "/music/b.mp3"}
    )


@pytest.mark.parametrize(("method", "path", "body", "queue", "message", "expected"), REQUESTS)
async def test_request_becomes_the_contracts_message_and_says_how_to_follow_it(
    api: RunningApi, method: str, path: str, body: Any, queue: str, message: str, expected: dict[str, Any]
) -> None:
    await fill(api)
    async with api.http() as http:
        answer = await http.request(method, path, json=body)
    assert answer.status_code == 202, answer.text
    accepted = answer.json()
    published = await api.published(queue)
    assert {key: published.get(key) for key in expected} == expected
    assert accepted["message"] == message
    assert accepted["message_id"] == published["_id"]
    assert accepted["correlation_id"] == published["correlation_id"] == str(uuid.UUID(published["correlation_id"]))
    if message == "rename.feedback":
        assert accepted["job_id"] is None
        assert "location" not in answer.headers
        return
    assert answer.headers["location"] == f"/v1/jobs/{accepted['job_id']}"
    if message.startswith("analysis."):
        assert accepted["job_id"] == "r1"
    else:
        assert accepted["job_id"] == published[JOB_FIELDS.get(message, "job_id")]
    if message.startswith("cue."):
        assert published["message_id"] == published["_id"]
        assert datetime.fromisoformat(published["timestamp"]).tzinfo is not None
    assert "requested_by" not in published or published["requested_by"] == "api"


@pytest.mark.parametrize(
    ("method", "path", "body", "queue", "code"),
    [
        ("POST", "/v1/recordings/x/analysis", {}, "analysis_queue", "UNKNOWN_RECORDING"),
        ("DELETE", "/v1/recordings/x/analysis", None, "analysis.cancel", "UNKNOWN_RECORDING"),
        ("POST", "/v1/recordings/x/metadata", {}, "metadata.extract", "UNKNOWN_RECORDING"),
        ("POST", "/v1/recordings/x/tracklist", {}, "tracklist.generate", "UNKNOWN_RECORDING"),
        ("POST", "/v1/recordings/x/rename", {"suggested_name": "a"}, "file_rename.request", "UNKNOWN_RECORDING"),
        ("POST", "/v1/tracklists/x/cue", {}, "cue.generation", "UNKNOWN_TRACKLIST"),
        ("POST", "/v1/tracklists/x/cue-batch", {"formats": ["kodi"]}, "cue.generation.batch", "UNKNOWN_TRACKLIST"),
        ("POST", "/v1/cue-files/x/validation", {}, "cue.validation", "UNKNOWN_CUE_FILE"),
        ("POST", "/v1/cue-files/x/conversion", {"target_format": "kodi"}, "cue.conversion", "UNKNOWN_CUE_FILE"),
        (
            "POST",
            "/v1/renames/patterns",
            {"recording_ids": ["r1", "x"]},
            "file_rename.pattern",
            "UNKNOWN_RECORDING",
        ),
        ("POST", "/v1/renames/x/feedback", {"feedback_type": "success"}, "file_rename.feedback", "UNKNOWN_RENAME"),
        ("GET", "/v1/recordings/x", None, "", "UNKNOWN_RECORDING"),
        ("GET", "/v1/recordings/x/cover", None, "", "UNKNOWN_RECORDING"),
        ("GET", "/v1/tracklists/x", None, "", "UNKNOWN_TRACKLIST"),
        ("GET", "/v1/cue-files/x", None, "", "UNKNOWN_CUE_FILE"),
        ("GET", "/v1/cue-files/x/content", None, "", "UNKNOWN_CUE_FILE"),
        ("GET", "/v1/renames/x", None, "", "UNKNOWN_RENAME"),
        ("GET", "/v1/jobs/x", None, "", "UNKNOWN_JOB"),
    ],
)
async def test_unknown_id_is_404_with_a_fix_and_nothing_is_published(
    api: RunningApi, method: str, path: str, body: Any, queue: str, code: str
) -> None:
    await fill(api)
    async with api.http() as http:
        answer = await http.request(method, path, json=body)
    assert answer.status_code == 404, answer.text
    assert answer.json()["error_code"] == code
    assert answer.json()["fix"]
    assert not queue or (await api.broker.depth(queue)).messages == 0


@pytest.mark.parametrize(
    ("path", "body", "field"),
    [
        ("/v1/recordings/r1/analysis", {"priority": 11}, "priority"),
        ("/v1/recordings/r1/analysis", {"priority": "3"}, "priority"),
        ("/v1/recordings/r1/analysis", {"analysis_types": []}, "analysis_types"),
        ("/v1/recordings/r1/analysis", {"analysis_types": ["mood"]}, "analysis_types.0"),
        ("/v1/recordings/r1/analysis", {"prioritty": 3}, "prioritty"),
        ("/v1/recordings/r1/tracklist", {"source_hint": "web"}, "source_hint"),
        ("/v1/recordings/r1/rename", {}, "suggested_name"),
        ("/v1/recordings/r1/rename", {"suggested_name": "x" * 1025}, "suggested_name"),
        ("/v1/tracklists/t1/cue", {"format": ""}, "format"),
        ("/v1/tracklists/t1/cue-batch", {"formats": []}, "formats"),
        ("/v1/renames/n1/feedback", {"feedback_type": "success", "user_rating": 6}, "user_rating"),
        ("/v1/renames/patterns", {"recording_ids": ["r1"] * 2001}, "recording_ids"),
    ],
)
async def test_wrong_request_is_422_and_names_the_field(api: RunningApi, path: str, body: Any, field: str) -> None:
    await fill(api)
    async with api.http() as http:
        answer = await http.post(path, json=body)
    assert answer.status_code == 422
    assert [reason["field"] for reason in answer.json()["reasons"]] == [field]


async def test_text_that_is_no_unicode_is_422_and_not_published(api: RunningApi) -> None:
    await fill(api)
    async with api.http(headers={"Content-Type": "application/json"}) as http:
        answer = await http.post("/v1/tracklists/t1/cue", content=b'{"options": {"title": "\\ud800"}}')
    assert answer.status_code == 422
    assert answer.json()["error_code"] == "INVALID_MESSAGE"
    assert (await api.broker.depth("cue.generation")).messages == 0


async def test_work_on_a_deleted_recording_is_refused_but_may_be_cancelled(api: RunningApi) -> None:
    await api.add_recording("r1", "/music/one.mp3", deleted_at="2026-01-02T03:04:05Z")
    async with api.http() as http:
        for name, body in (("analysis", {}), ("metadata", {}), ("tracklist", {}), ("rename", {"suggested_name": "a"})):
            answer = await http.post(f"/v1/recordings/r1/{name}", json=body)
            assert (answer.status_code, answer.json()["error_code"]) == (410, "FILE_NOT_FOUND")
        assert (await http.delete("/v1/recordings/r1/analysis")).status_code == 202


async def test_analysis_of_somebody_elses_recording_is_cancelled_by_its_id(api: RunningApi) -> None:
    await api.queue("foreign")
    async with api.http() as http:
        assert (await http.delete("/v1/recordings/foreign/analysis")).status_code == 202
        assert (await http.post("/v1/recordings/foreign/analysis")).status_code == 404


@pytest.mark.parametrize(("method", "path", "body", "queue", "message", "expected"), REQUESTS[:3])
async def test_request_from_another_site_is_refused(
    api: RunningApi, method: str, path: str, body: Any, queue: str, message: str, expected: dict[str, Any]
) -> None:
    await fill(api)
    async with api.http(headers={"Origin": "https://evil.example"}) as http:
        answer = await http.request(method, path, json=body)
    assert answer.status_code == 403
    assert (await api.broker.depth(queue)).messages == 0


async def test_analysis_is_shown_as_queued_at_once_where_the_answer_points(api: RunningApi) -> None:
    await fill(api)
    async with api.http() as http:
        answer = await http.post("/v1/recordings/r1/analysis")
        job = (await http.get(answer.headers["location"])).json()
    assert (job["status"], job["recording_id"]) == ("queued", "r1")


async def test_job_is_followed_by_polling_to_its_results(api: RunningApi) -> None:
    async def record(type: str, status: Status, fraction: float, **data: Any) -> None:
        begins = status is Status.ANALYZING
        update = Update("r1", "m1", "1", type, status, fraction, data, begins=begins, job_id="j1")
        assert await api.state.progress.record(update)

    await api.add_recording("r1", "/music/one.mp3")
    async with api.http() as http:
        await record("progress", Status.ANALYZING, 0.25, message="looking")
        job = (await http.get("/v1/jobs/j1")).json()
        assert (job["job_id"], job["recording_id"], job["status"], job["progress"]) == ("j1", "r1", "analyzing", 0.25)
        assert (job["message"], job["results"], job["error"]) == ("looking", None, None)
        await record("tracklist_complete", Status.COMPLETED, 1.0, results={"tracklist_id": "t1"})
        job = (await http.get("/v1/jobs/j1")).json()
        assert (job["status"], job["results"]) == ("completed", {"tracklist_id": "t1"})
        assert [each["status"] for each in job["history"]] == ["analyzing", "completed"]
        assert (await http.get("/v1/recordings/r1")).json()["status"] == "new"
        assert (await http.get("/v1/recordings/j1")).status_code == 404


async def test_failed_job_shows_why(api: RunningApi) -> None:
    data = {"error": "No chapters", "details": {"error_code": "NO_TRACKLIST"}}
    update = Update("r1", "m1", "1", "error", Status.FAILED, 0.0, data, begins=True, job_id="j1")
    assert await api.state.progress.record(update)
    async with api.http() as http:
        job = (await http.get("/v1/jobs/j1")).json()
    assert (job["status"], job["error"]) == ("failed", {"message": "No chapters", "error_code": "NO_TRACKLIST"})


async def test_message_that_the_topology_does_not_have_is_501(api: RunningApi) -> None:
    await fill(api)
    del api.topology.messages["rename.request"]
    async with api.http() as http:
        answer = await http.post("/v1/recordings/r1/rename", json={"suggested_name": "a"})
    assert (answer.status_code, answer.json()["error_code"]) == (501, "UNKNOWN_MESSAGE")


@pytest.mark.parametrize("path", ["/v1/recordings/a%00b", "/v1/jobs/%07", "/v1/tracklists/" + "x" * 201])
async def test_id_that_cannot_be_one_is_422(api: RunningApi, path: str) -> None:
    async with api.http() as http:
        answer = await http.get(path)
    assert answer.status_code == 422
    assert answer.json()["error_code"] == "INVALID_MESSAGE"
