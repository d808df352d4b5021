"""What the answers to requests have in common: when they were made, and how long they took."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from time import perf_counter
from typing import Any
from uuid import uuid4

from pydantic import BaseModel

from pipeline.messages.message import FAILED_AT, REPLAYED_AT, derive_message_id
from pipeline.stage import Emit, Failed, StageContext
from stages.contracts import TimedAnswer


@dataclass(frozen=True, slots=True)
class Stopwatch:
    """Started with the work on a request."""

    began_at: datetime = field(default_factory=lambda: datetime.now(UTC))
    _began: float = field(default_factory=perf_counter)

    def processing_time_ms(self) -> float:
        return round((perf_counter() - self._began) * 1000, 3)

    def queue_time_ms(self, request: BaseModel, context: StageContext) -> float:
        """From when the request was made, by its own timestamp or else the AMQP property, to the work's start; else 0.

        The clocks of two machines may differ, so never less than 0.
        """
        made_at = getattr(request, "timestamp", None) or context.envelope.timestamp
        if not isinstance(made_at, datetime):
            return 0.0
        if made_at.tzinfo is None:
            made_at = made_at.replace(tzinfo=UTC)
        return round(max(0.0, (self.began_at - made_at).total_seconds()) * 1000, 3)


def answered(
    message: str,
    model: type[TimedAnswer],
    request: BaseModel,
    context: StageContext,
    stopwatch: Stopwatch,
    **found: Any,
) -> Emit:
    """The answer to a request that was worked on: the message and its model, with the fields of its own.

    `found` may say `success=False` where that much of it failed; it is no failure of the message then.
    """
    fields = {
        "success": True,
        "error": None,
        "error_code": None,
        "processing_time_ms": stopwatch.processing_time_ms(),
        "queue_time_ms": stopwatch.queue_time_ms(request, context),
        **found,
    }
    return _answer(message, model, request, context, "done", fields)


def refused(
    message: str, model: type[TimedAnswer], request: BaseModel, context: StageContext, failure: Failed, **known: Any
) -> Emit:
    """The answer to a request that has failed for good; to one that comes back from its dead letters, another one."""
    fields = {
        "success": False,
        "error": failure.reason,
        "error_code": failure.error_code,
        "processing_time_ms": round(failure.elapsed_ms, 3),
        "queue_time_ms": Stopwatch().queue_time_ms(request, context),
        **known,
    }
    headers = context.envelope.headers
    again = headers.get(REPLAYED_AT) or headers.get(FAILED_AT)
    return _answer(message, model, request, context, f"failed@{again}" if again else "failed", fields)


def _answer(
    message: str,
    model: type[TimedAnswer],
    request: BaseModel,
    context: StageContext,
    ending: str,
    fields: Mapping[str, Any],
) -> Emit:
    """The same one for a request that is delivered again, under one id in its body and on the wire."""
    asked = getattr(request, "message_id", None) or context.envelope.message_id
    identity = f"{asked or uuid4()}:{ending}"
    body = model.model_validate(
        {
            "message_id": derive_message_id(message, identity),
            "timestamp": datetime.now(UTC),
            "original_message_id": asked,
            "correlation_id": getattr(request, "correlation_id", None) or context.envelope.correlation_id,
            "job_id": getattr(request, "job_id", None) or asked,
            **fields,
        }
    )
    return Emit(message, body, identity=identity)
