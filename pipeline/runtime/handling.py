"""What happens to one delivery, from its bytes to its settlement.

The order is what the guarantees rest on: claim, run, outputs confirmed, state written, marked done, acked.
Whatever is interrupted before the ack is delivered again, and the ledger tells whether it has to run again.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import structlog
from pydantic import BaseModel

from pipeline.broker.port import Delivery
from pipeline.errors import BrokerError, ErrorCode, Permanent, Refused, StateUnavailable
from pipeline.runtime.answering import Answering
from pipeline.runtime.attempt import Attempt, Outcome
from pipeline.runtime.audit import Audit
from pipeline.runtime.availability import Availability
from pipeline.runtime.breaker import Breaker, Breakers, State, blamed
from pipeline.runtime.cancellations import Cancellations
from pipeline.runtime.claims import Claims
from pipeline.runtime.contracts import Contracts, printable
from pipeline.runtime.envelope import envelope_of
from pipeline.runtime.executor import Executor
from pipeline.runtime.failing import Failing
from pipeline.runtime.failure import Failure, StepFailed, WorkCancelled, failure_of
from pipeline.runtime.hold import Hold
from pipeline.runtime.isolation import Isolation
from pipeline.runtime.leases import Leases
from pipeline.runtime.order import Turn
from pipeline.runtime.outbox import Outbox
from pipeline.runtime.outputs import Emitter, Outputs
from pipeline.runtime.progress import Reporter
from pipeline.runtime.retry import Retries
from pipeline.runtime.subject import Subject
from pipeline.runtime.work import Work
from pipeline.state.port import Claim, StateStore, Status
from pipeline.telemetry import DELIVERIES, DURATION, RUNNING
from pipeline.topology.stages import Ledger, Stage

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Services:
    """What the stages of one worker share.

    Attributes:
        hold_s: how long a delivery is held before it is returned, where the broker takes it nowhere else.
    """

    contracts: Contracts
    outbox: Outbox
    retries: Retries
    state: StateStore
    state_up: Availability
    broker_up: Availability
    leases: Leases
    isolation: Isolation
    cancellations: Cancellations
    breakers: Breakers
    audit: Audit | None
    hold_s: float


class _Paused(Exception):
    """What the stage depends on is away: the message goes back to its queue."""


class Handler:
    """Handles the deliveries of one stage."""

    def __init__(
        self,
        name: str,
        stage: Stage,
        services: Services,
        executor: Executor,
        emitter: Emitter,
        answering: Answering,
        ledger: Ledger,
        breakers: Sequence[Breaker] = (),
    ) -> None:
        self._name = name
        self._stage = stage
        self._taken = {queue: frozenset(messages) for queue, messages in stage.from_.items()}
        self._services = services
        self._executor = executor
        self._emitter = emitter
        self._failing = Failing(
            name, stage, services.retries, services.leases, services.state.progress, services.state_up, answering
        )
        self._claims = Claims(name, ledger, services.leases, services.isolation, services.state_up)
        self._goes_on = ledger.when_away == "continue"
        self._breakers = tuple(breakers)
        self._running = RUNNING.labels(name)
        self._duration = DURATION.labels(name)
        self._outcomes = {outcome: DELIVERIES.labels(name, outcome.value) for outcome in Outcome}

    async def handle(self, delivery: Delivery, hold: Hold, turn: Turn | None = None) -> Outcome:
        """Handle and settle one delivery. Raises CancelledError only, and then it is unsettled."""
        started = time.perf_counter()
        attempt = Attempt(delivery, envelope_of(delivery, hold.queue), hold, self._services.leases.new_owner(), turn)
        attempt.goes_on = self._goes_on
        await self._services.isolation.enter()
        self._running.inc()
        try:
            outcome = await self._settle(attempt)
        except asyncio.CancelledError:
            if attempt.work is not None:
                attempt.work.cancelled = True  # a thread goes on until it looks
            await self._services.leases.release(attempt.owner)
            raise
        finally:
            self._running.dec()
            self._services.isolation.leave(alone=attempt.alone)
            await self._forget(attempt.work)
        seconds = time.perf_counter() - started
        self._duration.observe(seconds)
        self._outcomes[outcome].inc()
        if self._services.audit is not None:
            self._services.audit.note(self._name, attempt, outcome, seconds)
        return outcome

    async def _settle(self, attempt: Attempt) -> Outcome:
        try:
            try:
                return await self._work_on(attempt)
            except WorkCancelled:
                return await self._done(attempt, Outcome.CANCELLED)
            except StateUnavailable as error:
                if not await self._services.state_up.answers():
                    raise
                failure = failure_of(error)
            except Refused as error:
                if self._services.retries.pause() is None:  # there is no queue to wait in
                    raise
                failure = failure_of(error)
            except Exception as error:
                failure = failure_of(error)
            attempt.failure = failure
            if self._is_for_want_of_a_dependency(failure):
                raise _Paused
            await asyncio.sleep(0)  # a lost connection fails publishes first, and tells its consumers then
            if not attempt.hold.void:
                return await self._failing.settle(attempt, failure)
        except _Paused:
            pass  # consumption is paused by now, and resumes when it answers
        except StateUnavailable:
            if self._goes_on:  # consumption is not paused: returning at once would be a hot loop
                await self._services.state_up.back_within(self._services.hold_s)
        except BrokerError as error:
            await self._hold(attempt, error)
        except Exception as error:
            _log.error("a delivery could not be settled", stage=self._name, failure=failure_of(error).reason)
            await self._services.broker_up.lost_within(self._services.hold_s)
        await self._services.leases.release(attempt.owner)
        return self._returned(attempt)

    def _returned(self, attempt: Attempt) -> Outcome:
        if self._stage.order_by is None:
            attempt.delivery.reject(requeue=True)
        return Outcome.RETURNED

    async def _work_on(self, attempt: Attempt) -> Outcome:
        if attempt.turn is not None and (away_s := await attempt.turn.away()) is not None:
            return await self._defer(attempt, away_s)
        body = self._decode(attempt)
        attempt.identify(body)
        match await self._claims.begin(attempt):
            case Claim.DONE:
                return await self._done(attempt, Outcome.DUPLICATE)
            case Claim.RUNNING:
                return await self._defer(attempt)
            case Claim.CRASHED:
                raise Permanent("Two workers ended while they were working on this", ErrorCode.WORKER_CRASHED)
        work = attempt.work = Work(
            self._name, attempt.envelope, body, lambda recording: self._reporter(attempt, Subject(recording))
        )
        subject = attempt.subject(self._stage)
        if subject is not None:
            work.reporter = self._reporter(attempt, subject)
            if not await work.reporter.begin():
                return await self._done(attempt, Outcome.CANCELLED)
        outputs = self._emitter.sort(await self._run(work), attempt.message_id)
        if work.cancelled:
            raise WorkCancelled
        for breaker in self._breakers:
            breaker.succeeded()
        await self._services.outbox.publish(attempt, outputs.messages)
        await self._write_state(work, outputs)
        return await self._done(attempt, Outcome.COMPLETED)

    def _is_for_want_of_a_dependency(self, failure: Failure) -> bool:
        """Note whose fault a failure is; whether that is away, so that the message waits without an attempt counted."""
        at_fault = blamed(self._breakers, failure)
        for breaker in at_fault:
            breaker.failed()
        return any(breaker.state is State.OPEN for breaker in at_fault)

    def _decode(self, attempt: Attempt) -> BaseModel:
        envelope = attempt.envelope
        if envelope.message not in self._taken[envelope.queue]:
            raise Permanent(
                f"Stage {self._name} takes no {printable(envelope.message, 80)!r} from {envelope.queue}",
                ErrorCode.UNKNOWN_MESSAGE,
            )
        message = attempt.delivery.message
        contract = self._services.contracts[envelope.message]
        return contract.decode(message.body, message.content_type, message.content_encoding)

    async def _run(self, work: Work) -> Sequence[Any]:
        try:
            return await self._executor.run(work)
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if task is None or task.cancelling():
                raise
            raise StepFailed(Failure(ErrorCode.INTERNAL_ERROR, "CancelledError", "A step cancelled itself")) from None
        except SystemExit as error:
            raise StepFailed(failure_of(error)) from None

    async def _write_state(self, work: Work, outputs: Outputs) -> None:
        state, insist = self._services.state, self._services.state_up.insist
        for cancel in outputs.cancels:
            end = partial(state.progress.cancel, cancel.recording_id, cancel.reason, asked_at=cancel.asked_at)
            await insist(end)
        completed, reporter = outputs.completed, work.reporter
        if completed is not None and reporter is not None:
            data = {**completed.extra, "results": dict(completed.results)}
            await insist(partial(reporter.end, Status.COMPLETED, completed.type, data))

    async def _done(self, attempt: Attempt, outcome: Outcome) -> Outcome:
        await self._claims.finish(attempt)
        if attempt.turn is not None:
            await self._services.state_up.insist(attempt.turn.end)
        attempt.delivery.ack()
        return outcome

    async def _defer(self, attempt: Attempt, seconds: float = 0) -> Outcome:
        """The message runs elsewhere just now, or it is not its turn: look again later whether that came to an end."""
        pause = self._services.retries.pause(seconds)
        if pause is None:
            await self._services.broker_up.lost_within(self._services.hold_s)
            return self._returned(attempt)
        if attempt.turn is not None:
            await attempt.turn.wait(pause.total_seconds())
        await self._services.retries.defer(attempt.envelope, attempt.delivery, pause)
        attempt.delivery.ack()
        return Outcome.DEFERRED

    async def _hold(self, attempt: Attempt, error: BrokerError) -> None:
        """The broker took the message nowhere. If it is there at all, returning at once would be a hot loop."""
        if not await self._services.broker_up.lost_within(self._services.hold_s):
            _log.error(
                "the broker refuses what a delivery gave; it returns to its queue"
                if isinstance(error, Refused)
                else "a failed delivery can be put neither into a retry queue nor into the dead-letter queue; "
                "run `pipeline apply`",
                stage=self._name,
                queue=attempt.envelope.queue,
                reason=str(error),
            )

    def _reporter(self, attempt: Attempt, subject: Subject) -> Reporter:
        if attempt.work is not None:
            self._services.cancellations.add(subject.key, attempt.work)
        return Reporter(
            self._services.state.progress, self._name, subject, attempt.run, attempt.owner, attempt.asked_at
        )

    async def _forget(self, work: Work | None) -> None:
        if work is not None and work.reporter is not None:
            self._services.cancellations.remove(work.reporter.subject.key, work)
            await work.reporter.quiet()
