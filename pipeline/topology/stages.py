"""The shape of a stage in `topology.yaml`, and of what it refers to: sources, retry policies, dependencies."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import timedelta
from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, StringConstraints, Tag

from pipeline.topology.section import OneOrMore, Section
from pipeline.topology.values import CodeReference, Duration

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


class Ledger(Section):
    """How a stage knows the messages that it has finished, so that a duplicate has no effect."""

    retention: Duration = Field(default=timedelta(days=7), description="How long a finished message is remembered")
    when_away: Literal["pause", "continue"] = Field(
        default="pause",
        description="While the state store is away: wait for it, or go on, although duplicates then run again",
    )


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
    connection: str | None = Field(
        default=None,
        pattern=r"^[\w.-]{1,64}$",
        description="Name of a connection to the broker that it shares only with stages that name it too",
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
    ledger: Ledger = Ledger()
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
    ledger: Ledger = Ledger()
