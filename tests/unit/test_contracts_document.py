"""The bodies printed in the contract document are valid as they stand, and nothing in them is lost or renamed."""

from __future__ import annotations

import importlib
import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import BaseModel, ValidationError

ROOT = Path(__file__).parents[2]
DOCUMENT: dict[str, dict[str, Any]] = json.loads((ROOT / "stages/contract_examples.json").read_text())
MESSAGES: dict[str, dict[str, Any]] = yaml.safe_load((ROOT / "topology.yaml").read_text())["messages"]
WRONG = {"neither": ["text", "number", "nor list"]}


def _examples() -> dict[str, dict[str, Any]]:
    """Message name to body. Where the document writes `created|modified|...`, one body for each choice."""
    examples = {}
    for name, body in DOCUMENT.items():
        if name == "file.lifecycle":
            for event in body["event_type"].split("|"):
                examples[f"file.{event}"] = body | {"event_type": event}
        elif name == "rename.feedback":
            for kind in body["feedback_type"].split("|"):
                examples[f"rename.feedback ({kind})"] = body | {"feedback_type": kind}
        else:
            examples[name] = body
    return examples | {"file.analyze": examples["analysis.request"]}


EXAMPLES = _examples()


def _model(message: str) -> type[BaseModel]:
    module, _, name = MESSAGES[message.split(" ")[0]]["model"].partition(":")
    model = getattr(importlib.import_module(module), name)
    assert issubclass(model, BaseModel)
    return model


def _encoded(body: dict[str, Any]) -> bytes:
    return json.dumps(body).encode()


@pytest.mark.parametrize("message", EXAMPLES)
def test_example_keeps_every_field_and_value_through_its_model(message: str) -> None:
    example = EXAMPLES[message]
    written = json.loads(_model(message).model_validate_json(_encoded(example)).model_dump_json())
    assert {field: written[field] for field in example} == example


@pytest.mark.parametrize("message", EXAMPLES)
def test_fields_the_document_does_not_name_are_kept(message: str) -> None:
    extended = EXAMPLES[message] | {"x_future": {"deep": [1, 2.5, None]}}
    written = json.loads(_model(message).model_validate_json(_encoded(extended)).model_dump_json())
    assert written["x_future"] == {"deep": [1, 2.5, None]}


@pytest.mark.parametrize("message", MESSAGES)
def test_every_message_of_the_topology_has_a_model(message: str) -> None:
    assert _model(message).model_fields


def test_the_topology_carries_every_message_of_the_document() -> None:
    assert {example.split(" ")[0] for example in EXAMPLES} <= MESSAGES.keys()


@pytest.mark.parametrize(
    ("message", "field"),
    [
        (message, name)
        for message in EXAMPLES
        for name, field in _model(message).model_fields.items()
        if field.is_required()
    ],
)
def test_body_without_a_required_field_is_refused(message: str, field: str) -> None:
    body = {name: value for name, value in EXAMPLES[message].items() if name != field}
    with pytest.raises(ValidationError, match=field):
        _model(message).model_validate_json(_encoded(body))


@pytest.mark.parametrize(
    ("message", "field"), [(message, field) for message, body in EXAMPLES.items() for field in body]
)
def test_body_with_a_field_of_the_wrong_type_is_refused(message: str, field: str) -> None:
    wrong = "not an object" if isinstance(EXAMPLES[message][field], dict) else WRONG
    with pytest.raises(ValidationError, match=field):
        _model(message).model_validate_json(_encoded(EXAMPLES[message] | {field: wrong}))


@pytest.mark.parametrize(
    ("message", "field", "value"),
    [
        ("file.created", "event_type", "copied"),
        ("file.created", "timestamp", "2024-01-01T00:00:00"),
        ("file.created", "size_bytes", -1),
        ("file.created", "file_path", ""),
        ("file.discovered", "file_info", {"path": "/music/track.mp3", "extension": ".mp3"}),
        ("file.created", "file_path", "/music/nul\0.mp3"),
        ("analysis.request", "analysis_types", ["bpm", "mood"]),
        ("analysis.request", "analysis_types", []),
        ("analysis.request", "recording_id", "line\nbreak"),
        ("analysis.cancel", "action", "pause"),
        ("cue.generation.single", "message_type", "batch_cue_generation"),
        ("rename.feedback (success)", "user_rating", 6),
        ("rename.request", "suggested_name", ""),
    ],
)
def test_value_outside_what_the_document_allows_is_refused(message: str, field: str, value: object) -> None:
    with pytest.raises(ValidationError, match=field):
        _model(message).model_validate_json(_encoded(EXAMPLES[message] | {field: value}))


def test_what_cannot_be_known_of_a_deleted_file_is_left_out_rather_than_null() -> None:
    known = ("correlation_id", "timestamp", "file_path", "file_type", "instance_id", "watched_directory")
    body = {name: EXAMPLES["file.deleted"][name] for name in known} | {"event_type": "deleted"}
    assert json.loads(_model("file.deleted").model_validate_json(_encoded(body)).model_dump_json()) == body
