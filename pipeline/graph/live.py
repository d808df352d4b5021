"""What queues are doing while the picture is drawn."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Flow:
    """One queue, as far as it is known.

    Attributes:
        messages: that wait or are being worked on; None: the broker has no such queue.
        publish_rate, deliver_rate: messages per second; None: not known.
    """

    messages: int | None = None
    consumers: int = 0
    publish_rate: float | None = None
    deliver_rate: float | None = None


def flow_text(flow: Flow) -> str:
    """`1,204 messages · 2 consumers · 12/s in, 10/s out`."""
    if flow.messages is None:
        return "not on the broker"
    parts = [
        f"{flow.messages:,} message{'' if flow.messages == 1 else 's'}",
        f"{flow.consumers} consumer{'' if flow.consumers == 1 else 's'}",
    ]
    if flow.publish_rate or flow.deliver_rate:
        parts.append(f"{flow.publish_rate or 0:.3g}/s in, {flow.deliver_rate or 0:.3g}/s out")
    return " · ".join(parts)
