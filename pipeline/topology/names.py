"""Names: those that refer to something, and those that the broker has to accept."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from pipeline.topology.diagnostics import Diagnostic
from pipeline.topology.document import Document, Path
from pipeline.topology.expand import retry_delays
from pipeline.topology.model import All, DeadLetter, Stage, Topology
from pipeline.topology.shape import suggest

_UNKNOWN = {"queue": "T104", "exchange": "T105", "message": "T106", "retry policy": "T107"}
_MOST_BYTES = 255


def check_names(topology: Topology, document: Document) -> Iterator[Diagnostic]:
    """Names that nothing has, that two have, or that the broker refuses."""
    # From the document: what has an error of its own is declared all the same.
    sections = {"queue": "queues", "exchange": "exchanges", "message": "messages", "retry policy": "retries"}
    known: dict[str, Collection[str]] = {kind: document.value.get(name) or () for kind, name in sections.items()}
    for kind, name, path, at_key in _references(topology):
        if name not in known[kind]:
            detail = f'No {kind} named "{name}" is declared.'
            yield document.diagnostic(
                _UNKNOWN[kind], path, at_key=at_key, detail=detail, suggestion=suggest(name, known[kind])
            )
    for name, stage in topology.stages.items():
        yield from _steps(name, stage, document)
    yield from _broker_names(topology, document)


def _references(topology: Topology) -> Iterator[tuple[str, str, Path, bool]]:
    """Kind, name, path, and whether it is the key there that refers."""
    for key, exchange in topology.exchanges.items():
        if exchange.alternate is not None:
            yield "exchange", exchange.alternate, ("exchanges", key, "alternate"), False
        for index, binding in enumerate(exchange.bindings):
            yield "exchange", binding.destination, ("exchanges", key, "bindings", index, "destination"), False
    for key, queue in topology.queues.items():
        for index, bound in enumerate(queue.bindings):
            yield "exchange", bound.source, ("queues", key, "bindings", index, "source"), False
        if isinstance(queue.dead_letter, DeadLetter) and queue.dead_letter.exchange:
            yield "exchange", queue.dead_letter.exchange, ("queues", key, "dead_letter", "exchange"), False
    for key, message in topology.messages.items():
        if message.exchange:
            yield "exchange", message.exchange, ("messages", key, "exchange"), False
    for key, source in topology.sources.items():
        for index, name in enumerate(source.emits):
            yield "message", name, ("sources", key, "emits", index), False
    for key, stage in topology.stages.items():
        for queue_key, messages in stage.from_.items():
            yield "queue", queue_key, ("stages", key, "from", queue_key), True
            for index, name in enumerate(messages):
                yield "message", name, ("stages", key, "from", queue_key, index), False
        for index, name in enumerate(stage.emits):
            yield "message", name, ("stages", key, "emits", index), False
        if stage.retry is not None:
            yield "retry policy", stage.retry, ("stages", key, "retry"), False
    if topology.defaults.stage.retry is not None:
        yield "retry policy", topology.defaults.stage.retry, ("defaults", "stage", "retry"), False
    for index, test in enumerate(topology.tests):
        if test.publish.exchange:
            yield "exchange", test.publish.exchange, ("tests", index, "publish", "exchange"), False
        for number, name in enumerate(test.reaches):
            yield "queue", name, ("tests", index, "reaches", number), False


def _steps(name: str, stage: Stage, document: Document) -> Iterator[Diagnostic]:
    for index, step in enumerate(stage.run):
        path: Path = ("stages", name, "run", index)
        each = [(*path, "all", inner) for inner in range(len(step.all))] if isinstance(step, All) else [path]
        names = step.all if isinstance(step, All) else [step]
        for place, reference in zip(each, names, strict=True):
            if ":" not in reference and stage.module is None:
                detail = f'"{reference}" has no module, and the stage names none.'
                yield document.diagnostic("T117", place, detail=detail)


def _broker_names(topology: Topology, document: Document) -> Iterator[Diagnostic]:
    ours = {name: "dead letters" for key in topology.queues if (name := topology.dead_letter_queue(key))}
    ours |= {topology.retry_queue(delay): "retries" for delay in retry_delays(topology)}
    sections = (
        ("exchanges", topology.exchanges, topology.exchange_name),
        ("queues", topology.queues, topology.queue_name),
    )
    for section, objects, name_of in sections:
        seen: dict[str, str] = {}
        for key in objects:
            name, path = name_of(key), (section, key)
            at = (*path, "name") if (*path, "name") in document.values else path
            if name.startswith("amq."):
                yield document.diagnostic("T108", at, at_key=at == path, detail=f'"{name}" begins with "amq.".')
            if len(f"{name}.dlq".encode()) > _MOST_BYTES:
                yield document.diagnostic(
                    "T109", at, at_key=at == path, detail="With `.dlq` it has more than 255 bytes."
                )
            if name in seen:
                detail = f'"{seen[name]}" is called "{name}" too.'
                yield document.diagnostic("T110", at, at_key=at == path, detail=detail)
            if name in ours:
                detail = f'The pipeline makes "{name}" for {ours[name]}.'
                yield document.diagnostic("T111", at, at_key=at == path, detail=detail)
            seen[name] = key
