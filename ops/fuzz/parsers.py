"""What must hold for each parser of what strangers send, whatever comes."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass

from api.socket import frames
from pipeline.broker.rabbitmq import wire
from pipeline.errors import Permanent
from pipeline.messages.message import Message
from stages.cue.parse import parse

_LONGEST_REFUSAL = 500


def websocket(data: bytes) -> None:
    """A client's message is understood, or refused in a line that can be shown."""
    try:
        frames.parse(data.decode(errors="replace"))
    except frames.InvalidFrame as refused:
        told = str(refused)
        assert told.isprintable(), told
        assert 0 < len(told) < _LONGEST_REFUSAL, told


def message(data: bytes) -> None:
    """Of a message with properties that can't be read, the body remains."""
    body = data[:8]
    assert wire.read_message(data, body).body == body


def cue(data: bytes) -> None:
    """A sheet is read, or said to be none."""
    with suppress(Permanent):
        parse(data)


@dataclass(frozen=True, slots=True)
class Parser:
    """Attributes:
    holds: raises if its law is broken by an input.
    seeds: inputs to begin from.
    """

    holds: Callable[[bytes], None]
    seeds: tuple[bytes, ...]


def _messages() -> Iterator[bytes]:
    for each in (
        {"type": "ping"},
        {"type": "subscribe", "recording_id": "1", "last_sequence": 3, "epoch": "e"},
        {"type": "subscribe", "recording_id": "*", "filter": {"status": ["failed"], "stage": ["analysis"]}},
        {"type": "unsubscribe", "recording_id": "1"},
        {"type": "get_status"},
        {"type": "authenticate", "token": "a.b.c"},
    ):
        yield json.dumps(each).encode()


def _content_header() -> bytes:
    """As it is on the wire, without the frames around it."""
    sent = Message(
        b"{}", message_id="1", correlation_id="2", content_type="application/json", priority=5, headers={"n": [1, {}]}
    )
    # Three frames; each begins with seven bytes: kind, channel, size.
    published = wire.publish_frames(1, "", "", sent, 131_072)
    at = 7 + int.from_bytes(published[3:7]) + 1
    return published[at + 7 : at + 7 + int.from_bytes(published[at + 3 : at + 7])]


_SHEET = b'REM DATE 1999\nPERFORMER "A"\nFILE "mix.wav" WAVE\n  TRACK 01 AUDIO\n    TITLE "B"\n    INDEX 01 00:00:00\n'

PARSERS = {
    "websocket": Parser(websocket, tuple(_messages())),
    "message": Parser(message, (_content_header(),)),
    "cue": Parser(cue, (_SHEET, _SHEET.decode().encode("utf-16"))),
}
