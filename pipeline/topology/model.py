"""The shape of `topology.yaml`; field names follow RabbitMQ's definitions, descriptions feed the JSON Schema.

Sections are keyed by the names that the rest of the file refers to. `name:` overrides what an exchange or a
queue is called on the broker.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import timedelta
from functools import cached_property
from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, StringConstraints, Tag

from pipeline.topology.section import OneOrMore, Section
from pipeline.topology.users import User, VhostLimits
from pipeline.topology.values import BrokerVersion, CodeReference, Duration, Size, format_duration

FailureName = Annotated[str, StringConstraints(pattern=r"^[^\W\d]\w*(\.[^\W\d]\w*)*$", max_length=200)]


class RetryPolicy(Section):
    """After a transient failure a message waits these delays, one after the other, then is dead-lettered.

    A failure is named by its error code, or by its exception's class or a base of that, with its module or without.
    """

    delays: list[Duration] = Field(default_factory=list, description="Waits before each further attempt")
    retry_on: list[FailureName] = Field(
        default_factory=list, description="Failures to try again although a step calls them permanent"
    )
    reject_on: list[FailureName] = Field(default_factory=list, description="Failures not to try again")

    @property
    def attempts(self) -> int:
        return len(self.delays) + 1

    def is_final(self, kinds: Iterable[str], *, permanent: bool) -> bool:
        """Whether a failure is not to be tried again.

        Args:
            kinds: what `retry_on` and `reject_on` may call it, most telling first; the first that one lists counts.
            permanent: whether it is, where neither lists it.
        """
        for kind in kinds:
            if kind in self.reject_on:
                return True
            if kind in self.retry_on:
                return False
        return permanent


class QueueBinding(Section):
    """A queue's binding to an exchange."""

    source: str = Field(description="Exchange to bind to")
    routing_key: OneOrMore = Field(default_factory=lambda: [""], description="One routing key or several")
    arguments: dict[str, Any] = Field(default_factory=dict, description="For headers exchanges: what to match")


class ExchangeBinding(Section):
    """A binding from this exchange to another one."""

    destination: str = Field(description="Exchange that receives what matches")
    routing_key: OneOrMore = Field(default_factory=lambda: [""])
    arguments: dict[str, Any] = Field(default_factory=dict)


class Exchange(Section):
    """An exchange."""

    name: str | None = Field(
        default=None, min_length=1, max_length=255, description="Its name on the broker, if not the key"
    )
    type: Literal["direct", "topic", "fanout", "headers", "x-consistent-hash"]
    durable: bool = True
    auto_delete: bool = False
    internal: bool = False
    alternate: str | None = Field(default=None, description="Exchange that gets what no binding matches")
    bindings: list[ExchangeBinding] = Field(default_factory=list)
    arguments: dict[str, Any] = Field(default_factory=dict, description="Further arguments, as RabbitMQ spells them")


class DeadLetter(Section):
    """Where rejected and expired messages go, when not to `<queue>.dlq`."""

    exchange: str = Field(description="Exchange that receives them")
    routing_key: str | None = Field(default=None, description="Instead of the message's own routing key")


class Queue(Section):
    """A queue."""

    name: str | None = Field(
        default=None, min_length=1, max_length=255, description="Its name on the broker, if not the key"
    )
    type: Literal["classic", "quorum"] | None = Field(default=None, description="Default: defaults.queue.type")
    durable: bool = True
    bindings: list[QueueBinding] = Field(default_factory=list)
    max_priority: int | None = Field(
        default=None, ge=1, le=255, description="Makes it a priority queue; immutable on a broker"
    )
    ttl: Duration | None = Field(default=None, description="How long a message may wait")
    expires: Duration | None = Field(default=None, description="The broker deletes the queue when unused this long")
    max_length: int | None = Field(default=None, ge=0)
    max_length_bytes: Size | None = None
    overflow: Literal["drop-head", "reject-publish", "reject-publish-dlx"] | None = None
    dead_letter: bool | DeadLetter | None = Field(default=None, description="true: to <queue>.dlq; false: nowhere")
    external: bool = Field(default=False, description="Consumed by programs outside this pipeline")
    arguments: dict[str, Any] = Field(default_factory=dict, description="Further arguments, as RabbitMQ spells them")

    @property
    def bounded(self) -> bool:
        """Whether it can't grow without end."""
        return any(limit is not None for limit in (self.ttl, self.max_length, self.max_length_bytes))


class MessageContract(Section):
    """A message: the model that validates its body, and where it is published."""

    model: CodeReference
    exchange: str
    routing_key: str | None = Field(default=None, description="If not the message's name")
    priority: int | None = Field(default=None, ge=0, le=255, description="Used where the body carries no `priority`")
    max_size: Size = Field(default=1024 * 1024, description="Larger bodies are refused")


class Source(Section):
    """Something outside that turns into messages: an async generator that yields them."""

    run: CodeReference
    emits: OneOrMore
    options: dict[str, Any] = Field(default_factory=dict, description="Handed to the function as context.options")


class All(Section):
    """The same value goes to each step; the tuple of their results goes on."""

    all: list[str] = Field(min_length=1)


class Process(Section):
    """Steps that run as one call in the pool of processes; the others of the stage stay on the worker's loop."""

    process: list[str | All] = Field(min_length=1)


class Batch(Section):
    """The first step takes a list of messages, and gives a list of what came of each."""

    size: int = Field(ge=1, le=10_000, description="As many at most")
    within: Duration = Field(
        default=timedelta(seconds=1), description="How long the first of them waits for the others"
    )


def _kind_of_step(value: Any) -> str:
    """Which sort of step is meant, also where its key is misspelt: so that there is one error and not one per sort."""
    if isinstance(value, Mapping):
        value = Process if any(str(key).startswith("p") for key in value) else All
    kind = value if isinstance(value, type) else type(value)
    return kind.__name__ if issubclass(kind, Section) else "str"


RunStep = Annotated[
    Annotated[str, Tag("str")] | Annotated[All, Tag("All")] | Annotated[Process, Tag("Process")],
    Discriminator(_kind_of_step),
]


class Stage(Section):
    """A stage: queues, the messages it takes from each, and the steps a message passes through."""

    from_: dict[str, OneOrMore] = Field(alias="from", min_length=1, description="Queue: the messages taken from it")
    module: str | None = Field(default=None, description="Where steps without a module of their own are found")
    run: list[RunStep] = Field(min_length=1, description="Steps in order: name, or package.module:name")
    batch: Batch | None = Field(default=None, description="Have the first step take many messages at once")
    on_failure: str | None = Field(
        default=None, description="What answers a message that has failed for good, before it is dead-lettered"
    )
    emits: list[str] = Field(default_factory=list, description="Messages it may publish")
    track: str | None = Field(
        default=None, description="Field of the messages that names the recording to show progress of"
    )
    job: str | None = Field(
        default=None, description="Instead of track: field that names the job; without a value, the message's id does"
    )
    executor: Literal["loop", "thread", "process"] = Field(default="loop", description="Where the steps run")
    concurrency: int | None = Field(default=None, ge=1, description="Deliveries worked on at once, per worker")
    prefetch: int | None = Field(
        default=None, ge=1, le=65535, description="Deliveries held, per queue; default: as many as run at once"
    )
    order_by: str | None = Field(
        default=None,
        description="Field of the messages: those with the same value are worked on in the order they came",
    )
    partitions: int | None = Field(
        default=None,
        ge=2,
        le=256,
        description="Queues that workers share, by hash of `order_by`; without, one worker at a time has all",
    )
    hashing: Literal["publisher", "exchange"] = Field(
        default="publisher",
        description="Who hashes: what publishes to the partitions, or RabbitMQ's consistent-hash exchange (a plugin)",
    )
    depends_on: OneOrMore = Field(default_factory=list, description="Dependencies without which it does not work")
    timeout: Duration | None = None
    retry: str | None = Field(default=None, description="Name of a retry policy")
    options: dict[str, Any] = Field(default_factory=dict)

    def at_once(self, default: int) -> int:
        """Deliveries worked on at once, of a stage that says so or needs no pool: whole batches of them."""
        if self.batch is not None:
            return self.batch.size * (self.concurrency or 1)
        return self.concurrency or default

    @property
    def pooled(self) -> bool:
        """Whether it needs the pool of processes."""
        return self.executor == "process" or any(isinstance(step, Process) for step in self.run)

    def functions(self) -> Iterator[tuple[tuple[str | int, ...], str]]:
        """Every function that it names, with its place in the stage."""
        yield from _functions(("run",), self.run)
        if self.on_failure is not None:
            yield ("on_failure",), self.on_failure


def _functions(
    place: tuple[str | int, ...], steps: Sequence[str | All | Process]
) -> Iterator[tuple[tuple[str | int, ...], str]]:
    for index, step in enumerate(steps):
        if isinstance(step, str):
            yield (*place, index), step
        elif isinstance(step, All):
            yield from _functions((*place, index, "all"), step.all)
        else:
            yield from _functions((*place, index, "process"), step.process)


class QueueDefaults(Section):
    """What a queue has unless it says otherwise."""

    type: Literal["classic", "quorum"] = "classic"
    dead_letter: bool = True


class Dependency(Section):
    """Something that stages need beside broker and state store: a server, a mount. While it is away, they wait."""

    probe: CodeReference | None = Field(
        default=None,
        description="Function that raises or gives False while it is away; without one, a message tells",
    )
    failures: int = Field(default=5, ge=1, description="So many failures one after the other say that it is away")
    within: Duration = Field(default=timedelta(seconds=30), description="In this time")
    every: Duration = Field(default=timedelta(seconds=10), description="How often it is looked at while it is away")


class StageDefaults(Section):
    """What a stage has unless it says otherwise."""

    retry: str | None = None
    timeout: Duration = timedelta(seconds=60)
    concurrency: int = Field(default=16, ge=1)


class Defaults(Section):
    queue: QueueDefaults = QueueDefaults()
    stage: StageDefaults = StageDefaults()


class RoutePublish(Section):
    exchange: str
    routing_key: str
    headers: dict[str, Any] = Field(default_factory=dict)


class RouteTest(Section):
    """An example that must hold: publishing this reaches exactly these queues, and ends in those."""

    publish: RoutePublish
    reaches: list[str]
    when: Literal["failing", "refused", "unconsumed"] = Field(
        default="failing",
        description="What `ends` is about: every attempt fails; the stage refuses it for good; nobody consumes",
    )
    ends: dict[str, Duration] | None = Field(
        default=None, description="Queues in which it comes to rest, and when; dead-letter queues by their names"
    )


class BrokerTarget(Section):
    """What the topology is to run on."""

    version: BrokerVersion = Field(description="RabbitMQ's, in quotes: lint then says what holds for it alone")


class Topology(Section):
    """The whole file."""

    version: Literal[1]
    name: str = Field(
        pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$", description="Prefix of what the pipeline makes for itself"
    )
    broker: BrokerTarget | None = None
    retries: dict[str, RetryPolicy] = Field(default_factory=dict)
    defaults: Defaults = Defaults()
    exchanges: dict[str, Exchange] = Field(default_factory=dict)
    queues: dict[str, Queue] = Field(default_factory=dict)
    messages: dict[str, MessageContract] = Field(default_factory=dict)
    dependencies: dict[str, Dependency] = Field(default_factory=dict)
    sources: dict[str, Source] = Field(default_factory=dict)
    stages: dict[str, Stage] = Field(default_factory=dict)
    examples: CodeReference | None = Field(
        default=None, description="A mapping of message names to lists of example bodies, for the AsyncAPI document"
    )
    users: dict[str, User] = Field(default_factory=dict, description="Users of the broker; none: they are not managed")
    limits: VhostLimits = VhostLimits()
    tests: list[RouteTest] = Field(default_factory=list)

    def exchange_name(self, key: str) -> str:
        """An exchange's name on the broker; the empty key is the default exchange."""
        return key and (self.exchanges[key].name or key)

    def queue_name(self, key: str) -> str:
        """A queue's name on the broker."""
        return self.queues[key].name or key

    def user_name(self, key: str) -> str:
        """A user's name on the broker."""
        return self.users[key].name or key

    def queue_type(self, key: str) -> Literal["classic", "quorum"]:
        """A queue's type: its own, or else the default; a quorum queue where the order of messages is kept.

        On RabbitMQ 3.10 and 3.11 a classic queue may crash, and lose messages, as the one consumer that it serves at
        a time is replaced by another (rabbitmq-server #5460).
        """
        return self.queues[key].type or ("quorum" if key in self.ordered else self.defaults.queue.type)

    def dead_letter_queue(self, key: str) -> str | None:
        """Broker name of the dead-letter queue the pipeline makes for a queue, or None where it makes none."""
        queue = self.queues[key]
        wanted = self.defaults.queue.dead_letter if queue.dead_letter is None else queue.dead_letter
        return f"{self.queue_name(key)}.dlq" if wanted is True else None

    @cached_property
    def ordered(self) -> dict[str, Stage]:
        """Queues that are worked on in order, and the stage that does."""
        return {key: stage for stage in self.stages.values() if stage.order_by is not None for key in stage.from_}

    def partitions(self, key: str) -> list[str]:
        """Broker names of the queues among which a queue's messages are distributed by key; none where they are not."""
        stage = self.ordered.get(key)
        count = (stage.partitions or 0) if stage else 0
        return [f"{self.queue_name(key)}.{number}" for number in range(1, count + 1)]

    def queue_names(self, key: str) -> list[str]:
        """Broker names of a queue and its partitions."""
        return [self.queue_name(key), *self.partitions(key)]

    def partition_exchange(self, key: str) -> str:
        """Broker name of the exchange in front of a queue's partitions."""
        return f"{self.queue_name(key)}.partitions"

    @property
    def dead_letter_exchange(self) -> str:
        """Broker name of the exchange by which workers reach dead-letter queues, with the queue as routing key."""
        return f"{self.name}.dlx"

    @property
    def audit_queue(self) -> str:
        """Broker name of the queue that keeps what was done with dead letters, and by whom."""
        return f"{self.name}.audit"

    def retry_policy(self, stage: str) -> RetryPolicy:
        """The retry policy in force for a stage."""
        name = self.stages[stage].retry or self.defaults.stage.retry
        return self.retries[name] if name else RetryPolicy()

    def retry_delays(self) -> list[timedelta]:
        """The distinct delays that the stages' retry policies use, shortest first."""
        names = {stage.retry or self.defaults.stage.retry for stage in self.stages.values()}
        policies = [self.retries[name] for name in names if name in self.retries]
        return sorted({delay for policy in policies for delay in policy.delays})

    def retry_queue(self, delay: timedelta) -> str:
        """Broker name of the exchange and queue in which messages wait `delay` before their next attempt."""
        return f"{self.name}.retry.{format_duration(delay)}"
