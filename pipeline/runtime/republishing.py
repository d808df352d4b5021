"""Publishes a message again, whatever is in it: into a tier, a partition, its dead-letter queue."""

from __future__ import annotations

from collections.abc import Awaitable, Mapping
from typing import Any

from pipeline.broker.port import Broker
from pipeline.messages.message import Message
from pipeline.runtime.envelope import OWN_HEADERS, republished

_LONGEST = 300


def republish(
    broker: Broker, exchange: str, routing_key: str, message: Message, headers: Mapping[str, Any]
) -> Awaitable[None]:
    """Send it with these headers; with ours alone, where a foreign publisher's leave no room in a frame.

    The awaitable raises Unroutable, NotConfirmed. Nothing is raised at once, or the message would come for ever.
    """
    try:
        return broker.publish(exchange, routing_key, republished(message, headers))
    except (TypeError, ValueError):
        ours = {key: value for key, value in headers.items() if key in OWN_HEADERS and _is_short(value)}
        return broker.publish(exchange, routing_key, republished(message, ours))


def _is_short(value: Any) -> bool:
    return isinstance(value, int) or (isinstance(value, str) and len(value) <= _LONGEST)
