"""Which dead-letter queues a topology has, and how much waits in each."""

from __future__ import annotations

from dataclasses import dataclass
from difflib import get_close_matches

from pipeline.broker.port import Broker
from pipeline.errors import NoSuchQueue, PipelineError
from pipeline.topology.model import Topology


@dataclass(frozen=True, slots=True)
class DeadLetterQueue:
    """A dead-letter queue and the queue whose dead letters it takes, by their names on the broker."""

    name: str
    origin: str


@dataclass(frozen=True, slots=True)
class DeadLetterDepth:
    """What waits in a dead-letter queue; `messages` is None if it is not declared on the broker."""

    queue: DeadLetterQueue
    messages: int | None


def dead_letter_queues(topology: Topology) -> tuple[DeadLetterQueue, ...]:
    """Those the pipeline makes, `<queue>.dlq`, sorted by name.

    A queue whose dead letters go to an exchange that the file names has none here: where they end is routing.
    """
    queues = [
        DeadLetterQueue(name, topology.queue_name(key))
        for key in topology.queues
        if (name := topology.dead_letter_queue(key)) is not None
    ]
    return tuple(sorted(queues, key=lambda queue: queue.name))


def find_queue(topology: Topology, name: str) -> DeadLetterQueue:
    """The dead-letter queue of that name, or of the queue of that name. Raises PipelineError with a suggestion."""
    known: dict[str, DeadLetterQueue] = {}
    for queue in dead_letter_queues(topology):
        known[queue.origin] = queue
    for queue in dead_letter_queues(topology):
        known[queue.name] = queue
    if name in known:
        return known[name]
    near = get_close_matches(name, known, n=1)
    hint = f'Did you mean "{near[0]}"?' if near else "`pipeline dlq list` shows those there are"
    raise PipelineError(f'No dead-letter queue is named "{name}", and no queue that has one', fix=hint)


async def depths(broker: Broker, topology: Topology) -> tuple[DeadLetterDepth, ...]:
    """How much waits in each dead-letter queue. Raises Unreachable."""
    return tuple([DeadLetterDepth(queue, await _depth(broker, queue)) for queue in dead_letter_queues(topology)])


async def _depth(broker: Broker, queue: DeadLetterQueue) -> int | None:
    try:
        return (await broker.depth(queue.name)).messages
    except NoSuchQueue:
        return None


async def declared_depth(broker: Broker, name: str) -> int:
    """Messages that wait in a queue which has to be there. Raises PipelineError if it is not, Unreachable."""
    try:
        return (await broker.depth(name)).messages
    except NoSuchQueue as error:
        raise not_declared(name) from error


def not_declared(name: str) -> PipelineError:
    """What to tell where a queue that has to be there is not."""
    return PipelineError(f'The queue "{name}" is not declared on the broker', fix="Run `pipeline apply` first")
