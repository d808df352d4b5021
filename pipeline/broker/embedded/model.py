"""RabbitMQ's semantics in one process: pure, synchronous, and with no time but its clock's.

Usable alone: `BrokerModel(definitions, ManualClock())` runs a topology in virtual time.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from pipeline.broker.embedded.backlog import Entry
from pipeline.broker.embedded.deadletter import Reason, in_a_circle, with_death
from pipeline.broker.embedded.declared import Declared
from pipeline.broker.embedded.effective import Policies
from pipeline.broker.embedded.queue import QueueModel
from pipeline.broker.embedded.subscription import Subscription
from pipeline.broker.fieldtable import check_short, check_table
from pipeline.broker.port import Delivery, Depth
from pipeline.clock import Clock, SystemClock
from pipeline.errors import NoSuchQueue, NotConfirmed, Refused, Unroutable
from pipeline.messages.message import Message
from pipeline.topology.definitions import BindingDefinition, Definitions
from pipeline.topology.route import Router, alternates_of


class BrokerModel:
    """Exchanges, queues, bindings and policies, and the messages in them.

    Classic queues' semantics, whatever a queue's type. Consumers are called from within the call that gave
    them something to do (publish, settle, the clock), never from within one another's deliveries.
    """

    def __init__(self, definitions: Definitions | None = None, clock: Clock | None = None) -> None:
        self._clock = clock or SystemClock()
        self._declared = Declared()
        self._queues: dict[str, QueueModel] = {}
        self._dead: deque[tuple[QueueModel, Entry, Reason]] = deque()
        self._burying = False
        self._apply(self._declared)
        if definitions is not None:
            self.declare(definitions)

    def declare(self, definitions: Definitions) -> None:
        """Add what is missing and update policies, on the live broker. Idempotent.

        Raises PipelineError, with nothing changed, where something exists with other immutable arguments
        or a binding names what isn't there.
        """
        self._apply(self._declared.merged(definitions))

    def definitions(self) -> Definitions:
        """What is declared, without RabbitMQ's own `amq.*` exchanges."""
        return self._declared.definitions()

    def delete_queue(self, name: str) -> int:
        """Delete a queue and its bindings; how many messages went with it. Raises NoSuchQueue."""
        queue = self._queue(name)
        depth = queue.depth
        self._apply(self._declared.without_queue(name))
        return depth

    def delete_exchange(self, name: str) -> None:
        """Delete an exchange and its bindings. Does nothing if there is none."""
        self._apply(self._declared.without_exchange(name))

    def unbind(self, binding: BindingDefinition) -> None:
        """Remove a binding. Does nothing if there is none."""
        self._apply(self._declared.without_binding(binding))

    def delete_policy(self, name: str) -> None:
        """Remove a policy; what it set is no longer in force. Does nothing if there is none."""
        self._apply(self._declared.without_policy(name))

    def publish(self, exchange: str, routing_key: str, message: Message) -> None:
        """Route and enqueue, mandatory and confirmed.

        Raises Unroutable, NotConfirmed; TypeError or ValueError for what could not travel to a RabbitMQ.
        """
        check_short(routing_key, "routing key")
        if message.headers:
            check_table(message.headers)
        definition = self._declared.exchanges.get(exchange) if exchange else None
        if exchange and definition is None:
            raise NotConfirmed(f"There is no exchange {exchange!r}")
        if definition is not None and definition.internal:
            raise NotConfirmed(f"Exchange {exchange!r} is internal: it can't be published to")
        queues = self._route(exchange, routing_key, message)
        if not queues:
            raise Unroutable(f"No queue is bound to {exchange!r} for the routing key {routing_key!r}")
        refused = [queue.name for queue in queues if not queue.offer(message, exchange, routing_key)]
        if refused:
            raise Refused(f"Refused by a full queue: {', '.join(refused)}")

    def subscribe(
        self,
        queue: str,
        deliver: Callable[[Delivery], None],
        *,
        prefetch: int,
        on_lost: Callable[[], None] | None = None,
    ) -> Subscription:
        """Call `deliver` for each delivery, at most `prefetch` of them unsettled (0: no limit). Raises NoSuchQueue."""
        return self._queue(queue).subscribe(deliver, prefetch=prefetch, on_lost=on_lost)

    def get(self, queue: str) -> Delivery | None:
        """One message, or None. Raises NoSuchQueue."""
        return self._queue(queue).take()

    def depth(self, queue: str) -> Depth:
        """Raises NoSuchQueue."""
        found = self._queue(queue)
        return Depth(found.depth, found.consumers)

    def arrived(self, queue: str) -> int:
        """All messages that ever came into a queue. Raises NoSuchQueue."""
        return self._queue(queue).arrived

    def purge(self, queue: str) -> int:
        """Remove the ready messages; how many they were. Raises NoSuchQueue."""
        return self._queue(queue).purge()

    def has_exchange(self, exchange: str) -> bool:
        """Whether it is declared."""
        return exchange in self._declared.exchanges

    def release(self) -> None:
        """Return the messages that single `get`s have in hand, as a closed connection does."""
        for queue in self._queues.values():
            queue.release()

    def _queue(self, name: str) -> QueueModel:
        queue = self._queues.get(name)
        if queue is None:
            raise NoSuchQueue(f"There is no queue {name!r}")
        return queue

    def _apply(self, declared: Declared) -> None:
        policies = Policies(declared.policies.values())
        self._declared = declared
        exchanges, queues, bindings = declared.exchanges, declared.queues, declared.bindings
        alternates = alternates_of(declared.definitions())
        self._router = Router(exchanges.values(), queues, bindings.values(), alternates)
        gone = [queue for name, queue in self._queues.items() if name not in declared.queues]
        for lost in gone:
            del self._queues[lost.name]
        settings = {name: policies.for_queue(queue) for name, queue in queues.items()}
        for name, queue in queues.items():
            if name not in self._queues:
                self._queues[name] = QueueModel(queue, settings[name], self._clock, bury=self._bury, unused=self._drop)
        # After all are there, since a lowered limit sends messages on to them.
        for name, model in self._queues.items():
            if model.settings != settings[name]:
                model.configure(settings[name])
        for lost in gone:
            lost.lose()

    def _drop(self, queue: QueueModel) -> None:
        if self._queues.get(queue.name) is queue:
            self.delete_queue(queue.name)

    def _route(self, exchange: str, routing_key: str, message: Message) -> list[QueueModel]:
        return [self._queues[name] for name in self._router.route(exchange, routing_key, message.headers)]

    def _bury(self, queue: QueueModel, entry: Entry, reason: Reason) -> None:
        """Dead-letter in the order of deaths; a chain of queues that overflow into one another does not recurse."""
        self._dead.append((queue, entry, reason))
        if self._burying:
            return
        self._burying = True
        try:
            while self._dead:
                self._dead_letter(*self._dead.popleft())
        finally:
            self._burying = False

    def _dead_letter(self, queue: QueueModel, entry: Entry, reason: Reason) -> None:
        settings = queue.settings
        exchange = settings.dead_letter_exchange
        if exchange is None or (exchange and exchange not in self._declared.exchanges):
            return
        message = with_death(
            entry.message,
            reason,
            queue=queue.name,
            exchange=entry.exchange,
            routing_key=entry.routing_key,
            time=self._clock.time(),
        )
        key = entry.routing_key if settings.dead_letter_routing_key is None else settings.dead_letter_routing_key
        for target in self._route(exchange, key, message):
            if reason is Reason.REJECTED or not in_a_circle(target.name, message.headers):
                target.offer(message, exchange, key)
