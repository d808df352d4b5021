"""Names: those that refer to something, and those that the broker has to accept."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from pipeline.topology.diagnostics import Diagnostic
from pipeline.topology.document import Document, Path
from pipeline.topology.expand import by_queue, dead_letter_queues, retry_delays
from pipeline.topology.model import DeadLetter, Topology
from pipeline.topology.shape import suggest
from pipeline.topology.stages import Process, Stage
from pipeline.topology.users import ALL

_UNKNOWN = {
    "queue": "T104",
    "exchange": "T105",
    "message": "T106",
    "retry policy": "T107",
    "stage": "T401",
    "source": "T402",
    "dependency": "T129",
}
_SECTIONS = {
    "queue": "queues",
    "exchange": "exchanges",
    "message": "messages",
    "retry policy": "retries",
    "stage": "stages",
    "source": "sources",
    "dependency": "dependencies",
}
# What each list of a user names.
_DONE_BY_USERS = {
    "stages": "stage",
    "sources": "source",
    "publishes": "message",
    "consumes": "queue",
    "dead_letters": "queue",
}
# Arguments of exchanges that are the name of something; the router looks them up.
_NAMING = frozenset({"alternate-exchange", "hash-header"})
_MOST_BYTES = 255
_MOST_SUGGESTIONS = 50


def check_names(topology: Topology, document: Document) -> Iterator[Diagnostic]:
    """Names that nothing has, that two have, or that the broker refuses."""
    # From the document: what has an error of its own is declared all the same.
    known = {kind: _keys(document.value.get(name)) for kind, name in _SECTIONS.items()}
    suggestions: dict[tuple[str, str], str] = {}
    for kind, name, path, at_key in _references(topology):
        if name not in known[kind]:
            # Each suggestion reads all names: for the first wrong names only, or the time would be quadratic.
            if (kind, name) not in suggestions and len(suggestions) < _MOST_SUGGESTIONS:
                suggestions[kind, name] = suggest(name, known[kind])
            detail = f"No {kind} named {document.quoted(name, *(() if at_key else path))} is declared."
            suggestion = suggestions.get((kind, name), "")
            yield document.diagnostic(_UNKNOWN[kind], path, at_key=at_key, detail=detail, suggestion=suggestion)
    for name, stage in topology.stages.items():
        yield from _steps(name, stage, document)
    yield from _broker_names(topology, document)
    yield from _user_names(topology, document)
    for key, exchange in topology.exchanges.items():
        for argument in _NAMING.intersection(exchange.arguments):
            if not isinstance(exchange.arguments[argument], str):
                yield document.diagnostic("T103", ("exchanges", key, "arguments", argument), detail="It is no name.")
    for path, routing_key in _routing_keys(topology):
        if len(routing_key.encode()) > _MOST_BYTES:
            yield document.diagnostic("T109", path, detail="A routing key takes at most 255 bytes.")


def _keys(section: object) -> Collection[str]:
    return section.keys() if isinstance(section, dict) else ()


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
        for index, name in enumerate(stage.depends_on):
            yield "dependency", name, ("stages", key, "depends_on", index), False
        if stage.retry is not None:
            yield "retry policy", stage.retry, ("stages", key, "retry"), False
    if topology.defaults.stage.retry is not None:
        yield "retry policy", topology.defaults.stage.retry, ("defaults", "stage", "retry"), False
    for key, user in topology.users.items():
        for field, kind in _DONE_BY_USERS.items():
            selected = getattr(user, field)
            for index, name in enumerate(() if selected == ALL else selected):
                yield kind, name, ("users", key, field, index), False
    for index, test in enumerate(topology.tests):
        if test.publish.exchange:
            yield "exchange", test.publish.exchange, ("tests", index, "publish", "exchange"), False
        for number, name in enumerate(test.reaches):
            yield "queue", name, ("tests", index, "reaches", number), False


def _steps(name: str, stage: Stage, document: Document) -> Iterator[Diagnostic]:
    path: Path = ("stages", name)
    for inner, reference in stage.functions():
        place = (*path, *inner)
        # In the document: a module that is no text is not in the topology.
        if ":" not in reference and document.value["stages"][name].get("module") is None:
            detail = f"{document.quoted(reference, *place)} has no module, and the stage names none."
            suggestion = "Write `package.module:name`, or give the stage a `module:`."
            yield document.diagnostic("T117", place, detail=detail, suggestion=suggestion)
    if stage.executor != "loop" and any(isinstance(step, Process) for step in stage.run):
        detail = f"The whole stage runs in a {stage.executor}."
        yield document.diagnostic("T120", (*path, "executor"), detail=detail, suggestion="Leave `executor:` out.")
    if stage.track is not None and stage.job is not None:
        yield document.diagnostic("T121", (*path, "job"), at_key=True, suggestion="Leave `track:` out.")


def _routing_keys(topology: Topology) -> Iterator[tuple[Path, str]]:
    for key, queue in topology.queues.items():
        for index, bound in enumerate(queue.bindings):
            for number, routing_key in enumerate(bound.routing_key):
                yield ("queues", key, "bindings", index, "routing_key", number), routing_key
        if isinstance(queue.dead_letter, DeadLetter) and queue.dead_letter.routing_key is not None:
            yield ("queues", key, "dead_letter", "routing_key"), queue.dead_letter.routing_key
    for key, exchange in topology.exchanges.items():
        for index, binding in enumerate(exchange.bindings):
            for number, routing_key in enumerate(binding.routing_key):
                yield ("exchanges", key, "bindings", index, "routing_key", number), routing_key
    for key, message in topology.messages.items():
        yield ("messages", key, "routing_key"), key if message.routing_key is None else message.routing_key
    for index, test in enumerate(topology.tests):
        yield ("tests", index, "publish", "routing_key"), test.publish.routing_key


def _broker_names(topology: Topology, document: Document) -> Iterator[Diagnostic]:
    retries = {topology.retry_queue(delay): "retries" for delay in retry_delays(topology)}
    buried = dict.fromkeys(dead_letter_queues(topology), "dead letters")
    exits: dict[str, str] = {}
    if buried:
        exits = dict.fromkeys((topology.dead_letter_exchange, by_queue(topology)), "dead letters")
        buried[topology.audit_queue] = "what is done with dead letters"
    doors = {topology.partition_exchange(key): "partitions" for key in topology.queues if topology.partitions(key)}
    shares = {name: "partitions" for key in topology.queues for name in topology.partitions(key)}
    sections = (
        ("exchanges", topology.exchanges, topology.exchange_name, retries | exits | doors),
        ("queues", topology.queues, topology.queue_name, retries | buried | shares),
    )
    for section, objects, name_of, ours in sections:
        seen: dict[str, str] = {}
        for key in objects:
            name, path = name_of(key), (section, key)
            at = (*path, "name") if (*path, "name") in document.values else path
            shown = document.quoted(name, *at)
            for code, detail in _refusals(name, shown, seen.get(name), ours.get(name)):
                yield document.diagnostic(code, at, at_key=at == path, detail=detail)
            seen[name] = key


def _user_names(topology: Topology, document: Document) -> Iterator[Diagnostic]:
    seen: dict[str, str] = {}
    for key in topology.users:
        name = topology.user_name(key)
        at: Path = ("users", key, "name") if ("users", key, "name") in document.values else ("users", key)
        if not name:
            yield document.diagnostic("T103", at, at_key=True, detail="A name has at least one character.")
        if name in seen:
            detail = f'"{seen[name]}" is called {document.quoted(name, *at)} too.'
            yield document.diagnostic("T110", at, at_key=len(at) == 2, detail=detail)
        seen[name] = key


def _refusals(name: str, shown: str, other: str | None, purpose: str | None) -> Iterator[tuple[str, str]]:
    """Codes and details of what is wrong with the name of an exchange or queue.

    Args:
        other: key of what has the name already.
        purpose: what the pipeline makes an object of this name for.
    """
    if not name:
        yield "T103", "A name has at least one character."
    if name.startswith("amq."):
        yield "T108", f'{shown} begins with "amq.".'
    if len(f"{name}.dlq".encode()) > _MOST_BYTES:
        yield "T109", "With `.dlq` it has more than 255 bytes."
    if other is not None:
        yield "T110", f'"{other}" is called {shown} too.'
    if purpose is not None:
        yield "T111", f"The pipeline makes {shown} for {purpose}."
