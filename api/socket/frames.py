"""Every message of the WebSocket contract: what clients send, parsed strictly, and what the server sends."""

from __future__ import annotations

import difflib
import json
import struct
from collections.abc import Sequence
from functools import cached_property
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, TypeAdapter, ValidationError, model_validator
from pydantic_core import PydanticCustomError

from api.socket.selection import Filter

EVERYTHING = "*"
MAX_TEXT_BYTES = 64 * 1024
_QUOTED_CHARACTERS = 60

SubscriptionId = Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f]+$")]


class InvalidFrame(Exception):
    """What a client sent is not a message of the contract; the text tells its author what to change."""


class _ClientMessage(BaseModel):
    model_config = ConfigDict(strict=True, extra="ignore", frozen=True)


class Ping(_ClientMessage):
    """Answered by `pong`."""

    type: Literal["ping"]


class Subscribe(_ClientMessage):
    """Follow a recording or a job, or `*` for all recordings, of which `filter` chooses.

    With `last_sequence` and `epoch` of the last event it has, a client goes on where it was: it is sent what it has
    missed, or the current state where that is not known any more.
    """

    type: Literal["subscribe"]
    recording_id: SubscriptionId
    last_sequence: Annotated[int, Field(ge=0, le=2**53)] | None = None
    epoch: Annotated[str, StringConstraints(min_length=1, max_length=100)] | None = None
    filter: Filter | None = None

    @property
    def position(self) -> tuple[int, str] | None:
        """The sequence and epoch to go on from."""
        return None if self.last_sequence is None or self.epoch is None else (self.last_sequence, self.epoch)

    @model_validator(mode="after")
    def _fits_together(self) -> Subscribe:
        if (self.last_sequence is None) != (self.epoch is None):
            raise PydanticCustomError("resume", "last_sequence and epoch belong together: both are of the last event")
        if self.recording_id == EVERYTHING and self.last_sequence is not None:
            raise PydanticCustomError("resume", 'sequences are of one recording: "*" can not be gone on with')
        if self.recording_id != EVERYTHING and self.filter is not None:
            raise PydanticCustomError("filter", 'a filter chooses among all recordings: it goes with "*"')
        return self


class Unsubscribe(_ClientMessage):
    """Stop following; harmless where there was no subscription."""

    type: Literal["unsubscribe"]
    recording_id: SubscriptionId


class GetStatus(_ClientMessage):
    """Answered by `status`."""

    type: Literal["get_status"]


class Authenticate(_ClientMessage):
    """Go on with a newer token of the same subject, before the one there is expires. Answered by `authenticated`."""

    type: Literal["authenticate"]
    token: Annotated[str, StringConstraints(min_length=1, max_length=16_384)]


ClientMessage = Ping | Subscribe | Unsubscribe | GetStatus | Authenticate
CLIENT_TYPES = ("ping", "subscribe", "unsubscribe", "get_status", "authenticate")
_CLIENT_MESSAGE: TypeAdapter[ClientMessage] = TypeAdapter(Annotated[ClientMessage, Field(discriminator="type")])


def parse(text: str) -> ClientMessage:
    """One client message. Raises InvalidFrame."""
    if len(text) > MAX_TEXT_BYTES or len(text.encode()) > MAX_TEXT_BYTES:
        raise InvalidFrame(f"The message is longer than {MAX_TEXT_BYTES} bytes")
    try:
        return _CLIENT_MESSAGE.validate_json(text)
    except ValidationError as error:
        raise InvalidFrame(_explain(error)) from None


def _explain(error: ValidationError) -> str:
    known = ", ".join(CLIENT_TYPES)
    problem = error.errors(include_url=False)[0]
    match problem["type"]:
        case "json_invalid":
            return f"Not valid JSON: {problem['ctx']['error']}"
        case "union_tag_not_found":
            return f'The message has no "type"; known types: {known}'
        case "union_tag_invalid":
            given = problem["ctx"]["tag"]
            near = difflib.get_close_matches(given, CLIENT_TYPES, n=1)
            end = f'; did you mean "{near[0]}"?' if near else "."
            return f'Unknown message type "{quotable(given)}"{end} Known types: {known}'
        case "model_attributes_type" | "dict_type" | "model_type" if len(problem["loc"]) < 2:
            return f'A message is a JSON object with a "type"; known types: {known}'
    kind, *field = (str(part) for part in problem["loc"])
    name = quotable(".".join(field)) or "type"
    match problem["type"]:
        case "missing":
            return f'"{name}" is missing from the {kind} message'
        case "extra_forbidden":
            return f'"{name}" of the {kind} message is not known'
        case "resume" | "filter":
            return f"The {kind} message is wrong: {problem['msg']}"
    return f'"{name}" of the {kind} message is wrong: {problem["msg"]}'


def quotable(text: str) -> str:
    """The start of a text from outside, without control characters, fit to be shown."""
    shown = "".join(character if character.isprintable() else "�" for character in text[: _QUOTED_CHARACTERS + 1])
    return shown if len(shown) <= _QUOTED_CHARACTERS else f"{shown[:_QUOTED_CHARACTERS]}…"


class Frame:
    """A server message, built once and sent to any number of clients.

    Attributes:
        text: the JSON text.
        wire: the same as one unmasked WebSocket text frame (RFC 6455, section 5.2).
    """

    def __init__(self, text: str) -> None:
        self.text = text

    @cached_property
    def wire(self) -> bytes:
        payload = self.text.encode()
        size = len(payload)
        if size < 126:
            return b"\x81" + bytes((size,)) + payload
        if size < 65536:
            return b"\x81\x7e" + struct.pack("!H", size) + payload
        return b"\x81\x7f" + struct.pack("!Q", size) + payload


def _frame(message: dict[str, Any]) -> Frame:
    return Frame(json.dumps(message, ensure_ascii=False, separators=(",", ":")))


def welcome(client_id: str) -> Frame:
    return _frame(
        {"type": "welcome", "client_id": client_id, "message": "Connected to Analysis Service WebSocket"},
    )


def pong(timestamp: float) -> Frame:
    return _frame({"type": "pong", "timestamp": timestamp})


def subscribed(recording_id: str, *, recovered: bool | None = None) -> Frame:
    """`recovered` answers a client that wanted to go on where it was: whether what follows is all that it missed."""
    message = f"Subscribed to updates for recording {recording_id}"
    resumed = {} if recovered is None else {"recovered": recovered}
    return _frame({"type": "subscribed", "recording_id": recording_id, "message": message, **resumed})


def unsubscribed(recording_id: str) -> Frame:
    message = f"Unsubscribed from updates for recording {recording_id}"
    return _frame({"type": "unsubscribed", "recording_id": recording_id, "message": message})


def status(
    client_id: str,
    subscriptions: Sequence[str],
    connected_at: float,
    total_connections: int,
    node_connections: int,
) -> Frame:
    """`total_connections` counts the whole cluster, `node_connections` this process."""
    return _frame(
        {
            "type": "status",
            "client_id": client_id,
            "subscriptions": list(subscriptions),
            "connected_at": connected_at,
            "total_connections": total_connections,
            "node_connections": node_connections,
        }
    )


def authenticated(expires_at: float | None) -> Frame:
    """Until when, in seconds since the epoch."""
    return _frame({"type": "authenticated", "expires_at": expires_at})


def error(message: str) -> Frame:
    return _frame({"type": "error", "message": message})


def notice(code: str, message: str) -> Frame:
    """Something about the service rather than about a recording, such as `resync`: updates may have been missed."""
    return _frame({"type": "notice", "code": code, "message": message})


def snapshot(event_text: str) -> Frame:
    """A recording's last event as it was sent, marked as the state at the time of subscribing."""
    return Frame(f'{event_text[:-1]},"snapshot":true}}')
