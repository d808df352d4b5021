"""A transfer out of a queue that others consume as well, of which a killed process leaves a true account.

What was published and not yet acked when a process is killed goes back into the queue, while its copy is in the
target. The queue can't tell which those are: its other consumers may have taken them since. So each ack comes with a
note in the *ledger* (a queue that keeps its last message), in one transaction: both are done, or neither.

Source: AMQP 0-9-1 section 1.9 (class `tx`). RabbitMQ carries out a `tx.commit` in one go, so a client that dies can't
leave half of it; a broker that dies can, but it takes the ledger with it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from aiormq.abc import AbstractChannel

from pipeline.broker.rabbitmq.link import ChannelGone, Link, answer
from pipeline.broker.rabbitmq.transfer import Ended, Rewrite, Transfer, not_reached
from pipeline.errors import NotConfirmed


@dataclass(frozen=True, slots=True)
class Ledger:
    """Where a transfer keeps its account.

    Attributes:
        notes: a queue whose last message is `<run>-<n>`: the first n deliveries of the run are acked.
        presence: an empty queue that the transfer consumes: while it has a consumer, a note may still come.
        run: a word that no other run has.
    """

    notes: str
    presence: str
    run: str

    def note(self, number: int) -> str:
        """What is written when that many are acked."""
        return f"{self.run}-{number}"


class LedgeredTransfer(Transfer):
    """Acks in the order of delivery, together with their notes. Its `rewrite` must leave nothing out."""

    def __init__(
        self,
        link: Link,
        source: str,
        exchange: str,
        rewrite: Rewrite,
        before_redelivered: Callable[[], Awaitable[None]] | None,
        ended: Ended,
        ledger: Ledger,
    ) -> None:
        super().__init__(link, source, exchange, rewrite, before_redelivered, ended)
        self._ledger = ledger
        self._confirmed: set[int] = set()
        self._through = 0  # the last delivery of which, and of all before it, the publish is confirmed
        self._committing = False

    async def _make_ready(self, channel: AbstractChannel) -> None:
        await answer(channel.tx_select())
        await answer(channel.basic_consume(self._ledger.presence, not_reached))

    def _on_confirmed(self, tag: int) -> None:
        if self._failure is not None:
            return
        self._confirmed.add(tag)
        while self._through + 1 in self._confirmed:
            self._through += 1
            self._confirmed.discard(self._through)
        if not self._committing:
            self._committing = True
            self._link.background(self._commit())

    async def _commit(self) -> None:
        """One transaction after the other, each with all that was confirmed by then."""
        try:
            while self._channel is not None and self.moved < self._through:
                channel, through = self._channel, self._through
                note = self._ledger.note(through).encode()
                await answer(channel.basic_ack(through, multiple=True, wait=False))
                await answer(channel.basic_publish(note, routing_key=self._ledger.notes))
                await answer(channel.tx_commit())
                for tag in range(self.moved + 1, through + 1):
                    self._unsettled.pop(tag, None)
                self.moved = through
        except ChannelGone as gone:
            self._fail(NotConfirmed(f"The move from {self._source!r} was cut off: {gone.reason}"))
        finally:
            self._committing = False
