"""A channel that receives messages, and the settlements that go back on it."""

from __future__ import annotations

from pipeline.broker.port import Delivery
from pipeline.broker.rabbitmq.frames import ChannelTap
from pipeline.broker.rabbitmq.link import Link
from pipeline.broker.rabbitmq.wire import Route, ack_frame, read_message, reject_frame


class Receiver(ChannelTap):
    """Deliveries of one channel until they are settled.

    Acks wait up to two milliseconds for others, or until they are a quarter of what the broker lets be unsettled, so
    that it is never kept from sending: fewer, larger writes, and larger reads in return. Then the longest run of
    settled deliveries goes with one `multiple`, which never reaches past one that is unsettled, the others one by one.
    """

    def __init__(self, link: Link) -> None:
        super().__init__()
        self.number = 0
        self._link = link
        self._route = Route(0, False, "", "")
        self._unsettled: dict[int, None] = {}
        self._acked: list[int] = []
        self._enough = 1
        self._over = False

    def ack(self, delivery: Delivery) -> None:
        tag = delivery.tag
        if not self._settle(tag, delivery):
            return
        self._acked.append(tag)
        if len(self._acked) == self._enough:
            self._link.write_later(self)
        elif len(self._acked) == 1:
            self._link.write_soon(self)

    def reject(self, delivery: Delivery, *, requeue: bool) -> None:
        if self._settle(delivery.tag, delivery):
            self._link.write(reject_frame(self.number, delivery.tag, requeue=requeue))

    def frames(self) -> bytes:
        """The acks that are due."""
        acked, self._acked = self._acked, []
        if self._over or not acked:
            return b""
        # A dict keeps its order of insertion, which is that of the tags.
        oldest = next(iter(self._unsettled), None)
        if oldest is None:
            return ack_frame(self.number, max(acked), multiple=True)
        run = max((tag for tag in acked if tag < oldest), default=0)
        frames = [ack_frame(self.number, run, multiple=True)] if run else []
        frames += [ack_frame(self.number, tag, multiple=False) for tag in acked if tag > oldest]
        return b"".join(frames)

    def end(self) -> None:
        """The broker has taken back what was unsettled: settling it does nothing any more."""
        self._over = True
        self._unsettled.clear()
        self._acked.clear()

    def received(self, queue: str, header: bytes, body: bytes) -> Delivery:
        """The delivery that the last method announced."""
        route = self._route
        self._unsettled[route.tag] = None
        return Delivery(
            read_message(header, body),
            queue=queue,
            exchange=route.exchange,
            routing_key=route.routing_key,
            redelivered=route.redelivered,
            tag=route.tag,
            settlement=self,
        )

    def _settle(self, tag: int, delivery: Delivery) -> bool:
        if tag in self._unsettled:
            del self._unsettled[tag]
            return True
        if self._over:
            return False
        raise RuntimeError(f"Delivery {tag} from {delivery.queue} was settled before")
