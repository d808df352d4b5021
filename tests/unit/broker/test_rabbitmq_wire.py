"""Frames as bytes, against pamqp's reading and writing of the same ones."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pamqp import commands, frame
from pamqp.header import ContentHeader

from pipeline.broker.rabbitmq import wire
from pipeline.messages.message import Message

short_texts = st.text(max_size=60).filter(lambda text: len(text.encode()) <= 255)
messages = st.builds(
    Message,
    st.binary(max_size=40),
    message_id=st.none() | short_texts,
    correlation_id=st.none() | short_texts,
    content_type=st.none() | short_texts,
    priority=st.none() | st.integers(0, 255),
    expiration_ms=st.none() | st.integers(0, 2**32),
    timestamp=st.none() | st.integers(0, 2**32 - 1).map(lambda seconds: datetime.fromtimestamp(seconds, UTC)),
    headers=st.dictionaries(short_texts.filter(bool), st.integers(-5, 5) | st.text(max_size=10), max_size=3),
)


def parsed(frames: bytes) -> list[Any]:
    found = []
    while frames:
        used, channel, each = frame.unmarshal(frames)
        assert channel == 7
        found.append(each)
        frames = frames[used:]
    return found


@given(short_texts, short_texts, messages)
def test_a_publish_is_what_another_client_reads(exchange: str, routing_key: str, message: Message) -> None:
    method, header, *bodies = parsed(wire.publish_frames(7, exchange, routing_key, message, 131_072))
    assert (method.exchange, method.routing_key, method.mandatory, method.immediate) == (
        exchange,
        routing_key,
        True,
        False,
    )
    properties = header.properties
    assert properties.delivery_mode == 2
    assert properties.message_id == message.message_id
    assert properties.correlation_id == message.correlation_id
    assert properties.content_type == message.content_type
    assert properties.priority == message.priority
    assert properties.expiration == (None if message.expiration_ms is None else str(message.expiration_ms))
    assert properties.timestamp == message.timestamp
    assert (properties.headers or {}) == message.headers
    assert header.body_size == len(message.body)
    assert b"".join(each.value for each in bodies) == message.body


@given(messages)
def test_a_message_is_read_as_it_was_written(message: Message) -> None:
    frames = wire.publish_frames(7, "", "q", message, 0)
    method_size = wire.FRAME_HEAD.unpack_from(frames)[2]
    at = method_size + wire.FRAME_OVERHEAD
    size = wire.FRAME_HEAD.unpack_from(frames, at)[2]
    header = frames[at + 7 : at + 7 + size]
    assert wire.read_message(header, message.body) == message
    assert wire.read_body_size(frames, at + 7) == len(message.body)


@pytest.mark.parametrize("size", [0, 1, 99, 100, 101, 200, 1000])
def test_a_body_is_split_at_the_frame_limit(size: int) -> None:
    body = bytes(range(256)) * 4
    frames = parsed(wire.publish_frames(7, "", "q", Message(body[:size]), 108))
    parts = [each.value for each in frames[2:]]
    assert b"".join(parts) == body[:size]
    assert all(0 < len(part) <= 100 for part in parts)


def test_headers_that_do_not_fit_a_frame_are_refused() -> None:
    with pytest.raises(ValueError, match="limit"):
        wire.publish_frames(7, "", "q", Message(b"", headers={"x-error-message": "e" * 5000}), 4096)


@pytest.mark.parametrize("priority", [-1, 256])
def test_a_priority_out_of_range_is_refused(priority: int) -> None:
    with pytest.raises(ValueError, match="range"):
        wire.publish_frames(7, "", "q", Message(b"", priority=priority), 0)


def test_settlements_are_what_another_client_reads() -> None:
    ack, reject, requeue, get = parsed(
        wire.ack_frame(7, 2**40, multiple=True)
        + wire.reject_frame(7, 5, requeue=False)
        + wire.reject_frame(7, 6, requeue=True)
        + wire.get_frame(7, "work")
    )
    assert (type(ack), ack.delivery_tag, ack.multiple) == (commands.Basic.Ack, 2**40, True)
    assert (type(reject), reject.delivery_tag, reject.requeue) == (commands.Basic.Reject, 5, False)
    assert (type(requeue), requeue.delivery_tag, requeue.requeue) == (commands.Basic.Reject, 6, True)
    assert (type(get), get.queue, get.no_ack) == (commands.Basic.Get, "work", False)


def arguments_of(method: Any) -> bytes:
    return frame.marshal(method, 7)[11:-1]


@given(st.integers(0, 2**63 - 1), st.booleans(), st.from_regex(r"[a-z.]{0,60}", fullmatch=True), short_texts)
def test_methods_of_the_broker_are_read(tag: int, redelivered: bool, exchange: str, key: str) -> None:
    expected = wire.Route(tag, redelivered, exchange, key)
    deliver = commands.Basic.Deliver("consumer", tag, redelivered, exchange, key)
    assert wire.read_deliver(b"pad" + arguments_of(deliver), 3) == expected
    assert (
        wire.read_get_ok(b"pad" + arguments_of(commands.Basic.GetOk(tag, redelivered, exchange, key, 5)), 3) == expected
    )
    returned = commands.Basic.Return(312, "NO_ROUTE", exchange, key)
    assert wire.read_return(b"pad" + arguments_of(returned), 3) == (exchange, key)


def test_confirms_and_closes_are_read() -> None:
    assert wire.read_confirm(arguments_of(commands.Basic.Ack(9, True)), 0) == (9, True)
    assert wire.read_confirm(arguments_of(commands.Basic.Nack(9, False, True)), 0) == (9, False)
    close = commands.Channel.Close(404, "NOT_FOUND - no exchange", 60, 40)
    assert wire.read_close(arguments_of(close), 0) == (404, "NOT_FOUND - no exchange")
    assert [wire.method_index(frame.marshal(each, 7), 7)[0] for each in (close, commands.Basic.Nack(1))] == [
        wire.CHANNEL_CLOSE,
        wire.BASIC_NACK,
    ]


def test_properties_that_a_message_does_not_keep_are_skipped() -> None:
    properties = commands.Basic.Properties(
        content_type="text/plain",
        content_encoding="gzip",
        reply_to="somewhere",
        message_type="kind",
        user_id="guest",
        app_id="app",
        message_id="id",
        correlation_id="correlation",
        delivery_mode=1,
        headers={"a": 1},
    )
    header = frame.marshal(ContentHeader(0, 3, properties), 7)[7:-1]
    read = wire.read_message(header, b"abc")
    assert read == Message(
        b"abc",
        message_id="id",
        correlation_id="correlation",
        content_type="text/plain",
        content_encoding="gzip",
        headers={"a": 1},
    )


@given(messages, st.data())
def test_damaged_properties_never_cost_the_message(message: Message, data: st.DataObject) -> None:
    frames = wire.publish_frames(7, "", "q", message, 0)
    at = wire.FRAME_HEAD.unpack_from(frames)[2] + wire.FRAME_OVERHEAD + 7
    header = bytearray(frames[at : at + wire.FRAME_HEAD.unpack_from(frames, at - 7)[2]])
    for _ in range(data.draw(st.integers(1, 4))):
        header[data.draw(st.integers(12, len(header) - 1))] = data.draw(st.integers(0, 255))
    damaged = bytes(header[: data.draw(st.integers(14, len(header)))])
    assert wire.read_message(damaged, message.body).body == message.body
