"""What a dead letter says about itself: our headers, or else the broker's `x-death`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from pipeline.broker.port import Delivery
from pipeline.errors import ErrorCode
from pipeline.messages.message import (
    ATTEMPT,
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
    Message,
)

_BROKER_REASONS = {
    "expired": (ErrorCode.EXPIRED, "Waited longer than its time to live"),
    "maxlen": ("MAXLEN", "Dropped by the queue's length limit"),
    "rejected": ("REJECTED", "Rejected by a consumer that gave no reason"),
    "delivery_limit": ("DELIVERY_LIMIT", "Returned to the queue more often than allowed"),
}
_DIED_WITH = frozenset({ATTEMPT, ERROR_CLASS, ERROR_CODE, ERROR_MESSAGE, ERROR_STAGE, FAILED_AT, LAST_ERROR_CODE})
_LEFT_OUT = _DIED_WITH | SENDER_SELECTED
# Written by the broker, the counts on quorum queues: of the message's life until now, not of the one it begins.
_BROKER_HEADERS = ("x-death", "x-first-death-", "x-last-death-", "x-delivery-count", "x-acquired-count")
_TEXT_LIMIT = 500


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """One message in a dead-letter queue. Texts are one line without control characters, for they may be foreign.

    Attributes:
        position: 1 for the oldest.
        message: its name, as far as known.
        error_code: of `ErrorCode`, or what the broker did with it: EXPIRED, MAXLEN, REJECTED, DELIVERY_LIMIT.
        attempts: how often a stage tried it; None if the broker dead-lettered it.
        exchange, routing_key: where it was first published.
        queue: the queue it died in.
        body_size: bytes.
    """

    position: int
    message_id: str | None
    message: str
    error_class: str
    error_code: str
    error_message: str
    stage: str
    attempts: int | None
    failed_at: datetime | None
    exchange: str
    routing_key: str
    queue: str
    body_size: int


def read_letter(delivery: Delivery, position: int, origin: str) -> DeadLetter:
    """What is known of a delivery from the dead-letter queue of the queue `origin`."""
    headers = delivery.message.headers
    deaths = _deaths(headers)
    latest: Mapping[str, Any] = deaths[0] if deaths else {}
    exchange, routing_key = _first_published(delivery)
    code, reason = _broker_reason(latest)
    # A retried message carries its last error: if it then dies in its queue at the broker's hand, that is the reason.
    ours = bool(headers.keys() & {ERROR_CODE, ERROR_CLASS}) and printable(latest.get("queue", "")) != origin
    return DeadLetter(
        position=position,
        message_id=None if delivery.message.message_id is None else printable(delivery.message.message_id),
        message=printable(headers.get(MESSAGE_NAME, routing_key)),
        error_class=printable(headers.get(ERROR_CLASS, "")),
        error_code=printable(headers.get(ERROR_CODE, "")) if ours else code,
        error_message=printable(headers.get(ERROR_MESSAGE, "")) if ours else reason,
        stage=printable(headers.get(ERROR_STAGE, "")),
        attempts=_whole(headers.get(ATTEMPT)),
        failed_at=_moment(headers.get(FAILED_AT) if ours else latest.get("time")),
        exchange=printable(exchange),
        routing_key=printable(routing_key),
        queue=origin,
        body_size=len(delivery.message.body),
    )


def revived(delivery: Delivery, now: float) -> Message:
    """The message as it goes back to its queue: as if it had never failed, but for the mark that it is a replay.

    Where it was first published is kept, since a stage tells a foreign message by its routing key.

    Args:
        now: seconds since the epoch.
    """
    exchange, routing_key = _first_published(delivery)
    headers = {
        name: value
        for name, value in delivery.message.headers.items()
        if name not in _LEFT_OUT and not name.startswith(_BROKER_HEADERS)
    }
    headers.setdefault(ORIGINAL_EXCHANGE, exchange)
    headers.setdefault(ORIGINAL_ROUTING_KEY, routing_key)
    headers[REPLAYED_AT] = datetime.fromtimestamp(now, UTC).isoformat(timespec="milliseconds")
    return replace(delivery.message, headers=headers, expiration_ms=None)


def _deaths(headers: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Latest first, as RabbitMQ has them."""
    deaths = headers.get("x-death")
    return [death for death in deaths if isinstance(death, Mapping)] if isinstance(deaths, list) else []


def _first_published(delivery: Delivery) -> tuple[str, str]:
    headers = delivery.message.headers
    deaths = _deaths(headers)
    keys = deaths[-1].get("routing-keys") if deaths else None
    first = (str(deaths[-1].get("exchange", "")), str(keys[0])) if deaths and isinstance(keys, list) and keys else None
    exchange, routing_key = first or (delivery.exchange, delivery.routing_key)
    return str(headers.get(ORIGINAL_EXCHANGE, exchange)), str(headers.get(ORIGINAL_ROUTING_KEY, routing_key))


def _broker_reason(death: Mapping[str, Any]) -> tuple[str, str]:
    reason = death.get("reason")
    if reason is None:
        return "", ""
    code, text = _BROKER_REASONS.get(
        str(reason), (printable(reason).upper(), f"Dead-lettered by the broker: {printable(reason)}")
    )
    return str(code), text


def printable(value: Any) -> str:
    """Text from outside as one line of at most 500 characters without control characters."""
    text = value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
    return "".join(c if c.isprintable() else " " for c in text)[:_TEXT_LIMIT]


def _whole(value: Any) -> int | None:
    try:
        return None if value is None else int(value)
    except (TypeError, ValueError, OverflowError):
        return None


def _moment(value: Any) -> datetime | None:
    """From an AMQP timestamp, RFC 3339, or seconds since the epoch."""
    try:
        if isinstance(value, str | bytes):
            value = datetime.fromisoformat(printable(value))
        elif isinstance(value, int | float):
            value = datetime.fromtimestamp(value, UTC)
    except (ValueError, OverflowError, OSError):
        return None
    if not isinstance(value, datetime):
        return None
    try:
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
    except OverflowError:
        return None
