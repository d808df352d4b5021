"""The shape of `topology.yaml`; field names follow RabbitMQ's definitions, descriptions feed the JSON Schema.

Sections are keyed by the names that the rest of the file refers to. `name:` overrides what an exchange or a
queue is called on the broker.
"""

from __future__ import annotations

from datetime import timedelta
from functools import cached_property
from typing import Any, Literal

from pydantic import Field

from pipeline.topology.section import OneOrMore, Section
from pipeline.topology.stages import Dependency, Ledger, RetryPolicy, Source, Stage, StageDefaults
from pipeline.topology.users import User, VhostLimits
from pipeline.topology.values import BrokerVersion, CodeReference, Duration, Size, format_duration


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


class QueueDefaults(Section):
    """What a queue has unless it says otherwise."""

    type: Literal["classic", "quorum"] = "classic"
    dead_letter: bool = True


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

    def ledger(self, stage: Stage) -> Ledger:
        """The options of a stage's ledger: what it says itself, and the defaults for the rest."""
        own = {field: getattr(stage.ledger, field) for field in stage.ledger.model_fields_set}
        return self.defaults.stage.ledger.model_copy(update=own)

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
