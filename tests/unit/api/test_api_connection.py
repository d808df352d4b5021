"""What a client is sent when it reads slowly, and when it subscribes in the middle of things."""

from __future__ import annotations

import json
from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from api.socket.connection import MAX_PENDING_BYTES, MAX_STALLED_S, SLOW, Connection, Live, Subscription, TokenBucket
from api.socket.frames import Frame
from pipeline.state.port import Event, Status
from tests.api_writer import GatedWriter


class Now:
    def __init__(self) -> None:
        self.seconds = 100.0

    def __call__(self) -> float:
        return self.seconds


def live(recording_id: str, sequence: int, *, terminal: bool = False, padding: int = 0, epoch: str = "e") -> Live:
    text = json.dumps({"recording_id": recording_id, "sequence": sequence, "data": "x" * padding})
    status = Status.COMPLETED if terminal else Status.ANALYZING
    return Live(Event(recording_id, sequence, epoch, status, text), Frame(text))


def connected() -> tuple[Connection, GatedWriter, Now]:
    writer, now = GatedWriter(), Now()
    return Connection("client", writer, 0.0, now), writer, now


def test_reading_client_gets_every_event_at_once() -> None:
    connection, writer, _ = connected()
    connection.deliver([live("a", 1), live("a", 2), live("b", 1)])
    assert writer.sequences == [("a", 1), ("a", 2), ("b", 1)]


def test_client_that_does_not_read_keeps_only_the_newest_progress_of_each_recording() -> None:
    connection, writer, _ = connected()
    writer.shut()
    connection.deliver([live("a", 1), live("b", 1), live("a", 2), live("a", 3)])
    assert writer.frames == []
    writer.open()
    assert writer.sequences == [("b", 1), ("a", 3)]


def test_terminal_events_are_never_dropped() -> None:
    connection, writer, _ = connected()
    writer.shut()
    connection.deliver([live("a", 1), live("a", 2, terminal=True), live("a", 3), live("a", 4, terminal=True)])
    writer.open()
    assert writer.sequences == [("a", 2), ("a", 4)]


def test_answers_keep_their_place_among_events() -> None:
    connection, writer, _ = connected()
    writer.shut()
    connection.deliver([live("a", 1, terminal=True)])
    connection.send(Frame('{"recording_id": "answer", "sequence": 0}'))
    connection.deliver([live("a", 2)])
    writer.open()
    assert writer.sequences == [("a", 1), ("answer", 0), ("a", 2)]


def test_new_event_waits_behind_what_is_pending() -> None:
    connection, writer, _ = connected()
    writer.shut()
    connection.deliver([live("a", number, terminal=True, padding=50_000) for number in range(1, 6)])
    writes: list[int] = []

    def write(frames: Sequence[Frame]) -> None:
        writer.frames.extend(frames)
        writes.append(len(frames))
        writer.shut()

    writer.write = write  # type: ignore[method-assign]
    writer.open()
    connection.deliver([live("a", 6)])
    while writes[-1]:
        before = len(writes)
        writer.open()
        if len(writes) == before:
            break
    assert [sequence for _, sequence in writer.sequences] == [1, 2, 3, 4, 5, 6]


def test_pending_terminal_events_beyond_the_limit_close_the_client_as_slow() -> None:
    connection, writer, _ = connected()
    writer.shut()
    count = MAX_PENDING_BYTES // 100_000 + 1
    connection.deliver([live("a", number, terminal=True, padding=100_000) for number in range(count)])
    assert writer.closed == (SLOW, True)
    assert connection.pending_bytes == 0
    writer.open()
    connection.deliver([live("a", 99)])
    assert writer.frames == []


def test_pending_progress_of_one_recording_never_grows() -> None:
    connection, writer, _ = connected()
    writer.shut()
    for number in range(100):
        connection.deliver([live("a", number, padding=100_000)])
        assert connection.pending_bytes < 101_000
    assert writer.closed is None


def test_client_stalled_too_long_is_closed_and_one_that_goes_on_is_not() -> None:
    connection, writer, now = connected()
    writer.shut()
    now.seconds += MAX_STALLED_S
    connection.close_if_stalled(now())
    assert writer.closed is None
    writer.open()
    writer.shut()
    now.seconds += MAX_STALLED_S
    connection.close_if_stalled(now())
    assert writer.closed is None
    now.seconds += 1
    connection.close_if_stalled(now())
    assert writer.closed == (SLOW, True)


STEPS = st.lists(
    st.one_of(
        st.sampled_from(["open", "shut"]),
        st.tuples(st.sampled_from("abc"), st.booleans()),
    ),
    max_size=60,
)


@given(STEPS)
def test_however_a_client_reads_order_holds_and_what_ends_or_is_newest_arrives(
    steps: list[str | tuple[str, bool]],
) -> None:
    connection, writer, _ = connected()
    sent: dict[str, list[Live]] = {}
    for step in steps:
        if step == "open":
            writer.open()
        elif step == "shut":
            writer.shut()
        elif isinstance(step, tuple):
            recording_id, terminal = step
            events = sent.setdefault(recording_id, [])
            events.append(live(recording_id, len(events) + 1, terminal=terminal))
            connection.deliver([events[-1]])
    writer.open()
    for recording_id, events in sent.items():
        received = [sequence for of, sequence in writer.sequences if of == recording_id]
        assert received == sorted(set(received))
        assert received[-1] == events[-1].event.sequence
        terminal_sequences = {each.event.sequence for each in events if each.event.status.terminal}
        assert terminal_sequences <= set(received)


@given(st.lists(st.sampled_from(["record", "relay", "repeat", "read", "release"]), max_size=60))
def test_a_subscriber_sees_the_state_and_then_every_event_above_it_once(steps: list[str]) -> None:
    """Whatever happens while the state is read: `record` writes an event to the store, `relay` brings the next one
    to this process (late), `repeat` brings one again, `read` takes the snapshot, `release` ends the subscribing."""
    connection, _, _ = connected()
    subscription = Subscription(connection)
    subscription.hold()
    recorded = relayed = 0
    shown: int | None = None
    released = False
    received: list[int] = []

    def bring(sequence: int) -> None:
        if subscription.admit(live("a", sequence)):
            received.append(sequence)

    def release() -> None:
        event = live("a", shown).event if shown else None
        received.extend(each.event.sequence for each in subscription.release(event))

    for step in steps:
        if step == "record":
            recorded += 1
        elif step == "relay" and relayed < recorded:
            relayed += 1
            bring(relayed)
        elif step == "repeat" and relayed:
            bring(relayed)
        elif step == "read" and shown is None:
            shown = recorded
        elif step == "release" and shown is not None and not released:
            released = True
            release()
    if shown is None:
        shown = recorded
    if not released:
        release()
    for sequence in range(relayed + 1, recorded + 1):
        bring(sequence)
    assert received == list(range(shown + 1, recorded + 1))


def test_events_held_back_are_bounded_and_keep_what_ends() -> None:
    connection, _, _ = connected()
    subscription = Subscription(connection)
    subscription.hold()
    subscription.admit(live("a", 1, terminal=True))
    for sequence in range(2, 1000):
        subscription.admit(live("a", sequence))
    sequences = [each.event.sequence for each in subscription.release(None)]
    assert len(sequences) <= 256
    assert sequences[0] == 1
    assert sequences[-1] == 999


def test_a_new_epoch_starts_again_from_its_first_event() -> None:
    connection, _, _ = connected()
    subscription = Subscription(connection)
    assert subscription.admit(live("a", 7, epoch="old"))
    assert subscription.admit(live("a", 1, epoch="new"))
    assert not subscription.admit(live("a", 1, epoch="new"))


def test_held_events_of_an_older_epoch_are_not_sent_after_the_newer_state() -> None:
    connection, _, _ = connected()
    subscription = Subscription(connection)
    subscription.hold()
    for each in (live("a", 8, epoch="old"), live("a", 1, epoch="new"), live("a", 2, epoch="new")):
        subscription.admit(each)
    released = subscription.release(live("a", 1, epoch="new").event)
    assert [(each.event.epoch, each.event.sequence) for each in released] == [("new", 2)]


def test_bucket_allows_the_burst_and_then_the_rate() -> None:
    bucket = TokenBucket(rate=2.0, burst=3.0, now=0.0)
    assert [bucket.take(0.0) for _ in range(4)] == [True, True, True, False]
    assert bucket.take(0.5)
    assert not bucket.take(0.5)
    assert [bucket.take(60.0) for _ in range(4)] == [True, True, True, False]
