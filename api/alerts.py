"""What an operator should know now, and what to do about it. Pure: from what is known to what is said."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise
from typing import Any

from api.history import Sample
from pipeline.topology.graph import EdgeKind, Graph, Node, NodeKind

_UNCONSUMED_SAMPLES = 3  # a worker that is replaced, or a breaker that probes, is away for less
_GROWING_SAMPLES = 12
_GROWN_BY = 100


class Level(StrEnum):
    """CRITICAL: work stands still. WARNING: it goes on, but not for ever."""

    CRITICAL = "critical"
    WARNING = "warning"


@dataclass(frozen=True, slots=True)
class Alert:
    """Attributes:
    code: stable, for programs.
    subject: the queue, dependency or revision that it is about; empty where it is the whole.
    text: what is wrong, one sentence.
    fix: what to do.
    place: where the dashboard shows it: what follows `#/`.
    """

    code: str
    level: Level
    subject: str
    text: str
    fix: str
    place: str


@dataclass(frozen=True, slots=True)
class Known:
    """Attributes:
    graph: of the topology.
    samples: of the queues, the oldest first.
    workers: their documents.
    away: which of `broker` and `state` do not answer.
    relay_connected: whether events reach this process.
    """

    graph: Graph
    samples: Sequence[Sample]
    workers: Sequence[Mapping[str, Any]]
    away: frozenset[str]
    relay_connected: bool


def alerts(known: Known) -> list[Alert]:
    """The critical ones first."""
    found = [*_servers(known), *_workers(known)]
    if "broker" not in known.away:  # of queues that can't be asked for, nothing new is known
        found += _queues(known)
    return sorted(found, key=lambda each: (each.level is not Level.CRITICAL, each.code, each.subject))


def _servers(known: Known) -> Iterator[Alert]:
    if "broker" in known.away:
        text = "RabbitMQ does not answer: nothing is delivered."
        yield Alert("BROKER_AWAY", Level.CRITICAL, "", text, "`pipeline doctor` says why", "topology")
    if "state" in known.away:
        text = "Redis does not answer: progress is not shown, and stages wait for it."
        yield Alert("STATE_AWAY", Level.CRITICAL, "", text, "`pipeline doctor` says why", "topology")
    elif not known.relay_connected:
        text = "Events do not reach this page at the moment; it is trying again."
        yield Alert("RELAY_AWAY", Level.WARNING, "", text, "If it stays: look at the log of `pipeline api`", "topology")


def _workers(known: Known) -> Iterator[Alert]:
    consumed = any(edge.kind is EdgeKind.CONSUMES for edge in known.graph.edges)
    if not known.workers and consumed and "state" not in known.away:
        text = "No worker is running: nothing is worked on."
        yield Alert("NO_WORKER", Level.CRITICAL, "", text, "Start one: `pipeline run`", "workers")
    revisions = sorted({str(each["revision"]) for each in known.workers})
    if len(revisions) > 1:
        text = f"Workers run different revisions of the topology: {', '.join(revisions)}."
        fix = "A roll takes a moment; after that, restart those that stayed behind, or look why they refuse it"
        yield Alert("REVISIONS_DIFFER", Level.WARNING, "", text, fix, "workers")
    for reason in sorted({str(each["refused"]) for each in known.workers if each["refused"]}):
        text = f"A newer topology is not taken over: {reason}"
        yield Alert(
            "REVISION_REFUSED", Level.WARNING, reason, text, "Mend the file, or run `pipeline apply`", "workers"
        )
    for name in sorted({name for each in known.workers for name in each.get("away", ())}):
        text = f"{name} is away: the stages that depend on it have stopped consuming."
        yield Alert(
            "DEPENDENCY_AWAY", Level.WARNING, name, text, f"Bring {name} back: they go on by themselves", "workers"
        )


def _queues(known: Known) -> Iterator[Alert]:
    if not known.samples:
        return
    consumed = {edge.source for edge in known.graph.edges if edge.kind is EdgeKind.CONSUMES}
    for node in known.graph.nodes:
        if node.kind is not NodeKind.QUEUE:
            continue
        if node.name not in known.samples[-1].flows:
            text = f"The broker has no queue {node.name}: what is meant for it goes nowhere."
            yield Alert("NOT_DECLARED", Level.CRITICAL, node.name, text, "Run `pipeline apply`", "queues")
            continue
        if node.id in consumed:
            yield from _consumption(known, node)
        if node.dead_letters is not None:
            yield from _dead_letters(known, node.dead_letters)


def _consumption(known: Known, node: Node) -> Iterator[Alert]:
    place, now = f"queues/{node.name}", known.samples[-1].flows[node.name]
    last = known.samples[-_UNCONSUMED_SAMPLES:]
    flows = [each.flows[node.name] for each in last if node.name in each.flows]
    if len(flows) == _UNCONSUMED_SAMPLES and all(flow.messages and not flow.consumers for flow in flows):
        text = f"Nobody consumes {node.name}, and {now.messages:,} {_messages(now.messages)} in it."
        fix = "Start a worker for its stage: `pipeline run`; if there is one, `pipeline status` says what it waits for"
        yield Alert("NO_CONSUMER", Level.CRITICAL, node.name, text, fix, place)
        return
    depths = _depths(known.samples[-_GROWING_SAMPLES:], node.name)
    grown = depths[-1] - depths[0]
    if (
        len(depths) == _GROWING_SAMPLES
        and grown >= _GROWN_BY
        and all(after >= before for before, after in pairwise(depths))
    ):
        text = f"{node.name} grows: {grown:,} more in the last minute, {now.messages:,} {_messages(now.messages)}."
        yield Alert("BACKLOG_GROWS", Level.WARNING, node.name, text, "More workers: `pipeline run --workers N`", place)


def _dead_letters(known: Known, name: str) -> Iterator[Alert]:
    depths = _depths(known.samples, name)
    if len(depths) > 1 and (more := depths[-1] - min(depths)) > 0:
        text = f"{more:,} more dead {'letter' if more == 1 else 'letters'} in {name} within ten minutes."
        fix = "Look at what they died of; once it is mended, replay them"
        yield Alert("DEAD_LETTERS_GROW", Level.WARNING, name, text, fix, f"dead-letters/{name}")


def _depths(samples: Sequence[Sample], name: str) -> list[int]:
    return [sample.flows[name].messages or 0 for sample in samples if name in sample.flows]


def _messages(count: int | None) -> str:
    return "message waits" if count == 1 else "messages wait"
