"""The audit log: one line of JSON for each delivery, saying what became of it. No payloads, no failure's words."""

from __future__ import annotations

import logging
import sys
from contextlib import suppress
from logging.handlers import WatchedFileHandler
from pathlib import Path
from typing import TextIO
from zlib import crc32

import structlog

from pipeline.errors import PipelineError
from pipeline.runtime.attempt import Attempt, Outcome

_ALWAYS = frozenset({Outcome.RETRIED, Outcome.DEAD_LETTERED})
_HASHES = 2**32
_log = structlog.get_logger()


class Audit:
    """Writes it.

    Args:
        path: a file that lines are appended to, and that may be moved away meanwhile; `-`: standard output.
        sample: which part of the deliveries is written, 0 to 1; failed ones always are. Messages of one correlation
            id are written all or none, so that what is written can be followed from stage to stage.
    Raises: PipelineError if the file can't be opened.
    """

    def __init__(self, path: Path, *, sample: float = 1.0) -> None:
        self._below = sample * _HASHES
        self._handler = _opened(path)
        logger = logging.Logger("audit")
        logger.addHandler(self._handler)
        self._lines: structlog.types.FilteringBoundLogger = structlog.wrap_logger(
            logger,
            processors=[
                structlog.processors.TimeStamper(fmt="iso", utc=True, key="time"),
                structlog.processors.EventRenamer("outcome"),
                structlog.processors.JSONRenderer(),
            ],
            wrapper_class=structlog.make_filtering_bound_logger(logging.NOTSET),
        )

    def note(self, stage: str, attempt: Attempt, outcome: Outcome, seconds: float) -> None:
        """Write the line of a delivery, if it is among those to be written."""
        envelope = attempt.envelope
        message_id = attempt.message_id or envelope.message_id
        correlation_id = envelope.correlation_id or message_id
        if outcome not in _ALWAYS and crc32((correlation_id or attempt.owner).encode()) >= self._below:
            return
        failure = attempt.failure
        self._lines.info(
            outcome.value,
            stage=stage,
            queue=envelope.queue,
            message=envelope.message,
            message_id=message_id,
            correlation_id=correlation_id,
            attempt=envelope.attempt,
            redelivered=attempt.delivery.redelivered,
            seconds=round(seconds, 6),
            worker=attempt.owner.partition(".")[0],
            error_code=None if failure is None else failure.error_code,
            error_class=None if failure is None else failure.error_class,
        )

    def close(self) -> None:
        """Write no more."""
        with suppress(OSError):  # what was lost has been told of
            self._handler.close()


class _TellsOnce(logging.Handler):
    """A line that can't be written is told of, and the work goes on."""

    _told = False

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802
        if not self._told:
            self._told = True
            _log.error("the audit log can't be written; lines are missing", reason=str(sys.exception()))


class _File(_TellsOnce, WatchedFileHandler):
    pass


class _Output(_TellsOnce, logging.StreamHandler[TextIO]):
    pass


def _opened(path: Path) -> logging.Handler:
    if str(path) == "-":
        return _Output(sys.stdout)
    try:
        return _File(path, encoding="utf-8")
    except OSError as error:
        raise PipelineError(
            f"The audit log can't be written: {error.strerror}", where=str(path), fix="PIPELINE_AUDIT names the file"
        ) from error
