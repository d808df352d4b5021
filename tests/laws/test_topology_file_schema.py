"""The JSON Schema of topology files: what it refuses is wrong, and what it takes has the shape of a topology."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from jsonschema_rs import Draft202012Validator, meta
from pydantic import ValidationError

from pipeline.describe.topology_file import topology_schema
from pipeline.describe.writing import json_text
from pipeline.topology.model import Topology

ROOT = Path(__file__).parents[2]
SCHEMA = topology_schema()
VALIDATOR = Draft202012Validator(SCHEMA)
SHIPPED = yaml.safe_load((ROOT / "topology.yaml").read_text())
SMALL = yaml.safe_load("""
version: 1
name: small
retries: {quick: {delays: [100ms, 1h30m]}}
defaults: {queue: {type: quorum, dead_letter: false}, stage: {retry: quick, timeout: 5s}}
exchanges:
  events: {type: topic, alternate: other, bindings: [{destination: other, routing_key: [a, b]}]}
  other: {type: fanout}
queues:
  work:
    bindings: [{source: events, routing_key: task}]
    ttl: 1d
    max_length_bytes: 16MiB
    dead_letter: {exchange: other}
messages:
  task: {model: "models:Task", exchange: events, max_size: 4096, priority: 3}
sources:
  watcher: {run: "models:watch", emits: task}
stages:
  handle: {from: {work: task}, run: ["models:first", {all: ["models:second"]}], executor: thread, concurrency: 2}
users:
  worker: {stages: all, password: {env: WORKER}, limits: {max_channels: 9}, name: somebody}
  shop: {publishes: [task], consumes: work, password: {file: a/b}, tags: [monitoring]}
limits: {max_queues: 50}
tests:
  - {publish: {exchange: events, routing_key: task}, reaches: [work]}
""")


def changed(path: str, value: Any) -> dict[str, Any]:
    """The small topology with one value set, added, or, for `...`, taken out."""
    document = copy.deepcopy(SMALL)
    *parents, last = path.split("/")
    holder = document
    for key in parents:
        holder = holder[int(key) if key.isdigit() else key]
    if value is ...:
        del holder[last]
    else:
        holder[last] = value
    return document


BROKEN = [
    ("version", 2),
    ("version", ...),
    ("name", ...),
    ("name", "two words"),
    ("name", None),
    ("retries/quick/delays", "5s"),
    ("retries/quick/delays", ["5 seconds"]),
    ("retries/quick/delays", [5]),
    ("defaults/queue/type", "stream"),
    ("defaults/stage/timeout", 60),
    ("exchanges/events/type", "topical"),
    ("exchanges/events/typ", "topic"),
    ("exchanges/events/durable", "maybe"),
    ("exchanges/events/bindings", [{"routing_key": "a"}]),
    ("exchanges/events/name", ""),
    ("queues/work/extrenal", True),
    ("queues/work/ttl", "1 day"),
    ("queues/work/max_priority", 256),
    ("queues/work/max_length", -1),
    ("queues/work/max_length_bytes", "16 megabytes"),
    ("queues/work/dead_letter", "other"),
    ("queues/work/dead_letter", {"routing_key": "a"}),
    ("queues/work/overflow", "drop-tail"),
    ("queues/work/bindings/0/routing_key", 5),
    ("messages/task/model", "models.Task"),
    ("messages/task/exchange", ...),
    ("messages/task/priority", 300),
    ("sources/watcher/emits", ...),
    ("sources/watcher/emits", {"task": 1}),
    ("stages/handle/from", ...),
    ("stages/handle/from", {}),
    ("stages/handle/from_", {"work": "task"}),
    ("stages/handle/run", []),
    ("stages/handle/run", "models:first"),
    ("stages/handle/run", [{"all": []}]),
    ("stages/handle/run", [{"some": ["models:first"]}]),
    ("stages/handle/executor", "cloud"),
    ("stages/handle/concurrency", 0),
    ("stages/handle/concurrency", 1.5),
    ("users/worker/password", ...),
    ("users/worker/password", "hunter2"),
    ("users/worker/password", {}),
    ("users/worker/password", {"env": "A", "file": "b"}),
    ("users/worker/password", {"env": "not-a-name"}),
    ("users/worker/stages", {"handle": "all"}),
    ("users/worker/limits/max_channels", 0),
    ("users/shop/tags", ["admin"]),
    ("users/shop/publish", ["task"]),
    ("limits/max_channels", 5),
    ("examples", "no reference"),
    ("tests", [{"publish": {"exchange": "events"}, "reaches": []}]),
]

VARIABLES = [
    ("name", "${NAME:-small}"),
    ("defaults/stage/timeout", "${TIMEOUT:-5s}"),
    ("exchanges/events/durable", "${DURABLE:-true}"),
    ("exchanges/events/type", "${TYPE}"),
    ("queues/work/max_priority", "${LEVELS:-10}"),
    ("queues/work/max_length_bytes", "${BYTES}"),
    ("stages/handle/executor", "${EXECUTOR:?which}"),
    ("messages/task/model", "models:${MODEL}"),
]


def test_the_schema_is_valid_itself() -> None:
    meta.validate(SCHEMA)


def test_the_file_that_editors_read_is_this_schema() -> None:
    hint, _, name = (ROOT / "topology.yaml").read_text().partition("\n")[0].partition("$schema=")
    assert hint == "# yaml-language-server: "
    assert (ROOT / name).read_text() == json_text(SCHEMA), "`make schema` renews it"


@pytest.mark.parametrize("document", [SHIPPED, SMALL], ids=["topology.yaml", "every section"])
def test_a_topology_is_valid(document: dict[str, Any]) -> None:
    VALIDATOR.validate(document)


@pytest.mark.parametrize(("path", "value"), BROKEN, ids=lambda value: str(value)[:40])
def test_a_broken_topology_is_refused_at_its_place(path: str, value: Any) -> None:
    document = changed(path, value)
    with pytest.raises(ValidationError):
        Topology.model_validate(document)
    places = {"/".join(map(str, error.instance_path)) for error in VALIDATOR.iter_errors(document)}
    assert any(place == path.rpartition("/")[0] or place.startswith(path) for place in places)


@pytest.mark.parametrize(("path", "value"), VARIABLES)
def test_a_variable_may_stand_for_any_scalar(path: str, value: str) -> None:
    VALIDATOR.validate(changed(path, value))


def test_every_key_of_every_section_is_described_where_its_name_does_not_say_it() -> None:
    stage = SCHEMA["$defs"]["Stage"]["properties"]
    assert {"from", "run", "executor", "emits"} <= stage.keys()
    assert "from_" not in stage
    assert stage["from"]["description"] == "Queue: the messages taken from it"


def _paths(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    for key, each in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        yield (*path, key)
        yield from _paths(each, (*path, key))


PATHS = list(_paths(SMALL))
VALUES = st.sampled_from(
    [None, True, 0, 1, -1, 1.5, "", "work", "5s", "16MiB", "a:b", "topic", "quorum", [], ["task"], {}, {"a": "b"}]
)


@given(edits=st.lists(st.tuples(st.sampled_from(PATHS), VALUES | st.just(...)), min_size=1, max_size=2))
def test_whatever_the_schema_takes_has_the_shape_of_a_topology(edits: list[tuple[tuple[Any, ...], Any]]) -> None:
    document = copy.deepcopy(SMALL)
    for path, value in edits:
        holder: Any = document
        try:
            for key in path[:-1]:
                holder = holder[key]
            if value is ...:
                del holder[path[-1]]
            else:
                holder[path[-1]] = value
        except (KeyError, IndexError, TypeError):
            continue  # the first edit took out what the second one is in
    if VALIDATOR.is_valid(document):
        Topology.model_validate(document)
