"""The event stream may lose, repeat and break off; clients must not notice more than a delay."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable

import pytest

from api.socket.connection import Connection
from api.socket.frames import EVERYTHING
from api.socket.hub import Hub
from api.socket.relay import Relay
from pipeline.errors import StateUnavailable
from pipeline.state.embedded import EmbeddedStore
from pipeline.state.port import Event, Progress, Status, Update
from tests.api_plane import until
from tests.api_writer import GatedWriter


class LossyProgress:
    """The real progress with a stream that a test can make lose events, repeat them, or break."""

    def __init__(self, real: Progress) -> None:
        self._real = real
        self.lose: Callable[[Event], bool] = lambda event: False
        self.repeat = 1
        self.opened = 0
        self._broken: asyncio.Event = asyncio.Event()
        self.may_open = asyncio.Event()
        self.may_open.set()

    def __getattr__(self, name: str) -> object:
        return getattr(self._real, name)

    def break_stream(self) -> None:
        self._broken.set()

    async def events(self, opened: Callable[[], None] | None = None) -> AsyncIterator[Event]:
        await self.may_open.wait()
        self._broken = asyncio.Event()
        arrived: asyncio.Queue[Event] = asyncio.Queue()
        ready = asyncio.Event()

        async def read() -> None:
            async for event in self._real.events(ready.set):
                arrived.put_nowait(event)

        reading = asyncio.create_task(read())
        breaking = asyncio.create_task(self._broken.wait())
        try:
            await ready.wait()
            self.opened += 1
            if opened is not None:
                opened()
            while True:
                getting = asyncio.create_task(arrived.get())
                await asyncio.wait({getting, breaking}, return_when=asyncio.FIRST_COMPLETED)
                if breaking.done():
                    getting.cancel()
                    raise StateUnavailable("the stream was broken")
                event = getting.result()
                if not self.lose(event):
                    for _ in range(self.repeat):
                        yield event
        finally:
            breaking.cancel()
            reading.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await reading


class Plane:
    """A store, a lossy stream, a relay and a hub."""

    def __init__(self) -> None:
        self.store = EmbeddedStore(None)
        self.lossy = LossyProgress(self.store.progress)
        self.hub = Hub()
        self.observed: list[tuple[str, int]] = []
        self.relay = Relay(
            self.lossy,  # type: ignore[arg-type]
            self.hub,
            [lambda event: self.observed.append((event.key, event.sequence))],
        )

    def follower(self, recording_id: str) -> GatedWriter:
        writer = GatedWriter()
        connection = Connection(f"client-{id(writer)}", writer, 0.0, lambda: 0.0)
        self.hub.add(connection)
        if recording_id == EVERYTHING:
            self.hub.follow_everything(connection)
        else:
            self.hub.follow(connection, recording_id).release(None)
        return writer

    async def record(self, recording_id: str, fraction: float, *, ends: bool = False) -> None:
        status = Status.COMPLETED if ends else Status.ANALYZING
        kind = "analysis_complete" if ends else "progress"
        update = Update(recording_id, "run", "attempt", kind, status, fraction, begins=not fraction)
        assert await self.store.progress.record(update) is not None


@pytest.fixture
async def plane() -> AsyncIterator[Plane]:
    running = Plane()
    await running.store.connect()
    running.relay.start()
    await until(lambda: running.relay.connected, "the relay reads")
    yield running
    await running.relay.stop()
    await running.hub.close()
    await running.store.close()


async def test_gap_in_a_sequence_is_filled_in_order(plane: Plane) -> None:
    writer = plane.follower("a")
    plane.lossy.lose = lambda event: event.sequence in (2, 3)
    for fraction in (0.0, 0.2, 0.4, 0.6):
        await plane.record("a", fraction)
    await until(lambda: len(writer.frames) == 4, "all events arrive")
    assert writer.sequences == [("a", 1), ("a", 2), ("a", 3), ("a", 4)]
    assert plane.observed == writer.sequences


async def test_repeated_event_is_passed_on_once(plane: Plane) -> None:
    writer = plane.follower("a")
    plane.lossy.repeat = 3
    for fraction in (0.0, 0.2):
        await plane.record("a", fraction)
    await plane.record("a", 1.0, ends=True)
    await until(lambda: len(writer.frames) >= 3, "the events arrive")
    assert writer.sequences == [("a", 1), ("a", 2), ("a", 3)]


async def test_what_happens_while_the_stream_is_away_arrives_when_it_is_back(plane: Plane) -> None:
    writer = plane.follower("a")
    await plane.record("a", 0.0)
    await until(lambda: len(writer.frames) == 1, "the first event arrives")
    plane.lossy.may_open.clear()
    plane.lossy.break_stream()
    await until(lambda: not plane.relay.connected, "the relay notices")
    await plane.record("a", 0.5)
    await plane.record("a", 1.0, ends=True)
    plane.lossy.may_open.set()
    await until(lambda: len(writer.frames) == 3, "what was missed arrives")
    assert writer.sequences == [("a", 1), ("a", 2), ("a", 3)]
    assert plane.relay.connected


async def test_those_who_follow_everything_are_told_to_read_the_list_again(plane: Plane) -> None:
    writer = plane.follower(EVERYTHING)
    plane.lossy.break_stream()
    await until(lambda: bool(writer.frames), "the notice arrives")
    assert '"type":"notice","code":"resync"' in writer.frames[0].text


async def test_recording_followed_before_its_first_event_is_caught_up_with(plane: Plane) -> None:
    writer = plane.follower("a")
    plane.relay.shown("a", None)
    plane.lossy.lose = lambda event: True
    await plane.record("a", 0.0)
    await plane.record("a", 1.0, ends=True)
    plane.lossy.break_stream()
    await until(lambda: len(writer.frames) == 2, "the events arrive")
    assert writer.sequences == [("a", 1), ("a", 2)]


async def test_jump_above_a_shown_state_is_filled(plane: Plane) -> None:
    plane.lossy.lose = lambda event: event.sequence in (1, 2)
    await plane.record("a", 0.0)
    shown = await plane.store.progress.snapshot("a")
    assert shown is not None
    writer = GatedWriter()
    connection = Connection("client", writer, 0.0, lambda: 0.0)
    plane.hub.add(connection)
    subscription = plane.hub.follow(connection, "a")
    plane.relay.shown("a", shown)
    connection.deliver(subscription.release(shown))
    await plane.record("a", 0.2)
    await plane.record("a", 0.4)
    await until(lambda: len(writer.frames) == 2, "both events arrive")
    assert writer.sequences == [("a", 2), ("a", 3)]


async def test_store_that_lost_its_last_events_is_followed_from_where_it_stands(plane: Plane) -> None:
    writer = plane.follower("a")
    for fraction in (0.0, 0.2, 0.4):
        await plane.record("a", fraction)
    await until(lambda: len(writer.frames) == 3, "the events arrive")
    earlier = (await plane.store.progress.since("a", 0))[1]
    plane.lossy.snapshots = lambda ids: _later([earlier for _ in ids])  # type: ignore[attr-defined]
    plane.lossy.break_stream()
    await until(lambda: len(writer.frames) == 4, "the state as it is now arrives")
    assert writer.sequences[-1] == ("a", 2)


async def _later(events: list[Event]) -> list[Event | None]:
    return list(events)
