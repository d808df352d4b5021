"""The WebSocket messages, field for field as the contract document prints them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from websockets.frames import Frame as WebSocketFrame
from websockets.frames import Opcode

from api.socket import frames
from pipeline.state.embedded import EmbeddedStore
from pipeline.state.port import Status, Update

ROOT = Path(__file__).parents[3]
EXAMPLES: dict[str, dict[str, Any]] = json.loads((ROOT / "api/socket/websocket_examples.json").read_text())
CLIENT, SERVER = EXAMPLES["client"], EXAMPLES["server"]
ID = "uuid-string"


@pytest.mark.parametrize("name", CLIENT)
def test_every_client_message_of_the_document_is_understood(name: str) -> None:
    message = frames.parse(json.dumps(CLIENT[name]))
    assert message.model_dump(exclude_none=True) == CLIENT[name]


@pytest.mark.parametrize(
    ("name", "frame", "extra"),
    [
        ("Welcome Message", frames.welcome(ID), {}),
        ("Pong Response", frames.pong(1234567890.123), {}),
        ("Generic Error", frames.error("Error description"), {}),
        (
            "Connection Status",
            frames.status(ID, ["recording-uuid-1", "recording-uuid-2"], 1234567890.123, 5, 2),
            {"node_connections": 2},
        ),
    ],
)
def test_server_message_is_the_documents_example(name: str, frame: frames.Frame, extra: dict[str, Any]) -> None:
    assert json.loads(frame.text) == SERVER[name] | extra


def test_subscription_confirmation_is_the_documents_example_with_the_id_filled_in() -> None:
    example = {**SERVER["Subscription Confirmation"]}
    example["message"] = example["message"].replace("{recording_id}", ID)
    assert json.loads(frames.subscribed(ID).text) == example


def test_unsubscription_has_the_shape_of_the_subscription() -> None:
    answer = json.loads(frames.unsubscribed(ID).text)
    assert answer["type"] == "unsubscribed"
    assert answer.keys() == SERVER["Subscription Confirmation"].keys()


@pytest.mark.parametrize(
    ("name", "status"),
    [
        ("Progress Update", Status.ANALYZING),
        ("Analysis Complete", Status.COMPLETED),
        ("Error Notification", Status.FAILED),
    ],
)
async def test_update_reaches_clients_as_the_documents_example(name: str, status: Status) -> None:
    example = SERVER[name]
    data = {**example["data"]}
    kind, fraction = data.pop("type"), data.pop("progress", 0.0)
    store = EmbeddedStore(None)
    await store.connect()
    update = Update(ID, "run", "attempt", kind, status, fraction, data, begins=True)
    event = await store.progress.record(update)
    await store.close()
    assert event is not None
    for text, extra in ((event.frame, set()), (frames.snapshot(event.frame).text, {"snapshot"})):
        sent = json.loads(text)
        assert sent.keys() - example.keys() == {"sequence", "epoch", "event_id"} | extra
        assert sent["recording_id"] == ID
        assert isinstance(sent["data"].pop("timestamp"), float)
        assert sent["data"].pop("status") == status
        assert sent["data"] == {key: value for key, value in example["data"].items() if key not in _VARYING}


_VARYING = ("timestamp", "status")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "Not valid JSON: EOF"),
        ("{", "Not valid JSON"),
        ('"ping"', 'A message is a JSON object with a "type"'),
        ("null", 'A message is a JSON object with a "type"'),
        ("[]", 'A message is a JSON object with a "type"'),
        ("{}", 'The message has no "type"; known types: ping, subscribe, unsubscribe, get_status'),
        ('{"type": null}', "Unknown message type"),
        ('{"type": ["ping"]}', "Unknown message type"),
        ('{"type": "pin"}', 'Unknown message type "pin"; did you mean "ping"? Known types:'),
        ('{"type": "delete"}', 'Unknown message type "delete". Known types: ping'),
        ('{"type": "subscribe"}', '"recording_id" is missing from the subscribe message'),
        ('{"type": "subscribe", "recording_id": null}', '"recording_id" of the subscribe message is wrong'),
        ('{"type": "subscribe", "recording_id": "a\\u0000b"}', '"recording_id" of the subscribe message is wrong'),
        ('{"type": "unsubscribe", "recording_id": "' + "x" * 201 + '"}', "at most 200 characters"),
        ("[" * 10_000, "Not valid JSON"),
        ('{"type": "' + "é" * 33_000 + '"}', "longer than 65536 bytes"),
    ],
)
def test_wrong_message_is_refused_with_a_reason(text: str, expected: str) -> None:
    with pytest.raises(frames.InvalidFrame) as refused:
        frames.parse(text)
    assert expected in str(refused.value)


def refusal(text: str) -> str | None:
    try:
        frames.parse(text)
    except frames.InvalidFrame as refused:
        return str(refused)
    return None


@settings(max_examples=40, deadline=None)
@given(
    st.text()
    | st.recursive(st.none() | st.booleans() | st.floats() | st.text(), st.lists).map(json.dumps)
    | st.dictionaries(st.sampled_from(["type", "recording_id"]), st.text() | st.integers() | st.none()).map(json.dumps)
)
def test_any_text_is_either_a_message_or_refused_with_a_short_printable_reason(text: str) -> None:
    reason = refusal(text)
    if reason is None:
        assert json.loads(text)["type"] in frames.CLIENT_TYPES
    else:
        assert reason.isprintable()
        assert len(reason) < 300


def test_fields_the_document_does_not_name_are_tolerated() -> None:
    assert frames.parse('{"type": "ping", "sent_at": 1}').type == "ping"


@pytest.mark.parametrize("size", [0, 1, 125, 126, 65_535, 65_536, 200_000])
def test_wire_form_is_what_a_websocket_library_would_send(size: int) -> None:
    text = "é"[:size] + "x" * (size - 2) if size > 1 else "x" * size
    expected = WebSocketFrame(Opcode.TEXT, text.encode()).serialize(mask=False)
    assert frames.Frame(text).wire == expected
