"""The described WebSocket messages are the ones that are sent: every frame, and every example of the document."""

from __future__ import annotations

import json
from typing import Any

import pytest

from api.socket import described as socket_messages
from api.socket import frames, session
from pipeline.state.embedded import EmbeddedStore
from pipeline.state.port import Status, Update

FRAMES = {
    "Welcome Message": frames.welcome("client"),
    "Pong Response": frames.pong(1.5),
    "Subscription Confirmation": frames.subscribed("recording"),
    "Unsubscription Confirmation": frames.unsubscribed("recording"),
    "Authenticated": frames.authenticated(1234567890.5),
    "Connection Status": frames.status("client", ["recording"], 1.5, 3, 2),
    "Generic Error": frames.error("wrong"),
    "Notice": frames.notice("resync", "Updates may have been missed"),
}
EVENTS = {
    "Progress Update": ("progress", Status.ANALYZING, {"message": "decoding"}, None),
    "Analysis Complete": ("analysis_complete", Status.COMPLETED, {"results": {"bpm": 128.0}}, None),
    "Job Complete": ("cue_generation_complete", Status.COMPLETED, {"results": {"success": True}}, "job"),
    "Error Notification": ("error", Status.FAILED, {"error": "no", "details": {"error_code": "TIMEOUT"}}, None),
}


def test_every_described_message_has_a_frame_in_this_test() -> None:
    assert FRAMES.keys() | EVENTS.keys() == socket_messages.SERVER_MESSAGES.keys()


@pytest.mark.parametrize("name", FRAMES)
def test_a_frame_is_as_described_and_has_no_field_that_is_not(name: str) -> None:
    model = socket_messages.SERVER_MESSAGES[name].model_validate_json(FRAMES[name].text, strict=True)
    assert not model.model_extra


@pytest.mark.parametrize("name", EVENTS)
async def test_an_event_is_as_described_and_has_no_field_that_is_not(name: str) -> None:
    kind, status, data, job = EVENTS[name]
    store = EmbeddedStore(None)
    await store.connect()
    update = Update("recording", "run", "attempt", kind, status, 0.5, data, begins=True, job_id=job)
    event = await store.progress.record(update)
    await store.close()
    assert event is not None
    for text in (event.frame, frames.snapshot(event.frame).text):
        model: Any = socket_messages.SERVER_MESSAGES[name].model_validate_json(text, strict=True)
        assert not model.model_extra
        assert not model.data.model_extra


@pytest.mark.parametrize("name", socket_messages.examples())
def test_the_documents_example_is_as_described(name: str) -> None:
    described = {**socket_messages.CLIENT_MESSAGES, **socket_messages.SERVER_MESSAGES}
    described[name].model_validate_json(json.dumps(socket_messages.examples()[name]), strict=True)


def test_the_address_and_the_client_id_are_as_described() -> None:
    assert [getattr(route, "path", "") for route in session.router.routes] == [socket_messages.PATH]
    assert socket_messages.QUERY["properties"]["client_id"]["pattern"] == f"^{session._CLIENT_ID.pattern}$"
