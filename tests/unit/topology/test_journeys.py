"""What the file says will happen to a message, from publishing to where it ends."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from pipeline.topology.journey import Stop, journey_of
from pipeline.topology.model import Topology

FILE: dict[str, Any] = {
    "version": 1,
    "name": "small",
    "retries": {"twice": {"delays": ["5s", "30s"]}},
    "exchanges": {
        "events": {"type": "topic", "name": "the.events"},
        "tagged": {"type": "headers"},
        "buried": {"type": "fanout"},
    },
    "queues": {
        "work": {"bindings": [{"source": "events", "routing_key": ["task.#", "task.new"]}], "ttl": "1h"},
        "audit": {"bindings": [{"source": "events", "routing_key": "#"}], "external": True, "dead_letter": False},
        "loose": {
            "bindings": [{"source": "tagged", "arguments": {"format": "flac"}}],
            "dead_letter": {"exchange": "buried"},
        },
        "grave": {"bindings": [{"source": "buried"}], "ttl": "1d", "dead_letter": {"exchange": "tagged"}},
    },
    "messages": {
        "new": {"model": "m:M", "exchange": "events", "routing_key": "task.new"},
        "old": {"model": "m:M", "exchange": "events", "routing_key": "task.old"},
    },
    "stages": {"worker": {"from": {"work": ["new"]}, "run": ["m:f"], "emits": ["old"], "retry": "twice"}},
}


@pytest.fixture(scope="module")
def topology() -> Topology:
    return Topology.model_validate(FILE)


def names(stops: tuple[Stop, ...]) -> list[str]:
    return [stop.queue for stop in stops]


def test_a_message_is_followed_to_each_queue_with_the_bindings_that_took_it(topology: Topology) -> None:
    journey = journey_of(topology, "events", "task.new")
    assert (journey.exchange, journey.message) == ("the.events", "new")
    audit, work = journey.stops
    assert (audit.queue, audit.bindings, audit.external, audit.dead_letters) == ("audit", ("#",), True, ())
    assert (work.queue, work.bindings) == ("work", ("task.#", "task.new"))


def test_an_exchange_may_be_called_as_on_the_broker(topology: Topology) -> None:
    assert journey_of(topology, "the.events", "task.new") == journey_of(topology, "events", "task.new")


def test_a_stage_gives_up_after_its_retries_and_when_that_is(topology: Topology) -> None:
    work = journey_of(topology, "events", "task.new").stops[1]
    assert work.consumer is not None
    assert (work.consumer.stage, work.consumer.takes, work.consumer.emits) == ("worker", True, ("old",))
    assert (work.consumer.attempts, work.consumer.given_up_after) == (3, timedelta(seconds=35))
    assert names(work.dead_letters) == ["work.dlq"]
    assert work.reasons == ("rejected", "expired")


def test_a_message_that_its_stage_does_not_take_is_told(topology: Topology) -> None:
    work = journey_of(topology, "events", "task.old").stops[1]
    assert work.consumer is not None
    assert not work.consumer.takes


def test_headers_decide_at_a_headers_exchange(topology: Topology) -> None:
    assert names(journey_of(topology, "tagged", "", {"format": "flac"}).stops) == ["loose"]
    assert journey_of(topology, "tagged", "", {"format": "mp3"}).stops == ()


def test_dead_letters_are_followed_and_end_where_they_have_been(topology: Topology) -> None:
    (loose,) = journey_of(topology, "tagged", "k", {"format": "flac"}).stops
    (grave,) = loose.dead_letters
    assert (grave.queue, grave.ttl, grave.dead_letters) == ("grave", timedelta(days=1), ())


def test_the_default_exchange_reaches_the_queue_of_that_name(topology: Topology) -> None:
    (stop,) = journey_of(topology, "", "work").stops
    assert (stop.queue, stop.bindings) == ("work", ())


def test_what_the_pipeline_makes_is_reached_too(topology: Topology) -> None:
    assert names(journey_of(topology, "", "work.dlq").stops) == ["work.dlq"]


def test_an_unknown_exchange_is_an_error(topology: Topology) -> None:
    with pytest.raises(KeyError):
        journey_of(topology, "evnts", "task.new")
