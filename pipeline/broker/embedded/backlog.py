"""Messages of a queue that are ready for delivery: the highest priority first, then the oldest."""

from __future__ import annotations

from collections import deque

from pipeline.messages.message import Message


class Entry:
    """A message in a queue.

    Attributes:
        exchange, routing_key: of the publish or dead-lettering that put it there.
        sequence: its place in the queue, kept through redeliveries.
        expires_at: seconds since the epoch, or None.
    """

    __slots__ = ("exchange", "expires_at", "level", "message", "redelivered", "routing_key", "sequence")

    def __init__(
        self,
        message: Message,
        exchange: str,
        routing_key: str,
        *,
        level: int,
        sequence: int,
        expires_at: float | None,
    ) -> None:
        self.message = message
        self.exchange = exchange
        self.routing_key = routing_key
        self.level = level
        self.sequence = sequence
        self.expires_at = expires_at
        self.redelivered = False


class Backlog:
    """One deque per priority level. Everything but `restore` is O(levels)."""

    __slots__ = ("_levels", "bytes", "count")

    def __init__(self, max_priority: int = 0) -> None:
        self._levels: list[deque[Entry]] = [deque() for _ in range(max_priority + 1)]
        self.count = 0
        self.bytes = 0

    def append(self, entry: Entry) -> None:
        self._levels[entry.level].append(entry)
        self.count += 1
        self.bytes += len(entry.message.body)

    def restore(self, entry: Entry) -> None:
        """Put a delivered entry back in its place. Linear only in the entries that were requeued before it."""
        level = self._levels[entry.level]
        place = 0
        while place < len(level) and level[place].sequence < entry.sequence:
            place += 1
        level.insert(place, entry)
        self.count += 1
        self.bytes += len(entry.message.body)

    def head(self) -> Entry | None:
        """The next entry to be delivered, dropped or expired."""
        if not self.count:
            return None
        return next(level for level in reversed(self._levels) if level)[0]

    def pop(self) -> Entry:
        """Take the head. Raises StopIteration if there is none."""
        entry = next(level for level in reversed(self._levels) if level).popleft()
        self.count -= 1
        self.bytes -= len(entry.message.body)
        return entry

    def clear(self) -> int:
        """Forget all entries; how many they were."""
        count = self.count
        for level in self._levels:
            level.clear()
        self.count = self.bytes = 0
        return count
