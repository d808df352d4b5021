"""One queue: its backlog, consumers, limits and expiry, as RabbitMQ's classic queues have them."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from pipeline.broker.embedded.backlog import Backlog, Entry
from pipeline.broker.embedded.deadletter import Reason
from pipeline.broker.embedded.effective import QueueSettings
from pipeline.broker.embedded.subscription import Subscription
from pipeline.broker.port import Delivery
from pipeline.clock import Clock, Timer
from pipeline.messages.message import Message
from pipeline.topology.definitions import QueueDefinition

Bury = Callable[["QueueModel", Entry, Reason], None]
Unused = Callable[["QueueModel"], None]


class QueueModel:
    """A queue. Messages expire at its head only, and deliveries go round robin to consumers that have room.

    Args:
        bury: dead-letters an entry, or forgets it where the queue has no dead-letter exchange.
        unused: called when an auto-delete queue loses its last consumer.
    """

    def __init__(
        self, definition: QueueDefinition, settings: QueueSettings, clock: Clock, *, bury: Bury, unused: Unused
    ) -> None:
        self.name = definition.name
        self.definition = definition
        self.settings = settings
        self._clock = clock
        self._bury = bury
        self._unused = unused
        self._max_priority = int(definition.arguments.get("x-max-priority", 0))
        self._single_active = bool(definition.arguments.get("x-single-active-consumer", False))
        self._backlog = Backlog(self._max_priority)
        self._sequence = 0
        self._subscriptions: list[Subscription] = []
        self._ready: deque[Subscription] = deque()
        self._gets = Subscription(self, _refuse)
        self._delivering = False
        self._timer: Timer | None = None
        self._timer_at = 0.0

    @property
    def depth(self) -> int:
        """Messages ready for delivery."""
        return self._backlog.count

    @property
    def consumers(self) -> int:
        return len(self._subscriptions)

    @property
    def arrived(self) -> int:
        """All messages that ever came, those refused included."""
        return self._sequence

    def configure(self, settings: QueueSettings) -> None:
        """Change limits on the live queue. A new TTL counts for messages that arrive from now on."""
        self.settings = settings
        self._drop_excess()

    def offer(self, message: Message, exchange: str, routing_key: str) -> bool:
        """Enqueue, or hand over at once; False if the queue is full and refuses."""
        settings, backlog = self.settings, self._backlog
        entry = self._entry(message, exchange, routing_key)
        if settings.rejects_when_full and self._is_full_for(message):
            if settings.overflow == "reject-publish-dlx":
                self._bury(self, entry, Reason.MAXLEN)
            return False
        if not backlog.count and self._ready and not self._delivering:
            self._deliver_at_once(entry)
            return True
        backlog.append(entry)
        self._drop_excess()
        self._work()
        return True

    def take(self) -> Delivery | None:
        """One message to be settled by its receiver, or None."""
        self._expire()
        delivery = self._gets.hand_over(self._backlog.pop()) if self._backlog.count else None
        self._work()
        return delivery

    def purge(self) -> int:
        """Forget the ready messages; how many they were."""
        return self._backlog.clear()

    def subscribe(
        self, deliver: Callable[[Delivery], None], *, prefetch: int, on_lost: Callable[[], None] | None
    ) -> Subscription:
        subscription = Subscription(self, deliver, prefetch=prefetch, on_lost=on_lost)
        self._subscriptions.append(subscription)
        self.resume(subscription)
        return subscription

    def remove(self, subscription: Subscription) -> None:
        """A consumer is gone; under a single active consumer the next one takes over."""
        if subscription not in self._subscriptions:
            return
        self._subscriptions.remove(subscription)
        if subscription.active:
            subscription.active = False
            self._ready.remove(subscription)
        if self._single_active and self._subscriptions:
            self.resume(self._subscriptions[0])
        if self.definition.auto_delete and not self._subscriptions:
            self._unused(self)

    def withdraw(self, subscription: Subscription, entries: list[Entry]) -> None:
        """A consumer is gone with what it had in hand, which is back in its place before anyone else is served."""
        delivering, self._delivering = self._delivering, True
        try:
            self.restore(entries)
            self.remove(subscription)
        finally:
            self._delivering = delivering
        self._work()

    def resume(self, subscription: Subscription) -> None:
        """A consumer may have room again."""
        if subscription.active or not subscription.has_room or subscription not in self._subscriptions:
            return
        if self._single_active and subscription is not self._subscriptions[0]:
            return
        subscription.active = True
        self._ready.append(subscription)
        self._work()

    def restore(self, entries: list[Entry]) -> None:
        """Put delivered entries back in their places."""
        for entry in sorted(entries, key=lambda entry: -entry.sequence):
            self._backlog.restore(entry)
        self._drop_excess()
        self._work()

    def dead_letter_rejected(self, entry: Entry) -> None:
        self._bury(self, entry, Reason.REJECTED)

    def release(self) -> None:
        """Return what single `get`s have in hand."""
        self._gets.close()
        self._gets = Subscription(self, _refuse)

    def lose(self) -> None:
        """The queue is deleted: its messages are gone, and its consumers are told."""
        self._backlog.clear()
        self._disarm()
        self._gets.lose()
        subscriptions, self._subscriptions = self._subscriptions, []
        self._ready.clear()
        for subscription in subscriptions:
            subscription.lose()

    def _entry(self, message: Message, exchange: str, routing_key: str) -> Entry:
        self._sequence += 1
        ttl = self.settings.message_ttl
        if message.expiration_ms is not None and (ttl is None or message.expiration_ms < ttl):
            ttl = message.expiration_ms
        return Entry(
            message,
            exchange,
            routing_key,
            level=min(message.priority or 0, self._max_priority),
            sequence=self._sequence,
            expires_at=None if ttl is None else self._clock.time() + ttl / 1000,
        )

    def _is_full_for(self, message: Message) -> bool:
        settings, backlog = self.settings, self._backlog
        return (settings.max_length is not None and backlog.count + 1 > settings.max_length) or (
            settings.max_length_bytes is not None and backlog.bytes + len(message.body) > settings.max_length_bytes
        )

    def _drop_excess(self) -> None:
        settings, backlog = self.settings, self._backlog
        if settings.rejects_when_full:
            return
        while backlog.count and (
            (settings.max_length is not None and backlog.count > settings.max_length)
            or (settings.max_length_bytes is not None and backlog.bytes > settings.max_length_bytes)
        ):
            self._bury(self, backlog.pop(), Reason.MAXLEN)

    def _work(self) -> None:
        """Deliver what can be delivered, then see to the expiry of what can't. Not re-entered by consumers."""
        if self._delivering:
            return
        self._delivering = True
        try:
            self._expire()
            while self._backlog.count and self._ready:
                self._hand_over(self._backlog.pop())
                self._expire()
        finally:
            self._delivering = False
        self._watch_head()

    def _deliver_at_once(self, entry: Entry) -> None:
        self._delivering = True
        try:
            self._hand_over(entry)
        finally:
            self._delivering = False
        if self._backlog.count:
            self._work()

    def _hand_over(self, entry: Entry) -> None:
        subscription = self._ready.popleft()
        delivery = subscription.hand_over(entry)
        if subscription.has_room:
            self._ready.append(subscription)
        else:
            subscription.active = False
        subscription.deliver(delivery)

    def _expire(self) -> None:
        head = self._backlog.head()
        if head is None or head.expires_at is None:
            return
        now = self._clock.time()
        while head is not None and head.expires_at is not None and head.expires_at <= now:
            self._bury(self, self._backlog.pop(), Reason.EXPIRED)
            head = self._backlog.head()

    def _watch_head(self) -> None:
        """Arrange a call for when the head expires. A timer that is early is left: it arranges the next one."""
        head = self._backlog.head()
        if head is None or head.expires_at is None:
            return
        if self._timer is not None:
            if self._timer_at <= head.expires_at:
                return
            self._disarm()
        self._timer_at = head.expires_at
        self._timer = self._clock.call_at(head.expires_at, self._on_timer)

    def _on_timer(self) -> None:
        self._timer = None
        self._work()

    def _disarm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


def _refuse(_: Delivery) -> None:
    raise AssertionError("a get is taken, never delivered")
