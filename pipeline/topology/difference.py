"""What two revisions of a topology have different, stage by stage: for a worker that changes from one to the other."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Any

from pipeline.topology.model import Topology

_DIGITS = 12


@dataclass(frozen=True, slots=True)
class Difference:
    """Names of stages, in the order of the file: the new one's, and for `removed` the old one's."""

    added: tuple[str, ...]
    removed: tuple[str, ...]
    changed: tuple[str, ...]
    same: tuple[str, ...]

    def __bool__(self) -> bool:
        return bool(self.added or self.removed or self.changed)


def revision(topology: Topology) -> str:
    """A short digest of all that the file says; comments and order of keys are not part of it."""
    return hashlib.sha256(_canonical(topology.model_dump(mode="json", by_alias=True))).hexdigest()[:_DIGITS]


def difference(before: Topology, after: Topology, among: Collection[str] | None = None) -> Difference:
    """What became of each stage.

    Args:
        among: names of the stages to look at; None: all.
    """

    def looked_at(topology: Topology) -> list[str]:
        return [name for name in topology.stages if among is None or name in among]

    old, new = looked_at(before), looked_at(after)
    kept = {name for name in new if name in before.stages}
    changed = {name for name in kept if running_of(before, name) != running_of(after, name)}
    return Difference(
        added=tuple(name for name in new if name not in kept),
        removed=tuple(name for name in old if name not in after.stages),
        changed=tuple(name for name in new if name in changed),
        same=tuple(name for name in new if name in kept - changed),
    )


def running_of(topology: Topology, name: str) -> dict[str, Any]:
    """What a stage is built from; the rest of the file (where messages go, delays) is looked up as it runs."""
    stage = topology.stages[name]
    messages = dict.fromkeys([*stage.emits, *(message for taken in stage.from_.values() for message in taken)])
    return {
        "stage": stage.model_dump(mode="json", by_alias=True),
        "dependencies": {each: topology.dependencies[each].model_dump(mode="json") for each in stage.depends_on},
        "timeout": (stage.timeout or topology.defaults.stage.timeout).total_seconds(),
        "concurrency": stage.concurrency or topology.defaults.stage.concurrency,
        "models": {message: str(topology.messages[message].model) for message in messages},
        "queues": {key: topology.queue_names(key) for key in stage.from_},
    }


def needed_queues(topology: Topology, name: str) -> tuple[str, ...]:
    """The broker's names of the queues that must be there before a stage runs: its own, and where its failures go."""
    own = [each for key in topology.stages[name].from_ for each in topology.queue_names(key)]
    dead = [queue for key in topology.stages[name].from_ if (queue := topology.dead_letter_queue(key)) is not None]
    waiting = [topology.retry_queue(delay) for delay in topology.retry_policy(name).delays]
    return tuple(dict.fromkeys([*own, *dead, *waiting]))


def needed_exchanges(topology: Topology, name: str) -> tuple[str, ...]:
    """The broker's names of the exchanges that a stage publishes to: what it emits, and its failures."""
    stage = topology.stages[name]
    emitted = exchanges_of(topology, stage.emits)
    failing = [topology.retry_queue(delay) for delay in topology.retry_policy(name).delays]
    if any(topology.dead_letter_queue(key) is not None for key in stage.from_):
        failing.append(topology.dead_letter_exchange)
    distributing = [topology.partition_exchange(key) for key in stage.from_ if topology.partitions(key)]
    return tuple(dict.fromkeys([*emitted, *failing, *distributing]))


def exchanges_of(topology: Topology, messages: Iterable[str]) -> tuple[str, ...]:
    """The broker's names of the exchanges to which messages are published; the default exchange is always there."""
    named = (topology.exchange_name(topology.messages[message].exchange) for message in messages)
    return tuple(dict.fromkeys(exchange for exchange in named if exchange))


def _canonical(value: Any) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
