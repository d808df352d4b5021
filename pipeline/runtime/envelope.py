"""From a delivery to its envelope, and from there to the headers of what is published because of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pipeline.broker.port import Delivery
from pipeline.messages.message import (
    ATTEMPT,
    EDITED_AT,
    ERROR_CLASS,
    ERROR_CODE,
    ERROR_MESSAGE,
    ERROR_STAGE,
    FAILED_AT,
    LAST_ERROR_CODE,
    MESSAGE_NAME,
    ORIGINAL_EXCHANGE,
    ORIGINAL_ROUTING_KEY,
    REPLAYED_AT,
    SENDER_SELECTED,
    TRACEPARENT,
    Envelope,
    Message,
)

# Written by the broker. A copy in a republished message would be taken for the broker's own.
_BROKER_HEADERS = ("x-death", "x-first-death-", "x-last-death-", "x-delivery-count", "x-acquired-count")
# Of an earlier death, where a dead letter was put back by other means than a replay.
_ERROR_HEADERS = frozenset({ERROR_CLASS, ERROR_CODE, ERROR_MESSAGE, ERROR_STAGE})
_LEFT_OUT = _ERROR_HEADERS | SENDER_SELECTED
OWN_HEADERS = frozenset(
    {
        *(MESSAGE_NAME, ATTEMPT, ORIGINAL_EXCHANGE, ORIGINAL_ROUTING_KEY, REPLAYED_AT, EDITED_AT, TRACEPARENT),
        *(ERROR_CODE, ERROR_CLASS, ERROR_MESSAGE, ERROR_STAGE, FAILED_AT, LAST_ERROR_CODE),
    }
)
_MAX_ATTEMPT = 1_000_000
_LONGEST_NAME = 255  # of a message, an exchange, a routing key; longer ones were written by somebody else
_LONGEST_TRACE = 255


def envelope_of(delivery: Delivery, queue: str) -> Envelope:
    """What a delivery says about itself. Foreign messages may lack all of our headers, or fill them with nonsense.

    Args:
        queue: the queue's key in the topology.
    """
    message = delivery.message
    headers = message.headers
    routing_key = _text(headers, ORIGINAL_ROUTING_KEY)
    return Envelope(
        message=message_name(headers) or delivery.routing_key,
        message_id=message.message_id,
        correlation_id=message.correlation_id,
        queue=queue,
        exchange=delivery.exchange if routing_key is None else _text(headers, ORIGINAL_EXCHANGE) or "",
        routing_key=delivery.routing_key if routing_key is None else routing_key,
        attempt=_attempt(headers),
        redelivered=delivery.redelivered,
        priority=message.priority,
        timestamp=message.timestamp,
        headers=headers,
    )


def message_name(headers: Mapping[str, Any]) -> str | None:
    """What a message says it is: by our header, or else by the key it was first published with."""
    return _text(headers, MESSAGE_NAME) or _text(headers, ORIGINAL_ROUTING_KEY)


def headers_of_next_attempt(envelope: Envelope, attempt: int) -> dict[str, Any]:
    """Headers under which the same message is published again."""
    headers = {
        key: value
        for key, value in envelope.headers.items()
        if not key.startswith(_BROKER_HEADERS) and key not in _LEFT_OUT
    }
    return headers | {
        MESSAGE_NAME: envelope.message,
        ATTEMPT: attempt,
        ORIGINAL_EXCHANGE: envelope.exchange,
        ORIGINAL_ROUTING_KEY: envelope.routing_key,
    }


def headers_of_outputs(envelope: Envelope) -> dict[str, Any]:
    """What an output inherits from its input: the trace."""
    trace = envelope.headers.get(TRACEPARENT)
    return {TRACEPARENT: trace} if isinstance(trace, str) and len(trace) <= _LONGEST_TRACE else {}


def republished(message: Message, headers: Mapping[str, Any]) -> Message:
    """The same body and identity. Its own TTL is left out, or it could expire while it waits for its next attempt."""
    return Message(
        body=message.body,
        message_id=message.message_id,
        correlation_id=message.correlation_id,
        content_type=message.content_type,
        content_encoding=message.content_encoding,
        priority=message.priority,
        timestamp=message.timestamp,
        headers=headers,
    )


def _text(headers: Mapping[str, Any], key: str) -> str | None:
    value = headers.get(key)
    if isinstance(value, bytes):
        value = value.decode(errors="replace")
    return value if isinstance(value, str) and len(value) <= _LONGEST_NAME else None


def _attempt(headers: Mapping[str, Any]) -> int:
    value = headers.get(ATTEMPT)
    return value if isinstance(value, int) and not isinstance(value, bool) and 1 <= value < _MAX_ATTEMPT else 1
