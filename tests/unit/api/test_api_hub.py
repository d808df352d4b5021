"""Who is sent what, when, and in which order."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace

from api.socket.connection import Connection
from api.socket.frames import EVERYTHING
from api.socket.hub import Hub
from pipeline.state.port import Event, Status
from tests.api_plane import until
from tests.api_writer import GatedWriter


class Client:
    """A connection of the hub, and what it was sent."""

    def __init__(self, hub: Hub, client_id: str = "client") -> None:
        self.writer = GatedWriter()
        self.connection = Connection(client_id, self.writer, 0.0, lambda: 0.0)
        self._hub = hub
        hub.add(self.connection)

    def follow(self, *recording_ids: str) -> Client:
        for recording_id in recording_ids:
            if recording_id == EVERYTHING:
                self._hub.follow_everything(self.connection)
            else:
                self._hub.follow(self.connection, recording_id).release(None)
        return self

    @property
    def received(self) -> list[tuple[str, int]]:
        return self.writer.sequences


def event(recording_id: str, sequence: int, status: Status = Status.ANALYZING) -> Event:
    text = json.dumps({"recording_id": recording_id, "data": {"timestamp": 1.0}, "sequence": sequence})
    return Event(recording_id, sequence, "epoch", status, text)


async def flushed(hub: Hub) -> None:
    await until(lambda: not hub.pending, "what was published is written")


async def test_event_reaches_its_followers_only() -> None:
    hub = Hub()
    follower, other = Client(hub, "1").follow("a"), Client(hub, "2").follow("b")
    hub.publish(event("a", 1))
    await flushed(hub)
    assert follower.received == [("a", 1)]
    assert other.received == []
    await hub.close()


async def test_a_job_reaches_those_who_follow_it_and_not_those_who_follow_every_recording() -> None:
    hub = Hub()
    follower, other = Client(hub, "1").follow("job"), Client(hub, "2").follow(EVERYTHING)
    hub.publish(replace(event("job", 1), is_job=True))
    hub.publish(event("a", 1))
    await flushed(hub)
    assert follower.received == [("job", 1)]
    assert other.received == [("a", 1)]
    await hub.close()


async def test_all_followers_share_one_frame() -> None:
    hub = Hub()
    clients = [Client(hub, str(number)).follow("a") for number in range(3)] + [Client(hub, "*").follow(EVERYTHING)]
    hub.publish(event("a", 1))
    await flushed(hub)
    assert len({id(client.writer.frames[0]) for client in clients}) == 1
    await hub.close()


async def test_progress_waits_for_the_tick_and_a_terminal_event_takes_it_along_at_once() -> None:
    hub = Hub()
    client = Client(hub).follow("a", "b")
    hub.publish(event("a", 1))
    hub.publish(event("b", 1))
    await asyncio.sleep(0)
    assert client.received == []
    hub.publish(event("a", 2, Status.COMPLETED))
    await asyncio.sleep(0)
    assert client.received == [("a", 1), ("b", 1), ("a", 2)]
    await hub.close()


async def test_client_that_does_not_read_delays_nobody() -> None:
    hub = Hub()
    stalled, reading = Client(hub, "stalled").follow("a"), Client(hub, "reading").follow("a")
    stalled.writer.shut()
    for sequence in range(1, 101):
        hub.publish(event("a", sequence))
    await flushed(hub)
    assert reading.received == [("a", sequence) for sequence in range(1, 101)]
    stalled.writer.open()
    assert stalled.received == [("a", 100)]
    await hub.close()


async def test_client_that_follows_everything_and_one_by_name_gets_it_once() -> None:
    hub = Hub()
    client = Client(hub).follow(EVERYTHING, "a")
    hub.publish(event("a", 1))
    hub.publish(event("b", 1))
    await flushed(hub)
    assert client.received == [("a", 1), ("b", 1)]
    await hub.close()


async def test_client_that_goes_while_others_are_served_disturbs_nobody() -> None:
    hub = Hub()
    clients = [Client(hub, str(number)).follow("a", EVERYTHING) for number in range(5)]
    hub.publish(event("a", 1))
    hub.remove(clients[0].connection)
    await flushed(hub)
    assert [len(client.received) for client in clients] == [0, 1, 1, 1, 1]
    await hub.close()


async def test_newer_connection_of_the_same_client_wins_and_survives_the_olders_clean_up() -> None:
    hub = Hub()
    older = Client(hub, "me").follow("a")
    newer = Client(hub, "me").follow("a")
    assert older.writer.closed is not None
    assert older.writer.closed[0] == 4409
    hub.remove(older.connection)
    assert hub.connections == 1
    hub.publish(event("a", 1))
    await flushed(hub)
    assert newer.received == [("a", 1)]
    await hub.close()


async def test_nothing_is_remembered_of_clients_that_have_gone() -> None:
    hub = Hub()
    client = Client(hub).follow("a", "b", EVERYTHING)
    hub.remove(client.connection)
    hub.remove(client.connection)
    assert hub.connections == 0
    assert hub.followed() == []
    assert not hub.everything_followed
    await hub.close()


async def test_closing_sends_what_is_due_and_then_1012_to_all() -> None:
    hub = Hub()
    clients = [Client(hub, str(number)).follow("a") for number in range(250)]
    hub.publish(event("a", 1))
    await hub.close()
    assert all(client.received == [("a", 1)] for client in clients)
    assert {client.writer.closed for client in clients} == {(1012, False)}


async def test_unsubscribed_client_gets_nothing_that_was_due() -> None:
    hub = Hub()
    client = Client(hub).follow("a")
    hub.publish(event("a", 1))
    hub.unfollow(client.connection, "a")
    await flushed(hub)
    assert client.received == []
    await hub.close()
