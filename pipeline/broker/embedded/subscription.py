"""Who has which entries of a queue in hand: a consumer with its prefetch, or the single `get`s."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from pipeline.broker.embedded.backlog import Entry
from pipeline.broker.port import Delivery


class Source(Protocol):
    """The queue that settled entries go back to, or leave."""

    name: str

    def resume(self, subscription: Subscription) -> None: ...
    def restore(self, entries: list[Entry]) -> None: ...
    def dead_letter_rejected(self, entry: Entry) -> None: ...
    def remove(self, subscription: Subscription) -> None: ...
    def withdraw(self, subscription: Subscription, entries: list[Entry]) -> None: ...


class Subscription:
    """Entries delivered to one consumer and not yet settled, at most `prefetch` of them (0: no limit)."""

    __slots__ = ("_closed", "_queue", "_tag", "_unsettled", "active", "deliver", "on_lost", "prefetch")

    def __init__(
        self,
        queue: Source,
        deliver: Callable[[Delivery], None],
        *,
        prefetch: int = 0,
        on_lost: Callable[[], None] | None = None,
    ) -> None:
        self._queue = queue
        self._tag = 0
        self._unsettled: dict[int, Entry] = {}
        self._closed = False
        self.active = False
        self.deliver = deliver
        self.on_lost = on_lost
        self.prefetch = prefetch

    @property
    def has_room(self) -> bool:
        return not self.prefetch or len(self._unsettled) < self.prefetch

    @property
    def unsettled(self) -> int:
        return len(self._unsettled)

    def hand_over(self, entry: Entry) -> Delivery:
        """Count the entry as unsettled; the caller passes the delivery on."""
        self._tag += 1
        self._unsettled[self._tag] = entry
        return Delivery(
            entry.message,
            queue=self._queue.name,
            exchange=entry.exchange,
            routing_key=entry.routing_key,
            redelivered=entry.redelivered,
            tag=self._tag,
            settlement=self,
        )

    def ack(self, delivery: Delivery) -> None:
        if self._settle(delivery) is not None:
            self._queue.resume(self)

    def reject(self, delivery: Delivery, *, requeue: bool) -> None:
        entry = self._settle(delivery)
        if entry is None:
            return
        if requeue:
            entry.redelivered = True
            self._queue.restore([entry])
        else:
            self._queue.dead_letter_rejected(entry)
        self._queue.resume(self)

    def take_back(self, delivery: Delivery) -> None:
        """Undo a delivery that its consumer never saw: it is not a redelivery next time."""
        entry = self._settle(delivery)
        if entry is not None:
            self._queue.restore([entry])

    def cancel(self) -> None:
        """No further deliveries; what was delivered can still be settled. Idempotent."""
        self._queue.remove(self)

    def close(self, unseen: Sequence[Delivery] = ()) -> None:
        """Cancel, and return what is unsettled to the queue. Settling it afterwards does nothing. Idempotent.

        Args:
            unseen: what the consumer never saw: it is not a redelivery next time.
        """
        self._closed = True
        untouched = {delivery.tag for delivery in unseen}
        for tag, entry in self._unsettled.items():
            entry.redelivered = entry.redelivered or tag not in untouched
        entries = list(self._unsettled.values())
        self._unsettled.clear()
        self._queue.withdraw(self, entries)

    def lose(self) -> None:
        """The queue is gone, and with it what was unsettled."""
        self._closed = True
        self._unsettled.clear()
        if self.on_lost is not None:
            self.on_lost()

    def _settle(self, delivery: Delivery) -> Entry | None:
        entry = self._unsettled.pop(delivery.tag, None)
        if entry is None and not self._closed:
            raise RuntimeError(f"Delivery {delivery.tag} from {self._queue.name} was settled before")
        return entry
