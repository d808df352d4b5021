"""The reader that stands in for aiormq's: whatever the pieces it is fed, each frame goes where it belongs."""

from __future__ import annotations

import asyncio
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pamqp import commands, frame
from pamqp.body import ContentBody
from pamqp.header import ContentHeader
from pamqp.heartbeat import Heartbeat

from pipeline.broker.rabbitmq.frames import ChannelTap, FrameReader, Verdict
from pipeline.broker.rabbitmq.wire import BASIC_DELIVER, read_deliver


class Collecting(ChannelTap):
    def __init__(self) -> None:
        super().__init__()
        self.tag = 0
        self.seen: list[tuple[int, bytes]] = []

    def on_method(self, index: int, data: bytes, at: int) -> Verdict:
        if index != BASIC_DELIVER:
            return Verdict.LEAVE
        self.tag = read_deliver(data, at).tag
        return Verdict.TAKE_WITH_CONTENT

    def on_content(self, header: bytes, body: bytes) -> None:
        self.seen.append((self.tag, body))


def delivery(channel: int, tag: int, body: bytes, part: int) -> bytes:
    frames = [
        frame.marshal(commands.Basic.Deliver("consumer", tag, False, "exchange", "key"), channel),
        frame.marshal(ContentHeader(0, len(body)), channel),
    ]
    frames += [frame.marshal(ContentBody(body[at : at + part]), channel) for at in range(0, len(body), part)]
    return b"".join(frames)


async def frames_served(reader: FrameReader) -> list[bytes]:
    """As aiormq asks for them: one byte, six bytes, the rest."""
    served = []
    while not reader.at_eof():
        try:
            head = await reader.readexactly(1)
            head += await reader.readexactly(6)
            served.append(head + await reader.readexactly(int.from_bytes(head[3:7], "big") + 1))
        except asyncio.IncompleteReadError:
            break
    return served


def fed(stream: bytes, cuts: list[int], taps: dict[int, ChannelTap]) -> list[bytes]:
    async def run() -> list[bytes]:
        source = asyncio.StreamReader()
        reading = asyncio.ensure_future(frames_served(FrameReader(source, taps)))
        edges = sorted({0, len(stream), *(cut % (len(stream) + 1) for cut in cuts)})
        for start, end in pairwise(edges):
            source.feed_data(stream[start:end])
            await asyncio.sleep(0)
        source.feed_eof()
        return await reading

    return asyncio.run(run())


steps = st.lists(
    st.one_of(
        st.tuples(st.just("deliver"), st.binary(max_size=50), st.integers(1, 30)),
        st.tuples(st.sampled_from(["cancel-ok", "other channel", "heartbeat"]), st.just(b""), st.just(1)),
    ),
    max_size=12,
)


@given(steps, st.lists(st.integers(0, 10_000), max_size=12))
def test_messages_reach_their_channel_and_the_rest_aiormq_in_order(
    steps: list[tuple[str, bytes, int]], cuts: list[int]
) -> None:
    tap = Collecting()
    stream, expected_rest, expected = b"", [], []
    for number, (kind, body, part) in enumerate(steps):
        if kind == "deliver":
            stream += delivery(3, number, body, part)
            expected.append((number, body))
            continue
        rest = {
            "cancel-ok": lambda: frame.marshal(commands.Basic.CancelOk("consumer"), 3),
            "other channel": lambda: frame.marshal(commands.Basic.Deliver("consumer", 1, False, "e", "k"), 4),
            "heartbeat": lambda: frame.marshal(Heartbeat(), 0),
        }[kind]()
        stream += rest
        expected_rest.append(rest)
    assert fed(stream, cuts, {3: tap}) == expected_rest
    assert tap.seen == expected


def test_content_that_was_not_announced_to_the_channel_is_left() -> None:
    tap = Collecting()
    content = frame.marshal(commands.Basic.GetOk(1, False, "e", "k", 0), 3) + frame.marshal(ContentHeader(0, 2), 3)
    content += frame.marshal(ContentBody(b"ab"), 3)
    assert b"".join(fed(content, [], {3: tap})) == content
    assert tap.seen == []


async def test_a_server_of_another_protocol_version_is_left_to_aiormq() -> None:
    source = asyncio.StreamReader()
    source.feed_data(b"AMQP\x00\x01\x00\x00")
    reader = FrameReader(source, {})
    assert await reader.readexactly(1) + await reader.readexactly(6) == b"AMQP\x00\x01\x00"


async def test_a_stream_that_ends_within_a_frame_says_so() -> None:
    source = asyncio.StreamReader()
    source.feed_data(delivery(3, 1, b"body", 4)[:-2])
    source.feed_eof()
    reader = FrameReader(source, {3: Collecting()})
    with pytest.raises(asyncio.IncompleteReadError):
        await reader.readexactly(1)


async def test_aiormq_hears_of_life_while_only_messages_arrive(monkeypatch: pytest.MonkeyPatch) -> None:
    source, tap = asyncio.StreamReader(), Collecting()
    reader = FrameReader(source, {3: tap})
    loop = asyncio.get_running_loop()
    later = loop.time() + 5
    monkeypatch.setattr(loop, "time", lambda: later)
    source.feed_data(delivery(3, 1, b"body", 4))
    assert await reader.readexactly(8) == frame.marshal(Heartbeat(), 0)
    source.feed_eof()
    with pytest.raises(asyncio.IncompleteReadError):
        await reader.readexactly(1)
    assert tap.seen == [(1, b"body")]
