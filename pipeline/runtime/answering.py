"""Answers for messages that have failed for good: what a stage's `on_failure` makes of them."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable
from typing import Any

import structlog

from pipeline.errors import BrokerError, PipelineError, StateUnavailable
from pipeline.runtime.attempt import Attempt
from pipeline.runtime.compose import Resolve, reference_of
from pipeline.runtime.failure import Failure, failure_of
from pipeline.runtime.outbox import Outbox
from pipeline.runtime.outputs import Emitter
from pipeline.runtime.work import LoopContext, Work
from pipeline.stage import Failed
from pipeline.topology.stages import Stage

Answer = Callable[[Any, Failed, LoopContext], Any]

_log = structlog.get_logger()


def answer_of(name: str, stage: Stage, resolve: Resolve) -> Answer | None:
    """The stage's `on_failure`, if it has one. Raises PipelineError for what cannot be called so."""
    if stage.on_failure is None:
        return None
    reference = reference_of(name, stage, stage.on_failure)
    answer: Answer = resolve(reference)
    try:
        inspect.signature(answer).bind(None, None, None)
    except (TypeError, ValueError) as error:
        raise PipelineError(
            f"{reference} cannot answer a failure",
            where=f"stages.{name}.on_failure",
            fix="It takes (message, failed, context)",
        ) from error
    return answer


class Answering:
    """For one stage.

    Args:
        answer: the stage's function, if it has one.
        context: what it sees beside the message and the failure.
    """

    def __init__(
        self,
        stage: str,
        answer: Answer | None,
        *,
        context: Callable[[Work], LoopContext],
        timeout_s: float,
        emitter: Emitter,
        outbox: Outbox,
    ) -> None:
        self._stage = stage
        self._answer = answer
        self._context = context
        self._timeout_s = timeout_s
        self._emitter = emitter
        self._outbox = outbox

    async def answer(self, attempt: Attempt, failure: Failure) -> None:
        """Publish the answer. One that cannot be made is logged, and does not keep the message from its dead letters.

        Raises: BrokerError, StateUnavailable: then it has to be tried again.
        """
        if self._answer is None or attempt.work is None:
            return
        failed = Failed(
            failure.reason,
            failure.error_code,
            attempt.envelope.attempt,
            round(attempt.elapsed_s() * 1000, 3),
            failure.details,
        )
        try:
            async with asyncio.timeout(self._timeout_s):
                given = self._answer(attempt.work.body, failed, self._context(attempt.work))
                if inspect.isawaitable(given):
                    given = await given
            values = given if isinstance(given, list) else [] if given is None else [given]
            # A message that comes back from its dead letters and fails again is answered again.
            outputs = self._emitter.sort(values, f"{attempt.run}\x1ffailed")
            await self._outbox.publish(attempt, outputs.messages)
        except (BrokerError, StateUnavailable):
            raise
        except Exception as error:
            _log.error("a failure could not be answered", stage=self._stage, reason=failure_of(error).reason)
