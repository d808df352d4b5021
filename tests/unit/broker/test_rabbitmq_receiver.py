"""Acks joined with `multiple`, against what a broker makes of the frames."""

from __future__ import annotations

from typing import Any, cast

from hypothesis import given
from hypothesis import strategies as st
from pamqp import commands, frame

from pipeline.broker.port import Delivery
from pipeline.broker.rabbitmq.link import Link
from pipeline.broker.rabbitmq.receiver import Receiver
from pipeline.broker.rabbitmq.wire import Route


class Wire:
    """The part of a link that settlements use, with a broker's bookkeeping behind it."""

    def __init__(self) -> None:
        self.unacked: set[int] = set()
        self.acked: set[int] = set()
        self.rejected: set[int] = set()
        self.frames = 0
        self._out = b""
        self._late: Receiver | None = None

    def write(self, frames: bytes) -> None:
        self._out += frames

    def write_later(self, receiver: Receiver) -> None:
        self._late = receiver

    def end_of_turn(self) -> None:
        late, self._late = self._late, None
        out, self._out = self._out + (late.frames() if late else b""), b""
        while out:
            used, _, method = frame.unmarshal(out)
            out = out[used:]
            self.frames += 1
            self.settle(cast("Any", method))

    def settle(self, method: Any) -> None:
        multiple = isinstance(method, commands.Basic.Ack) and method.multiple
        tags = {tag for tag in self.unacked if tag == method.delivery_tag or (multiple and tag < method.delivery_tag)}
        assert method.delivery_tag in tags, "the broker closes a channel over an unknown tag"
        self.unacked -= tags
        (self.acked if isinstance(method, commands.Basic.Ack) else self.rejected).update(tags)


def receive(receiver: Receiver, wire: Wire, tag: int) -> Delivery:
    receiver._route = Route(tag, False, "", "work")
    wire.unacked.add(tag)
    return receiver.received("work", b"\x00" * 14, b"")


@given(st.lists(st.tuples(st.sampled_from(["receive", "ack", "reject", "turn"]), st.integers(0, 9)), max_size=80))
def test_the_broker_sees_exactly_what_was_settled(steps: list[tuple[str, int]]) -> None:
    wire = Wire()
    receiver = Receiver(cast("Link", wire))
    receiver.number = 3
    in_hand: list[Delivery] = []
    acked: set[int] = set()
    rejected: set[int] = set()
    tag = 0
    for step, number in steps:
        if step == "receive":
            tag += 1
            in_hand.append(receive(receiver, wire, tag))
        elif step == "turn":
            wire.end_of_turn()
        elif in_hand:
            delivery = in_hand.pop(number % len(in_hand))
            if step == "ack":
                delivery.ack()
                acked.add(delivery.tag)
            else:
                delivery.reject()
                rejected.add(delivery.tag)
    wire.end_of_turn()
    assert wire.acked == acked
    assert wire.rejected == rejected
    assert wire.unacked == {delivery.tag for delivery in in_hand}


def test_a_turns_neighbours_travel_as_one_frame() -> None:
    wire = Wire()
    receiver = Receiver(cast("Link", wire))
    deliveries = [receive(receiver, wire, tag) for tag in range(1, 201)]
    for delivery in reversed(deliveries[:150]):
        delivery.ack()
    wire.end_of_turn()
    assert (wire.frames, len(wire.acked)) == (1, 150)


def test_an_ack_never_reaches_past_a_delivery_in_hand() -> None:
    wire = Wire()
    receiver = Receiver(cast("Link", wire))
    deliveries = [receive(receiver, wire, tag) for tag in range(1, 6)]
    for number in (0, 1, 3, 4):
        deliveries[number].ack()
    wire.end_of_turn()
    assert wire.acked == {1, 2, 4, 5}
    assert wire.unacked == {3}


def test_settling_after_the_end_does_nothing() -> None:
    wire = Wire()
    receiver = Receiver(cast("Link", wire))
    first, second = receive(receiver, wire, 1), receive(receiver, wire, 2)
    first.ack()
    receiver.end()
    second.ack()
    second.reject()
    wire.end_of_turn()
    assert wire.frames == 0
