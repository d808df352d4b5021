"""Values that RabbitMQ would refuse, or that would not do what they say."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from pipeline.topology.diagnostics import Diagnostic
from pipeline.topology.document import Document, Path
from pipeline.topology.model import Topology
from pipeline.topology.stages import Stage
from pipeline.topology.values import milliseconds

_LONGEST_MS = 2**32 - 1
_RANGE = "It is from 1 ms to 49 days."
_CONSUMER_TIMEOUT = timedelta(minutes=30)
# Arguments that a field of the file stands for; RabbitMQ's names.
_FIELDS = {
    "x-queue-type": "type",
    "x-max-priority": "max_priority",
    "x-message-ttl": "ttl",
    "x-expires": "expires",
    "x-max-length": "max_length",
    "x-max-length-bytes": "max_length_bytes",
    "x-overflow": "overflow",
    "x-dead-letter-exchange": "dead_letter",
    "x-dead-letter-routing-key": "dead_letter",
}


def check_limits(topology: Topology, document: Document) -> Iterator[Diagnostic]:
    """Durations out of range, arguments beside fields, what quorum queues do not know, patience and prefetch."""
    for name, policy in topology.retries.items():
        for index, delay in enumerate(policy.delays):
            if not _in_range(delay):
                yield document.diagnostic("T115", ("retries", name, "delays", index), detail=_RANGE)
        for index, kind in enumerate(policy.reject_on):
            if kind in policy.retry_on:
                detail = f"`retry_on:` lists {document.quoted(kind)} too."
                yield document.diagnostic("T125", ("retries", name, "reject_on", index), detail=detail)
    for key in topology.queues:
        yield from _queue(key, topology, document)
    if not _in_range(topology.defaults.stage.timeout):
        yield document.diagnostic("T114", ("defaults", "stage", "timeout"), detail=_RANGE)
    for name, stage in topology.stages.items():
        if stage.timeout is not None and not _in_range(stage.timeout):
            yield document.diagnostic("T114", ("stages", name, "timeout"), detail=_RANGE)
        yield from _stage(name, topology, document)


def _in_range(value: timedelta) -> bool:
    return 1 <= milliseconds(value) <= _LONGEST_MS


def _queue(key: str, topology: Topology, document: Document) -> Iterator[Diagnostic]:
    queue, path = topology.queues[key], ("queues", key)
    for field in ("ttl", "expires"):
        value: timedelta | None = getattr(queue, field)
        if value is not None and not _in_range(value):
            yield document.diagnostic("T114", (*path, field), detail=_RANGE)
    for argument, field in _FIELDS.items():
        if argument not in queue.arguments:
            continue
        at: Path = (*path, "arguments", argument)
        if getattr(queue, field) not in (None, False):
            detail = f'"{argument}" would win over `{field}:`.'
            yield document.diagnostic("T112", at, at_key=True, detail=detail, suggestion="Keep the field.")
        else:
            yield document.diagnostic("T118", at, at_key=True, suggestion=f"Write `{field}:` instead.")
    if topology.queue_type(key) == "quorum":
        if queue.max_priority is not None and key not in topology.ordered:
            advice = "Write `type: classic`, or leave `max_priority:` out."
            yield document.diagnostic("T113", (*path, "max_priority"), suggestion=advice)
        if queue.overflow == "reject-publish-dlx":
            advice = "Write `reject-publish` or `drop-head`."
            yield document.diagnostic("T116", (*path, "overflow"), suggestion=advice)
        if not queue.durable:
            yield document.diagnostic("T119", (*path, "durable"), suggestion="Leave `durable:` out.")


def _stage(name: str, topology: Topology, document: Document) -> Iterator[Diagnostic]:
    stage = topology.stages[name]
    # How many there are in a pool is known only where it runs.
    at_once = stage.at_once(1 if stage.pooled else topology.defaults.stage.concurrency)
    held = stage.prefetch or at_once
    timeout = stage.timeout or topology.defaults.stage.timeout
    longest_s = timeout.total_seconds() * -(-held // at_once)
    if longest_s >= _CONSUMER_TIMEOUT.total_seconds():
        minutes = round(longest_s / 60)
        field = "timeout" if stage.timeout else "prefetch" if stage.prefetch else "run"
        detail = f"The last of {held} deliveries held, {at_once} at once, may take {minutes} minutes."
        yield document.diagnostic("T210", ("stages", name, field), at_key=True, detail=detail)
    yield from _order(name, topology, document)
    if topology.ledger(stage).when_away == "continue":
        yield from _without_state(name, stage, document)
    if stage.batch is not None:
        yield from _batch(name, stage, document)
    prioritised = [key for key in stage.from_ if key in topology.queues and topology.queues[key].max_priority]
    known = None if stage.pooled and stage.concurrency is None else at_once
    if prioritised and known and held > known:
        detail = f'{held} deliveries of "{prioritised[0]}" are held while {known} are worked on.'
        yield document.diagnostic("T209", ("stages", name, "prefetch"), detail=detail)


def _order(name: str, topology: Topology, document: Document) -> Iterator[Diagnostic]:
    stage, path = topology.stages[name], ("stages", name)
    if stage.order_by is None:
        if stage.partitions is not None:
            yield document.diagnostic("T127", (*path, "partitions"), suggestion="Say by which field: `order_by:`.")
        return
    for key in stage.from_:
        if key not in topology.queues:
            continue
        others = [other for other, each in topology.stages.items() if other != name and key in each.from_]
        if others:
            detail = f'The stage "{others[0]}" consumes "{key}" too.'
            yield document.diagnostic("T126", (*path, "order_by"), at_key=True, detail=detail)
        if topology.queues[key].max_priority is not None:
            detail = f'"{key}" is a priority queue, which has an order of its own.'
            yield document.diagnostic("T126", (*path, "order_by"), at_key=True, detail=detail)
        if topology.queues[key].type == "classic":
            detail = f'The stage "{name}" keeps the order of "{key}".'
            yield document.diagnostic("T128", ("queues", key, "type"), detail=detail)


def _without_state(name: str, stage: Stage, document: Document) -> Iterator[Diagnostic]:
    own = stage.ledger.when_away == "continue"
    path: Path = ("stages", name, "ledger", "when_away") if own else ("defaults", "stage", "ledger", "when_away")
    for field, value in (("track", stage.track), ("job", stage.job), ("order_by", stage.order_by)):
        if value is not None:
            detail = f'The stage "{name}" has `{field}: {value}`.'
            yield document.diagnostic("T132", path, detail=detail, suggestion="Leave it out for this stage: `pause`.")


def _batch(name: str, stage: Stage, document: Document) -> Iterator[Diagnostic]:
    assert stage.batch is not None
    path: Path = ("stages", name)
    if stage.executor != "loop":
        detail = f"The stage runs in a {stage.executor}."
        yield document.diagnostic("T130", (*path, "executor"), detail=detail, suggestion="Leave `executor:` out.")
    elif not isinstance(stage.run[0], str):
        detail = "The first step is a group."
        yield document.diagnostic("T130", (*path, "run", 0), at_key=True, detail=detail)
    if stage.prefetch is not None and stage.prefetch < stage.batch.size:
        detail = f"At most {stage.prefetch} of {stage.batch.size} are there at a time."
        yield document.diagnostic("T131", (*path, "prefetch"), detail=detail)
