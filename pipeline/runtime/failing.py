"""Settles deliveries that failed: into the retry ladder or the dead-letter queue, visible in both cases."""

from __future__ import annotations

from functools import partial
from typing import Any

import structlog

from pipeline.runtime.answering import Answering
from pipeline.runtime.attempt import Attempt, Outcome
from pipeline.runtime.availability import Availability
from pipeline.runtime.failure import Failure
from pipeline.runtime.leases import Leases
from pipeline.runtime.progress import Reporter
from pipeline.runtime.retry import DeadLetter, Retries, Retry
from pipeline.state.port import Progress, Status
from pipeline.topology.stages import Stage
from pipeline.topology.values import format_duration

_log = structlog.get_logger()


class Failing:
    """For one stage."""

    def __init__(
        self,
        name: str,
        stage: Stage,
        retries: Retries,
        leases: Leases,
        progress: Progress,
        state_up: Availability,
        answering: Answering,
    ) -> None:
        self._name = name
        self._stage = stage
        self._retries = retries
        self._leases = leases
        self._progress = progress
        self._state_up = state_up
        self._answering = answering

    async def settle(self, attempt: Attempt, failure: Failure) -> Outcome:
        """Publish the message to where it waits or rests, show that, and ack.

        Raises: BrokerError, StateUnavailable; the delivery is then unsettled.
        """
        await self._leases.release(attempt.owner)
        verdict = self._retries.verdict(self._name, attempt.envelope, failure)
        if isinstance(verdict, DeadLetter):
            await self._dead_letter(attempt, failure, verdict.queue)
            return Outcome.DEAD_LETTERED
        await self._retry(attempt, failure, verdict)
        return Outcome.RETRIED

    async def _retry(self, attempt: Attempt, failure: Failure, verdict: Retry) -> None:
        delay = verdict.delay
        if attempt.turn is not None:
            await attempt.turn.wait(delay.total_seconds())
        await self._retries.retry(attempt.envelope, attempt.delivery, verdict, failure)
        reporter = self._reporter(attempt)
        if reporter is not None:
            message = f"{failure.reason}. Next attempt in {format_duration(delay)}"
            details = {"error_code": failure.error_code, "attempt": attempt.envelope.attempt}
            data = {"message": message, "details": details}
            await self._state_up.insist(partial(reporter.end, Status.RETRYING, "progress", data))
        attempt.delivery.ack()
        self._warn("delivery failed, it will be tried again", attempt, failure, delay=format_duration(delay))

    async def _dead_letter(self, attempt: Attempt, failure: Failure, queue: str | None) -> None:
        envelope, message = attempt.envelope, attempt.delivery.message
        await self._answering.answer(attempt, failure)
        # Into the dead-letter queue before the state: the reverse could show a failure that is nowhere.
        if queue is not None:
            await self._retries.dead_letter(self._name, envelope, message, queue, failure)
        reporter = self._reporter(attempt)
        if reporter is not None:
            details: dict[str, Any] = {
                **failure.details,
                "error_code": failure.error_code,
                "stage": self._name,
                "attempt": envelope.attempt,
            }
            file_path = attempt.field("file_path")
            if file_path is not None:
                details["file_path"] = file_path
            data = {"error": failure.reason, "details": details}
            await self._state_up.insist(partial(reporter.end, Status.FAILED, "error", data))
        if attempt.turn is not None:
            await self._state_up.insist(attempt.turn.end)
        if queue is not None:
            attempt.delivery.ack()
        else:
            attempt.delivery.reject(requeue=False)
        self._warn("delivery failed for good", attempt, failure, dead_letter_queue=queue)

    def _reporter(self, attempt: Attempt) -> Reporter | None:
        if attempt.work is not None:
            return attempt.work.reporter
        subject = attempt.subject(self._stage)
        return None if subject is None else Reporter(self._progress, self._name, subject, attempt.run, attempt.owner)

    def _warn(self, event: str, attempt: Attempt, failure: Failure, **values: Any) -> None:
        _log.warning(
            event,
            stage=self._name,
            queue=attempt.envelope.queue,
            message_id=attempt.envelope.message_id,
            attempt=attempt.envelope.attempt,
            error_code=failure.error_code,
            error_class=failure.error_class,
            reason=failure.reason,
            **values,
        )
