"""An AMQP message as publishers and consumers of either engine see it."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

_NAMESPACE = uuid.UUID("9b1f1e4e-6c0a-5d0e-8f4b-7d6e2f1c3a55")

# Headers of ours. They survive retries and dead letters; RabbitMQ's own `x-death` is reset by each republish.
MESSAGE_NAME = "x-message-name"
ATTEMPT = "x-attempt"
LAST_ERROR_CODE = "x-last-error-code"  # why a message waits for its next attempt; the codes below are of dead letters
ORIGINAL_EXCHANGE = "x-original-exchange"
ORIGINAL_ROUTING_KEY = "x-original-routing-key"
ERROR_CODE = "x-error-code"
ERROR_CLASS = "x-error-class"
ERROR_MESSAGE = "x-error-message"
ERROR_STAGE = "x-error-stage"
FAILED_AT = "x-failed-at"
REPLAYED_AT = "x-replayed-at"
EDITED_AT = "x-edited-at"  # its body is not as it was first published: somebody corrected it among the dead letters
TRACEPARENT = "traceparent"

# RabbitMQ's: with them a publisher names further routing keys. A message published again goes to one queue, so they are
# left out; and a user who may only publish with some keys may not name others here (RabbitMQ looks since 4.0.3).
SENDER_SELECTED = frozenset({"CC", "BCC"})


@dataclass(frozen=True, slots=True)
class Message:
    """Body and AMQP properties. Published persistent and mandatory, always.

    Attributes:
        priority: 0 to 255, or None.
        expiration_ms: per-message TTL in milliseconds, or None.
        content_encoding: of somebody else's message; we set none.
        headers: AMQP field table; values are what AMQP can carry (str, int, float, bool, bytes, lists, tables).
    """

    body: bytes
    message_id: str | None = None
    correlation_id: str | None = None
    content_type: str | None = "application/json"
    priority: int | None = None
    expiration_ms: int | None = None
    timestamp: datetime | None = None
    headers: Mapping[str, Any] = field(default_factory=dict)
    content_encoding: str | None = None


@dataclass(frozen=True, slots=True)
class Envelope:
    """What is known of a delivery beside its payload.

    Attributes:
        message: the message's name (`file.analyze`), from the header `x-message-name` or else the routing key.
        exchange, routing_key: where it was first published, whatever retries and replays it has been through.
        attempt: 1 for the first.
    """

    message: str
    message_id: str | None
    correlation_id: str | None
    queue: str
    exchange: str
    routing_key: str
    attempt: int = 1
    redelivered: bool = False
    priority: int | None = None
    timestamp: datetime | None = None
    headers: Mapping[str, Any] = field(default_factory=dict)


def derive_message_id(*parts: str | int) -> str:
    """The UUIDv5 of an output: the same input, stage and position give the same id, so a redelivery can be told.

    Source: RFC 9562, section 5.5.
    """
    return str(uuid.uuid5(_NAMESPACE, "\x1f".join(map(str, parts))))
