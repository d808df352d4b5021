"""What RabbitMQ writes into a message that it dead-letters, and when it drops one that goes in circles.

Source: RabbitMQ 3.10, `rabbit_dead_letter`: deaths are grouped by queue and reason, the latest first.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from pipeline.messages.message import Message


class Reason(StrEnum):
    """Why a message left its queue without being acked."""

    REJECTED = "rejected"
    EXPIRED = "expired"
    MAXLEN = "maxlen"


def with_death(
    message: Message, reason: Reason, *, queue: str, exchange: str, routing_key: str, time: float
) -> Message:
    """The message as it is dead-lettered: `x-death` and, the first time, `x-first-death-*`; no expiration.

    Args:
        exchange, routing_key: where it had been published when it died.
        time: seconds since the epoch.
    """
    headers = dict(message.headers)
    deaths = _deaths(headers)
    if deaths is None:
        headers["x-first-death-reason"] = str(reason)
        headers["x-first-death-queue"] = queue
        headers["x-first-death-exchange"] = exchange
        deaths = []
    earlier = next((death for death in deaths if death.get("queue") == queue and death.get("reason") == reason), None)
    if earlier is not None:
        death = {**earlier, "count": earlier.get("count", 0) + 1}
    else:
        death = {
            "count": 1,
            "reason": str(reason),
            "queue": queue,
            "time": datetime.fromtimestamp(int(time), UTC),
            "exchange": exchange,
            "routing-keys": [routing_key],
        }
        if message.expiration_ms is not None:
            death["original-expiration"] = str(message.expiration_ms)
    headers["x-death"] = [death, *(other for other in deaths if other is not earlier)]
    return replace(message, headers=headers, expiration_ms=None)


def in_a_circle(queue: str, headers: Mapping[str, Any]) -> bool:
    """Whether a message came back to `queue` without anyone having rejected it on the way: it is then dropped."""
    for death in _deaths(headers) or ():
        if death.get("reason") == Reason.REJECTED:
            return False
        if death.get("queue") == queue:
            return True
    return False


def _deaths(headers: Mapping[str, Any]) -> list[dict[str, Any]] | None:
    deaths = headers.get("x-death")
    return [death for death in deaths if isinstance(death, dict)] if isinstance(deaths, list) else None
