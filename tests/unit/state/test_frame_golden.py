"""Frames, character for character, as the contract document has its examples, with our fields after them."""

from __future__ import annotations

import json

import pytest

from pipeline.state.frame import event_from_wire, finished_frame, frame_around_sequence, json_text
from pipeline.state.port import Event, Status, Update

AT = 1234567890.123


def frame(update: Update) -> str:
    return finished_frame(frame_around_sequence(update, "event-id", AT), 7, "epoch")


def test_progress_update() -> None:
    data = {"message": "Processing audio analysis"}
    update = Update("uuid-string", "run", "attempt", "progress", Status.ANALYZING, 0.75, data)
    assert frame(update) == (
        '{"recording_id":"uuid-string","data":{"type":"progress","progress":0.75,"status":"analyzing",'
        '"message":"Processing audio analysis","timestamp":1234567890.123},'
        '"sequence":7,"epoch":"epoch","event_id":"event-id"}'
    )


def test_analysis_complete() -> None:
    data = {"results": {"bpm": 128.5, "key": "C major", "energy": 0.8}}
    update = Update("uuid-string", "run", "attempt", "analysis_complete", Status.COMPLETED, 1.0, data)
    assert frame(update) == (
        '{"recording_id":"uuid-string","data":{"type":"analysis_complete",'
        '"results":{"bpm":128.5,"key":"C major","energy":0.8},"status":"completed","timestamp":1234567890.123},'
        '"sequence":7,"epoch":"epoch","event_id":"event-id"}'
    )


def test_error_notification() -> None:
    details = {"error_code": "ANALYSIS_ERROR", "file_path": "/path/to/file.mp3"}
    data = {"error": "Analysis failed", "details": details}
    update = Update("uuid-string", "run", "attempt", "error", Status.FAILED, 0.0, data)
    assert frame(update) == (
        '{"recording_id":"uuid-string","data":{"type":"error","error":"Analysis failed",'
        '"details":{"error_code":"ANALYSIS_ERROR","file_path":"/path/to/file.mp3"},"status":"failed",'
        '"timestamp":1234567890.123},"sequence":7,"epoch":"epoch","event_id":"event-id"}'
    )


def test_further_fields_of_a_progress_update_are_kept() -> None:
    data = {"message": "Again in 5 s", "error_code": "TIMEOUT"}
    update = Update("id", "run", "attempt", "progress", Status.RETRYING, 0.5, data)
    shown = json.loads(frame(update))["data"]
    assert list(shown) == ["type", "progress", "status", "message", "error_code", "timestamp"]
    assert shown["error_code"] == "TIMEOUT"


def test_progress_without_a_message_has_an_empty_one() -> None:
    assert json.loads(frame(Update("id", "run", "", "progress", Status.QUEUED)))["data"]["message"] == ""


def test_fields_of_ours_are_not_overridden_by_the_data() -> None:
    data = {"type": "x", "status": "x", "progress": 3, "timestamp": 0, "results": {}}
    shown = json.loads(frame(Update("id", "run", "a", "analysis_complete", Status.COMPLETED, 1.0, data)))["data"]
    assert shown == {"type": "analysis_complete", "results": {}, "status": "completed", "timestamp": AT}


@pytest.mark.parametrize("progress", [-0.001, 1.001, float("nan"), float("inf")])
def test_progress_outside_zero_to_one_is_an_error(progress: float) -> None:
    with pytest.raises(ValueError, match="not within 0 and 1"):
        frame(Update("id", "run", "a", "progress", Status.ANALYZING, progress))


def test_whole_number_of_progress_is_still_a_fraction() -> None:
    assert '"progress":1.0,' in frame(Update("id", "run", "a", "progress", Status.ANALYZING, 1))


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ({"a": float("nan"), "b": [float("inf"), -0.0]}, '{"a":null,"b":[null,-0.0]}'),
        ("caf\udce9", '"caf?"'),
        ({"\udce9": ("é", 1e-7, float("-inf"), None, True)}, '{"?":["é",1e-07,null,null,true]}'),
        ('\u2028"\\\n', '"\u2028\\"\\\\\\n"'),
    ],
)
def test_text_is_json_that_every_client_can_read(value: object, text: str) -> None:
    assert json_text(value) == text
    json.loads(text.encode())


def test_event_comes_back_from_the_line_it_is_kept_in() -> None:
    recording = 'with "quotes", spaces and\nlines'
    line = f'7 epoch retrying {json_text(recording)}\n{{"recording_id": 1}}'
    assert event_from_wire(line) == Event(recording, 7, "epoch", Status.RETRYING, '{"recording_id": 1}')
