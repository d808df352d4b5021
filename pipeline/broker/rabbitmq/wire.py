"""The frames of AMQP 0-9-1 that carry messages, their confirms and their acks, as bytes.

What is rare (opening, declaring, closing) is left to aiormq. These are on the hot path, and they must survive
any message a foreign publisher sends: a property that can't be read is left out, it never ends the connection.

Source: AMQP 0-9-1 sections 4.2.3 to 4.2.6; RabbitMQ's `basic.nack` and confirms extensions.
"""

from __future__ import annotations

import struct
from typing import Any, NamedTuple

from pipeline.broker.fieldtable import decode_readable, decode_timestamp, encode_short, encode_table
from pipeline.messages.message import Message

METHOD, HEADER, BODY, HEARTBEAT_FRAME = 1, 2, 3, bytes((8, 0, 0, 0, 0, 0, 0, 0xCE))
FRAME_HEAD = struct.Struct(">BHI")
FRAME_OVERHEAD = FRAME_HEAD.size + 1

CHANNEL_CLOSE = 20 << 16 | 40
BASIC_CANCEL = 60 << 16 | 30
BASIC_RETURN = 60 << 16 | 50
BASIC_DELIVER = 60 << 16 | 60
BASIC_GET_OK = 60 << 16 | 71
BASIC_GET_EMPTY = 60 << 16 | 72
BASIC_ACK = 60 << 16 | 80
BASIC_NACK = 60 << 16 | 120
method_index = struct.Struct(">I").unpack_from

_BASIC = 60
_PUBLISH, _GET, _ACK, _REJECT, _NACK = 40, 70, 80, 90, 120
_MANDATORY = 1
_PERSISTENT = 2
_END = b"\xce"

_settle = struct.Struct(">BHIHHQBB")
_method = struct.Struct(">HHH")
_content = struct.Struct(">BHIHHQH")
_tag_and_bit = struct.Struct(">QB")
_quad = struct.Struct(">Q")
_word = struct.Struct(">H")

# Bits of the property flags, and the delivery mode, which comes between the headers and the priority.
_CONTENT_TYPE, _CONTENT_ENCODING, _HEADERS, _DELIVERY_MODE, _PRIORITY = 1 << 15, 1 << 14, 1 << 13, 1 << 12, 1 << 11
_CORRELATION_ID, _REPLY_TO, _EXPIRATION, _MESSAGE_ID, _TIMESTAMP = 1 << 10, 1 << 9, 1 << 8, 1 << 7, 1 << 6


class Route(NamedTuple):
    """What a delivering method says about the message that follows it."""

    tag: int
    redelivered: bool
    exchange: str
    routing_key: str


def publish_frames(channel: int, exchange: str, routing_key: str, message: Message, frame_max: int) -> bytes:
    """A mandatory, persistent publish. Raises TypeError or ValueError where a property can't travel."""
    return content_frames(channel, exchange, routing_key, _properties(message), message.body, frame_max)


def content_frames(
    channel: int, exchange: str, routing_key: str, properties: bytes, body: bytes, frame_max: int
) -> bytes:
    """A mandatory publish of properties in their bytes. Raises ValueError where they can't travel."""
    head = (
        _method.pack(_BASIC, _PUBLISH, 0)
        + encode_short(exchange, "exchange")
        + encode_short(routing_key, "routing key")
    )
    if frame_max and 12 + len(properties) + FRAME_OVERHEAD > frame_max:
        # The one part of a message that AMQP can't split: sent anyway, it would cost the connection.
        raise ValueError(f"The headers take {len(properties)} bytes; the broker's limit for them is {frame_max}")
    frames = [
        FRAME_HEAD.pack(METHOD, channel, len(head) + 1),
        head,
        b"\x01\xce",  # mandatory, not immediate
        FRAME_HEAD.pack(HEADER, channel, 12 + len(properties)),
        struct.pack(">HHQ", _BASIC, 0, len(body)),
        properties,
        _END,
    ]
    room = frame_max - FRAME_OVERHEAD if frame_max else len(body)
    for start in range(0, len(body), room or 1):
        part = body if len(body) <= room else body[start : start + room]
        frames += (FRAME_HEAD.pack(BODY, channel, len(part)), part, _END)
    return b"".join(frames)


def ack_frame(channel: int, tag: int, *, multiple: bool) -> bytes:
    return _settle.pack(METHOD, channel, 13, _BASIC, _ACK, tag, multiple, 0xCE)


def reject_frame(channel: int, tag: int, *, requeue: bool) -> bytes:
    return _settle.pack(METHOD, channel, 13, _BASIC, _REJECT, tag, requeue, 0xCE)


def get_frame(channel: int, queue: str) -> bytes:
    """Ask for one message, to be acked."""
    payload = _method.pack(_BASIC, _GET, 0) + encode_short(queue, "queue") + b"\x00"
    return FRAME_HEAD.pack(METHOD, channel, len(payload)) + payload + _END


def read_deliver(data: bytes, at: int) -> Route:
    """A `basic.deliver`; `at` is the offset of its arguments."""
    at += 1 + data[at]  # the consumer tag: there is one consumer for each channel
    return _read_route(data, at)


def read_get_ok(data: bytes, at: int) -> Route:
    """A `basic.get-ok`; `at` is the offset of its arguments."""
    return _read_route(data, at)


def read_return(data: bytes, at: int) -> tuple[str, str]:
    """Exchange and routing key of a `basic.return`."""
    at += 2
    at += 1 + data[at]
    exchange, at = _read_short(data, at)
    routing_key, _ = _read_short(data, at)
    return exchange, routing_key


def read_confirm(data: bytes, at: int) -> tuple[int, bool]:
    """Tag and `multiple` of a `basic.ack` or `basic.nack`."""
    tag, bits = _tag_and_bit.unpack_from(data, at)
    return tag, bool(bits & 1)


def read_close(data: bytes, at: int) -> tuple[int, str]:
    """Reply code and text of a `channel.close` or `connection.close`."""
    return _word.unpack_from(data, at)[0], _read_short(data, at + 2)[0]


def read_blocked(data: bytes, at: int) -> str:
    """Why the broker takes no messages, from a `connection.blocked`."""
    return _read_short(data, at)[0]


def read_body_size(data: bytes, at: int) -> int:
    """Bytes of body that follow a content header; `at` is the offset of its payload."""
    size: int = _quad.unpack_from(data, at + 4)[0]
    return size


def read_message(header: bytes, body: bytes) -> Message:
    """A message from the payload of its content header, and its body. Never raises: what can't be read is left out."""
    values: dict[str, Any] = {"content_type": None}
    try:
        _read_properties(header, values)
    except (ValueError, LookupError, struct.error):
        return Message(body, **values)
    return Message(body, **values)


def _read_properties(data: bytes, values: dict[str, Any]) -> None:
    flags = _word.unpack_from(data, 12)[0]
    at = 14
    more = flags & 1
    while more:
        more = _word.unpack_from(data, at)[0] & 1
        at += 2
    if flags & _CONTENT_TYPE:
        values["content_type"], at = _read_text(data, at)
    if flags & _CONTENT_ENCODING:
        values["content_encoding"], at = _read_text(data, at)
    if flags & _HEADERS:
        end = at + 4 + method_index(data, at)[0]
        values["headers"] = decode_readable(data, at)
        at = end
    if flags & _DELIVERY_MODE:
        at += 1
    if flags & _PRIORITY:
        values["priority"] = data[at]
        at += 1
    if flags & _CORRELATION_ID:
        values["correlation_id"], at = _read_text(data, at)
    if flags & _REPLY_TO:
        at += 1 + data[at]
    if flags & _EXPIRATION:
        text, at = _read_short(data, at)
        values["expiration_ms"] = int(text) if text.isdecimal() else None
    if flags & _MESSAGE_ID:
        values["message_id"], at = _read_text(data, at)
    if flags & _TIMESTAMP:
        values["timestamp"], at = decode_timestamp(data, at)


def _read_route(data: bytes, at: int) -> Route:
    tag, redelivered = _tag_and_bit.unpack_from(data, at)
    exchange, at = _read_short(data, at + 9)
    routing_key, _ = _read_short(data, at)
    return Route(tag, bool(redelivered), exchange, routing_key)


def _read_short(data: bytes, at: int) -> tuple[str, int]:
    end = at + 1 + data[at]
    return data[at + 1 : end].decode("utf-8", "replace"), end


def _read_text(data: bytes, at: int) -> tuple[str | None, int]:
    """A short string, None if it is no UTF-8: two ids must not become the same, nor too long to be sent again."""
    end = at + 1 + data[at]
    try:
        return data[at + 1 : end].decode(), end
    except UnicodeDecodeError:
        return None, end


def _properties(message: Message) -> bytes:
    flags = _DELIVERY_MODE
    parts = [b""]
    if message.content_type is not None:
        flags |= _CONTENT_TYPE
        parts.append(encode_short(message.content_type, "content type"))
    if message.content_encoding is not None:
        flags |= _CONTENT_ENCODING
        parts.append(encode_short(message.content_encoding, "content encoding"))
    if message.headers:
        flags |= _HEADERS
        parts.append(encode_table(message.headers))
    parts.append(b"\x02")  # persistent
    if message.priority is not None:
        flags |= _PRIORITY
        parts.append(bytes((message.priority,)))
    if message.correlation_id is not None:
        flags |= _CORRELATION_ID
        parts.append(encode_short(message.correlation_id, "correlation id"))
    if message.expiration_ms is not None:
        flags |= _EXPIRATION
        parts.append(encode_short(str(message.expiration_ms), "expiration"))
    if message.message_id is not None:
        flags |= _MESSAGE_ID
        parts.append(encode_short(message.message_id, "message id"))
    if message.timestamp is not None:
        flags |= _TIMESTAMP
        parts.append(_quad.pack(int(message.timestamp.timestamp())))
    parts[0] = _word.pack(flags)
    return b"".join(parts)
